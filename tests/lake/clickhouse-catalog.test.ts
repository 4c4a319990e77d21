/**
 * ClickHouse attaches the lake as a user's would: by the REST catalog over the front door, reading files
 * through the S3 facade with the keys it was vended, and by the facade alone. Files are written by DuckDB.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { ClickHouse } from '../../bench/peers.ts';
import { lakeNamespace } from '../../engine/lake-namespace.ts';
import { LakeDoor } from '../../query/lake/lake-door.ts';
import { crc32c } from '../../storage/crc32c.ts';
import { crcOfFile } from '../../storage/file-checksum.ts';
import { IcebergTable } from '../../storage/lake/iceberg-table.ts';
import { LocalObjectStore } from '../../storage/lake/local-object-store.ts';
import { keyOf } from '../../storage/lake/location.ts';
import type { LakeTableDefinition } from '../../storage/lake/schema.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';
import { type FrontDoor, openFrontDoor } from '../support/front-door.ts';
import { accessOf, BUCKET, LakeFixture } from './lake-fixture.ts';
import { DAY } from './table-fixture.ts';

const ORDERS: LakeTableDefinition = {
  name: 'orders',
  columns: [
    { name: 'sequence', type: 'long', personal: false },
    { name: 'received_at', type: 'timestamptz', personal: false },
    { name: 'event', type: 'string', personal: false },
    { name: 'amount', type: 'double', personal: false },
    { name: 'user_id', type: 'string', personal: true },
  ],
  dayOf: 'received_at',
  sortBy: ['received_at'],
};

/** Each gives the same rows in both engines; TABLE stands for the table. */
const QUERIES: readonly string[] = [
  'SELECT count(*) FROM TABLE',
  'SELECT min(sequence), max(sequence), sum(sequence) FROM TABLE',
  'SELECT event, count(*) FROM TABLE GROUP BY event ORDER BY event',
  'SELECT event, sum(amount), avg(amount) FROM TABLE GROUP BY event ORDER BY event',
  "SELECT count(*) FROM TABLE WHERE received_at >= '2026-11-21 00:00:00'",
  'SELECT count(DISTINCT user_id) FROM TABLE',
  'SELECT user_id, sum(amount) AS spent FROM TABLE GROUP BY user_id ORDER BY spent DESC, user_id LIMIT 5',
  'SELECT count(*) FROM TABLE WHERE amount IS NULL',
  'SELECT sequence, event, user_id FROM TABLE WHERE sequence BETWEEN 995 AND 1004 ORDER BY sequence',
  "SELECT count(*) FROM TABLE WHERE user_id = 'user-7' AND event = 'Größe 1'",
];

describe('ClickHouse by the catalog', { skip: skipReason() }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'tributary-catalog-'));
  let peer: ClickHouse;
  let duckdb: DuckDBConnection;
  let store: LocalObjectStore;
  let table: IcebergTable;
  let door: FrontDoor;
  let token: string;
  let namespace: string;

  before(async () => {
    const { control, tenantId, token: issued } = await LakeFixture.open();
    token = issued;
    namespace = lakeNamespace(tenantId);
    store = await LocalObjectStore.open(new NodeFileSystem(), join(directory, 'lake'), BUCKET);
    const lake = new LakeDoor({ store, access: accessOf(control), clock: systemClock });
    door = await openFrontDoor({ lake });
    duckdb = await (await DuckDBInstance.create(':memory:')).connect();
    await duckdb.run("SET TimeZone = 'UTC'");
    table = await IcebergTable.open({
      store,
      namespace,
      definition: ORDERS,
      clock: systemClock,
      random: systemRandom,
      log: silentLogger,
    });
    await append(0, DAY);
    await append(1000, DAY + 1);
    peer = await ClickHouse.open(join(directory, 'clickhouse'), () => {});
    await peer.execute('SET allow_database_iceberg = 1');
    await peer.execute(`CREATE DATABASE lake
      ENGINE = DataLakeCatalog('${door.url}/iceberg/v1')
      SETTINGS catalog_type = 'rest', warehouse = '${BUCKET}',
        auth_header = 'Authorization: Bearer ${token}'`);
  });

  after(async () => {
    await peer?.close();
    duckdb?.closeSync();
    door?.server.close();
    rmSync(directory, { recursive: true });
  });

  /** A thousand rows from `first`, as one file and one commit. */
  async function append(first: number, day: number): Promise<void> {
    const path = join(store.stagingDirectory, `${first}.parquet`);
    const ids = table.schema.columns.map(({ name, id }) => `${name}: ${id}`);
    await duckdb.run(`COPY (
        SELECT i AS sequence, make_timestamptz(${day * 86_400_000_000}::BIGINT + i) AS received_at,
          'Größe ' || (i % 3) AS event, CASE WHEN i % 10 <> 0 THEN i / 4 END AS amount,
          'user-' || (i % 17) AS user_id
        FROM range(${first}, ${first + 1000}) AS numbers(i)
      ) TO '${path}' (FORMAT parquet, COMPRESSION zstd, FIELD_IDS {${ids.join(', ')}})`);
    const location = table.newDataFile(day, await crcOfFile(new NodeFileSystem(), path, crc32c));
    const key = keyOf(BUCKET, location);
    await store.putFile(key, path);
    const fileBytes = (await store.head(key))!.bytes;
    const description = { location, day, recordCount: 1000, fileBytes, columns: new Map() };
    await table.commit({
      commitId: location,
      operation: 'append',
      add: [{ ...description, splitOffsets: [], sorted: false }],
      remove: [],
    });
  }

  /** What DuckDB finds in the files of the current snapshot, values as ClickHouse writes them. */
  async function expected(query: string): Promise<unknown[][]> {
    const files = await table.liveFiles();
    const paths = files.map(({ location }) => `'${store.localPath(keyOf(BUCKET, location))}'`);
    const from = `read_parquet([${paths.join(', ')}])`;
    const result = await duckdb.runAndReadAll(query.replace('TABLE', from));
    return result
      .getRows()
      .map((row) => row.map((value) => (typeof value === 'bigint' ? String(value) : value)));
  }

  it('lists the tables of the catalog', async () => {
    assert.deepEqual(await peer.rows('SHOW TABLES FROM lake'), [[`${namespace}.orders`]]);
  });

  it('answers ten queries as DuckDB does over the same files', async () => {
    for (const query of QUERIES) {
      const rows = await peer.rows(query.replace('TABLE', `lake.\`${namespace}.orders\``));
      assert.deepEqual(rows, await expected(query), query);
    }
  });

  it('sees the next commit', async () => {
    await append(2000, DAY + 1);
    const rows = await peer.rows(`SELECT count() FROM lake.\`${namespace}.orders\``);
    assert.deepEqual(rows, [['3000']]);
  });

  it('reads by the facade alone, with vended keys', async () => {
    const response = await fetch(
      `${door.url}/iceberg/v1/namespaces/${namespace}/tables/orders/credentials`,
      { headers: { Authorization: `Bearer ${token}` } },
    );
    const { 'storage-credentials': credentials } = (await response.json()) as {
      'storage-credentials': { prefix: string; config: Record<string, string> }[];
    };
    const { prefix, config } = credentials[0]!;
    const url = prefix.replace('s3://', `${door.url}/`);
    const keys = `'${config['s3.access-key-id']}', '${config['s3.secret-access-key']}'`;
    const rows = await peer.rows(`SELECT count(), sum(sequence) FROM icebergS3('${url}', ${keys})`);
    assert.deepEqual(rows, [['3000', '4498500']]);
  });

  it('reads renamed and added columns of old files', async () => {
    await table.evolve([
      { kind: 'rename', from: 'event', to: 'event_name' },
      { kind: 'add', column: { name: 'channel', type: 'string', personal: false } },
    ]);
    const rows = await peer.rows(`SELECT event_name, count(channel), count()
      FROM lake.\`${namespace}.orders\` GROUP BY event_name ORDER BY event_name`);
    assert.deepEqual(rows, [
      ['Größe 0', '0', '1000'],
      ['Größe 1', '0', '1000'],
      ['Größe 2', '0', '1000'],
    ]);
  });

  it('attaches with OAuth client credentials as well', async () => {
    await peer.execute(`CREATE DATABASE by_oauth
      ENGINE = DataLakeCatalog('${door.url}/iceberg/v1')
      SETTINGS catalog_type = 'rest', warehouse = '${BUCKET}',
        catalog_credential = 'any:${token}'`);
    const rows = await peer.rows(`SELECT count() FROM by_oauth.\`${namespace}.orders\``);
    assert.deepEqual(rows, [['3000']]);
  });

  it('cannot write', async () => {
    await peer.execute('SET allow_insert_into_iceberg = 1');
    const insert = `INSERT INTO lake.\`${namespace}.orders\` (sequence) VALUES (1)`;
    await assert.rejects(peer.execute(insert), /403|405|MethodNotAllowed|Forbidden|not allowed/i);
    const rows = await peer.rows(`SELECT count() FROM lake.\`${namespace}.orders\``);
    assert.deepEqual(rows, [['3000']]);
  });

  it('is refused with a token that is not known', async () => {
    const wrong = `CREATE DATABASE stranger ENGINE = DataLakeCatalog('${door.url}/iceberg/v1')
      SETTINGS catalog_type = 'rest', warehouse = '${BUCKET}',
        auth_header = 'Authorization: Bearer ${token}x'`;
    await assert.rejects(async () => {
      await peer.execute(wrong);
      await peer.rows('SHOW TABLES FROM stranger');
    });
  });
});

function skipReason(): string | false {
  return ClickHouse.isInstalled()
    ? false
    : 'ClickHouse (chdb) is not installed; `npm install` in bench/peers does that';
}
