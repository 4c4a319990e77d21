/**
 * ClickHouse reads a table in the three ways that a user has: by the REST catalog over the front door, through
 * the S3 facade with the keys it was vended, and by path. Ten queries have the answers that our own DuckDB
 * gives, before and after all that may happen to a table: other columns, compaction, erasure.
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
import { DAY_MICROS, GIB, MIB } from '../../base/units.ts';
import { ClickHouse } from '../../bench/peers.ts';
import {
  type CompactionOptions,
  compactOnce,
  eraseRows,
  type RewrittenTable,
} from '../../engine/compaction.ts';
import { lakeNamespace } from '../../engine/lake-namespace.ts';
import { duckdbType, parquetSource } from '../../query/cold-source.ts';
import { LakeDoor } from '../../query/lake/lake-door.ts';
import { RewriteProcess } from '../../query/rewrite-process.ts';
import { crc32c } from '../../storage/crc32c.ts';
import { crcOfFile } from '../../storage/file-checksum.ts';
import { COMPACTION_LIMITS } from '../../storage/lake/compaction-plan.ts';
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
    { name: 'anchor', type: 'int', personal: false },
    { name: 'amount', type: 'double', personal: false },
    { name: 'ratio', type: 'float', personal: false },
    { name: 'user_id', type: 'string', personal: true },
  ],
  dayOf: 'received_at',
  sortBy: ['anchor', 'received_at'],
};

/** Each gives the same rows in both engines; TABLE stands for the table, and EVENT for a column's name. */
const QUERIES: readonly string[] = [
  'SELECT count(*), sum(anchor), max(anchor) FROM TABLE',
  'SELECT min(sequence), max(sequence), sum(sequence), sum(ratio) FROM TABLE',
  'SELECT EVENT, count(*) FROM TABLE GROUP BY EVENT ORDER BY EVENT',
  'SELECT EVENT, sum(amount), avg(amount) FROM TABLE GROUP BY EVENT ORDER BY EVENT',
  "SELECT count(*), min(anchor) FROM TABLE WHERE received_at >= '2026-11-21 00:00:00'",
  'SELECT count(DISTINCT user_id), count(DISTINCT anchor) FROM TABLE',
  'SELECT user_id, sum(amount) AS spent FROM TABLE GROUP BY user_id ORDER BY spent DESC, user_id LIMIT 5',
  'SELECT count(*), max(ratio) FROM TABLE WHERE amount IS NULL',
  'SELECT sequence, EVENT, user_id, ratio FROM TABLE WHERE sequence BETWEEN 995 AND 1004 ORDER BY sequence',
  "SELECT count(*) FROM TABLE WHERE user_id = 'user-7' AND EVENT = 'Größe 1' AND anchor < 100",
];
const ERASED = 3;

describe('ClickHouse by the catalog', { skip: skipReason() }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'tributary-catalog-'));
  let peer: ClickHouse;
  let duckdb: DuckDBConnection;
  let store: LocalObjectStore;
  let table: IcebergTable;
  let door: FrontDoor;
  let token: string;
  let namespace: string;
  let eventColumn = 'event';
  let answers: unknown[][][] = [];
  let rewriting: CompactionOptions;
  let compacted: RewrittenTable;
  const fileSystem = new NodeFileSystem();
  const rewriter = new RewriteProcess({
    threads: 1,
    memoryBytesMax: 256 * MIB,
    spillBytesMax: GIB,
    dataBytesMax: GIB,
  });

  before(async () => {
    const { control, tenantId, token: issued } = await LakeFixture.open();
    token = issued;
    namespace = lakeNamespace(tenantId);
    store = await LocalObjectStore.open(fileSystem, join(directory, 'lake'), BUCKET);
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
    const limits = { ...COMPACTION_LIMITS, filesMin: 2 };
    rewriting = { store, fileSystem, rewriter, random: systemRandom, limits };
    compacted = {
      lake: table,
      definition: ORDERS,
      replace: (commit) => table.commit(commit),
    };
    await append(0, DAY);
    await append(1000, DAY + 1);
    await append(2000, DAY + 1);
    peer = await ClickHouse.open(join(directory, 'clickhouse'), () => {});
    await peer.execute('SET allow_database_iceberg = 1');
    await peer.execute(`CREATE DATABASE lake
      ENGINE = DataLakeCatalog('${door.url}/iceberg/v1')
      SETTINGS catalog_type = 'rest', warehouse = '${BUCKET}',
        auth_header = 'Authorization: Bearer ${token}'`);
  });

  after(async () => {
    await peer?.close();
    await rewriter.close();
    duckdb?.closeSync();
    door?.server.close();
    rmSync(directory, { recursive: true });
  });

  /** A thousand rows from `first`, as one file and one commit, with the columns of now. */
  async function append(first: number, day: number): Promise<void> {
    const path = join(store.stagingDirectory, `${first}.parquet`);
    const { columns } = table.schema;
    const typeOf = (name: string) =>
      duckdbType(columns.find((column) => column.name === name)!.type);
    const ids = columns.map(({ name, id }) => `${name}: ${id}`);
    const channel = columns.some(({ name }) => name === 'channel') ? ", 'web' AS channel" : '';
    await duckdb.run(`COPY (
        SELECT i AS sequence, make_timestamptz(${day * DAY_MICROS}::BIGINT + i) AS received_at,
          'Größe ' || (i % 3) AS ${eventColumn}, (i % 17)::${typeOf('anchor')} AS anchor,
          CASE WHEN i % 10 <> 0 THEN i / 4 END AS amount, (i / 8)::${typeOf('ratio')} AS ratio,
          'user-' || (i % 17) AS user_id ${channel}
        FROM range(${first}, ${first + 1000}) AS numbers(i)
      ) TO '${path}' (FORMAT parquet, COMPRESSION zstd, FIELD_IDS {${ids.join(', ')}})`);
    const location = table.newDataFile(day, await crcOfFile(fileSystem, path, crc32c));
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

  /** What our own DuckDB finds by field id in the files of the current snapshot. */
  async function expected(query: string): Promise<unknown[][]> {
    const files = await table.liveFiles();
    const paths = files.map(({ location }) => store.localPath(keyOf(BUCKET, location))!);
    const from = parquetSource(paths, table.schema.columns);
    const result = await duckdb.runAndReadAll(query.replace('TABLE', from));
    return result
      .getRows()
      .map((row) => row.map((value) => (typeof value === 'bigint' ? String(value) : value)));
  }

  async function vended(): Promise<{ prefix: string; config: Record<string, string> }> {
    const response = await fetch(
      `${door.url}/iceberg/v1/namespaces/${namespace}/tables/orders/credentials`,
      { headers: { Authorization: `Bearer ${token}` } },
    );
    const { 'storage-credentials': credentials } = (await response.json()) as {
      'storage-credentials': { prefix: string; config: Record<string, string> }[];
    };
    return credentials[0]!;
  }

  /** The table as ClickHouse names it, in each of the three ways. */
  async function ways(): Promise<Record<string, string>> {
    const { prefix, config } = await vended();
    const keys = `'${config['s3.access-key-id']}', '${config['s3.secret-access-key']}'`;
    return {
      catalog: `lake.\`${namespace}.orders\``,
      facade: `icebergS3('${prefix.replace('s3://', `${door.url}/`)}', ${keys})`,
      path: `icebergLocal('${store.localPath(keyOf(BUCKET, table.location))}/')`,
    };
  }

  /** @returns our answers, which are the same in all three ways. */
  async function assertSameAnswers(): Promise<unknown[][][]> {
    const ours: unknown[][][] = [];
    for (const query of QUERIES.map((text) => text.replaceAll('EVENT', eventColumn))) {
      const rows = await expected(query);
      ours.push(rows);
      for (const [way, from] of Object.entries(await ways())) {
        assert.deepEqual(await peer.rows(query.replace('TABLE', from)), rows, `${way}: ${query}`);
      }
    }
    return ours;
  }

  it('lists the tables of the catalog', async () => {
    assert.deepEqual(await peer.rows('SHOW TABLES FROM lake'), [[`${namespace}.orders`]]);
  });

  it('answers ten queries in each of the three ways as we do', async () => {
    await assertSameAnswers();
  });

  it('and after columns were renamed, added and promoted, in old files and new ones', async () => {
    await table.evolve([
      { kind: 'rename', from: 'event', to: 'event_name' },
      { kind: 'add', column: { name: 'channel', type: 'string', personal: false } },
      { kind: 'promote', name: 'anchor', type: 'long' },
      { kind: 'promote', name: 'ratio', type: 'double' },
    ]);
    eventColumn = 'event_name';
    await append(3000, DAY + 1);
    answers = await assertSameAnswers();
    const channels = 'SELECT channel, count() FROM TABLE GROUP BY channel ORDER BY channel';
    for (const [way, from] of Object.entries(await ways())) {
      const rows = await peer.rows(channels.replace('TABLE', from));
      assert.deepEqual(
        rows,
        [
          ['web', '1000'],
          [null, '3000'],
        ],
        way,
      );
    }
  });

  it('and after compaction, with the answers of before', async () => {
    const nowMicros = (DAY + 3) * DAY_MICROS;
    while ((await compactOnce(rewriting, compacted, nowMicros)) !== undefined) {}
    const files = await table.liveFiles();
    assert.deepEqual(
      files.map(({ sorted }) => sorted),
      [true, true],
    );
    assert.deepEqual(await assertSameAnswers(), answers);
  });

  it('and after an erasure, without the rows of the person', async () => {
    const rewrites = await eraseRows(rewriting, compacted, [
      { column: 'anchor', values: [ERASED] },
    ]);
    assert.equal(rewrites.length, 2);
    await table.expireSnapshots({ olderThanMicros: 2 ** 52, keepLast: 1 });
    const [[rows, ,], ...others] = (await assertSameAnswers())[0] as [[string, string, string]];
    assert.deepEqual(others, []);
    assert.equal(
      Number(rows),
      4000 - rewrites.reduce((sum, { rowsBefore, rowsAfter }) => sum + rowsBefore - rowsAfter, 0),
    );
    for (const from of Object.values(await ways())) {
      const left = await peer.rows(
        `SELECT count() FROM ${from} WHERE anchor = ${ERASED} OR user_id = 'user-${ERASED}'`,
      );
      assert.deepEqual(left, [['0']]);
    }
  });

  it('attaches with OAuth client credentials as well', async () => {
    await peer.execute(`CREATE DATABASE by_oauth
      ENGINE = DataLakeCatalog('${door.url}/iceberg/v1')
      SETTINGS catalog_type = 'rest', warehouse = '${BUCKET}',
        catalog_credential = 'any:${token}'`);
    const rows = await peer.rows(`SELECT count() FROM by_oauth.\`${namespace}.orders\``);
    assert.deepEqual(rows, await expected('SELECT count(*) FROM TABLE'));
  });

  it('cannot write', async () => {
    await peer.execute('SET allow_insert_into_iceberg = 1');
    const insert = `INSERT INTO lake.\`${namespace}.orders\` (sequence) VALUES (1)`;
    await assert.rejects(peer.execute(insert), /403|405|MethodNotAllowed|Forbidden|not allowed/i);
    const rows = await peer.rows(`SELECT count() FROM lake.\`${namespace}.orders\``);
    assert.deepEqual(rows, await expected('SELECT count(*) FROM TABLE'));
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
