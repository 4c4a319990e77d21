/**
 * ClickHouse reads our tables by path, with no help of ours: after appends, added and renamed columns,
 * wider types, replaced files, merged manifests and expiry. Data files are written by DuckDB.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';
import { LIMITS } from '../../base/limits.ts';
import { GIB, MIB } from '../../base/units.ts';
import { ClickHouse } from '../../bench/peers.ts';
import { parquetSource } from '../../query/cold-source.ts';
import { rewriteFiles } from '../../query/rewrite-files.ts';
import { crc32c } from '../../storage/crc32c.ts';
import { crcOfFile } from '../../storage/file-checksum.ts';
import type { ColumnMetrics, DataFile } from '../../storage/lake/data-file.ts';
import type { LakeTable } from '../../storage/lake/lake-table.ts';
import { LocalObjectStore } from '../../storage/lake/local-object-store.ts';
import { keyOf } from '../../storage/lake/location.ts';
import type { ObjectStore } from '../../storage/lake/object-store.ts';
import type { LakeTableDefinition } from '../../storage/lake/schema.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';
import { DAY, openTableIn } from './table-fixture.ts';

const SAMPLES: LakeTableDefinition = {
  name: 'samples',
  columns: [
    { name: 'sequence', type: 'long', personal: false },
    { name: 'anchor', type: 'int', personal: false },
    { name: 'ratio', type: 'float', personal: false },
    { name: 'amount', type: 'double', personal: false },
    { name: 'flag', type: 'boolean', personal: false },
    { name: 'born', type: 'date', personal: false },
    { name: 'local_time', type: 'timestamp', personal: false },
    { name: 'received_at', type: 'timestamptz', personal: false },
    { name: 'event', type: 'string', personal: false },
    { name: 'user_id', type: 'string', personal: true },
    { name: 'digest', type: 'binary', personal: false },
  ],
  dayOf: 'received_at',
  sortBy: ['anchor', 'received_at'],
};

/** Ten rows from `first`, of one day; the fifth is null but for the sequence and the time. */
function rowsFrom(first: number, day: number): string {
  const micros = `${day * 86_400_000_000 + 1}::BIGINT + i`;
  const values = [
    '(i * 7)::INTEGER AS anchor',
    '(i / 4)::FLOAT AS ratio',
    '(i * 1.5)::DOUBLE AS amount',
    '(i % 2 = 0) AS flag',
    "DATE '2000-01-01' + i::INTEGER AS born",
    "TIMESTAMP '2026-01-01 00:00:00.123456' + to_seconds(i) AS local_time",
    "'Größe ' || i AS event",
    "'user-' || i AS user_id",
    "('\\x00\\xFF' || i)::BLOB AS digest",
  ];
  const orNull = values.map((value) => {
    const [expression, name] = value.split(' AS ');
    return `CASE WHEN i = ${first + 5} THEN NULL ELSE ${expression} END AS ${name}`;
  });
  return `SELECT i AS sequence, make_timestamptz(${micros}) AS received_at, ${orNull.join(', ')}
    FROM range(${first}, ${first + 10}) AS numbers(i)`;
}

describe('ClickHouse by path', { skip: skipReason() }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'tributary-clickhouse-'));
  let peer: ClickHouse;
  let duckdb: DuckDBConnection;
  let store: ObjectStore;
  let table: LakeTable;
  let files = 0;

  before(async () => {
    peer = await ClickHouse.open(join(directory, 'clickhouse'), () => {});
    duckdb = await (await DuckDBInstance.create(':memory:')).connect();
    await duckdb.run("SET TimeZone = 'UTC'");
    store = await LocalObjectStore.open(new NodeFileSystem(), join(directory, 'lake'), 'lake');
    table = await openTableIn(store, { definition: SAMPLES });
  });

  after(async () => {
    duckdb?.closeSync();
    await peer?.close();
    rmSync(directory, { recursive: true });
  });

  /** Writes the rows of `sql` as a file of the table, with the current field ids. */
  async function write(sql: string, day: number): Promise<DataFile> {
    files += 1;
    const path = join(store.stagingDirectory, `${files}.parquet`);
    const described = await duckdb.runAndReadAll(`DESCRIBE ${sql}`);
    const names = described.getRows().map(([name]) => String(name));
    const columns = table.schema.columns.filter(({ name }) => names.includes(name));
    const ids = columns.map(({ name, id }) => `${name}: ${id}`);
    await duckdb.run(`COPY (${sql}) TO '${path}'
      (FORMAT parquet, COMPRESSION zstd, FIELD_IDS {${ids.join(', ')}})`);
    const counted = await duckdb.runAndReadAll(
      `SELECT count(*)::INTEGER, min(sequence), max(sequence) FROM '${path}'`,
    );
    const [recordCount, lower, upper] = counted.getRows()[0] as [number, bigint, bigint];
    const metrics: ColumnMetrics = { valueCount: recordCount, nullCount: 0, lower, upper };
    const location = table.newDataFile(day, await crcOfFile(new NodeFileSystem(), path, crc32c));
    const key = keyOf(store.bucket, location);
    await store.putFile(key, path);
    const fileBytes = (await store.head(key))!.bytes;
    const bounds = new Map([[1, metrics]]);
    return {
      location,
      day,
      recordCount,
      fileBytes,
      columns: bounds,
      splitOffsets: [],
      sorted: false,
    };
  }

  async function append(sql: string, day: number): Promise<DataFile> {
    const file = await write(sql, day);
    const commitId = file.location;
    await table.commit({ commitId, operation: 'append', add: [file], remove: [] });
    return file;
  }

  /** Runs `select … FROM table …` in ClickHouse. */
  function ask(select: string, rest = ''): Promise<unknown[][]> {
    const path = join(directory, 'lake', keyOf(store.bucket, table.location));
    return peer.rows(`SELECT ${select} FROM icebergLocal('${path}/') ${rest}`);
  }

  it('an empty table has its columns and no rows', async () => {
    assert.deepEqual(await ask('count()'), [['0']]);
  });

  it('every type of column comes as it was written, nulls too', async () => {
    await append(rowsFrom(0, DAY), DAY);
    await append(rowsFrom(10, DAY + 1), DAY + 1);
    const all = SAMPLES.columns.map(({ name }) => (name === 'digest' ? 'hex(digest)' : name));
    const rows = await ask(all.join(', '), 'WHERE sequence IN (4, 5, 11) ORDER BY sequence');
    const nulls = [null, null, null, null, null, null];
    assert.deepEqual(rows, [
      [
        '4',
        28,
        1,
        6,
        true,
        '2000-01-05',
        '2026-01-01 00:00:04.123456',
        '2026-11-20 00:00:00.000005',
        'Größe 4',
        'user-4',
        '00FF34',
      ],
      ['5', ...nulls, '2026-11-20 00:00:00.000006', null, null, null],
      [
        '11',
        77,
        2.75,
        16.5,
        false,
        '2000-01-12',
        '2026-01-01 00:00:11.123456',
        '2026-11-21 00:00:00.000012',
        'Größe 11',
        'user-11',
        '00FF3131',
      ],
    ]);
  });

  it('days and bounds rule out files, and no row too many', async () => {
    const day = "received_at >= '2026-11-21 00:00:00' AND received_at < '2026-11-22 00:00:00'";
    assert.deepEqual(await ask('count(), min(sequence)', `WHERE ${day}`), [['10', '10']]);
    assert.deepEqual(await ask('count()', 'WHERE sequence BETWEEN 8 AND 12'), [['5']]);
    assert.deepEqual(await ask('count()', "WHERE user_id = 'user-13'"), [['1']]);
  });

  it('added, renamed and widened columns read old files and new ones', async () => {
    await table.evolve([
      { kind: 'add', column: { name: 'revenue', type: 'double', personal: false } },
      { kind: 'rename', from: 'event', to: 'event_name' },
      { kind: 'promote', name: 'anchor', type: 'long' },
      { kind: 'promote', name: 'ratio', type: 'double' },
    ]);
    await append(
      `SELECT * REPLACE (5000000000::BIGINT AS anchor, ratio::DOUBLE AS ratio)
         RENAME (event AS event_name), 9.5::DOUBLE AS revenue
       FROM (${rowsFrom(20, DAY)})`,
      DAY,
    );
    const rows = await ask(
      'sequence, anchor, ratio, event_name, revenue',
      'WHERE sequence IN (11, 21) ORDER BY sequence',
    );
    assert.deepEqual(rows, [
      ['11', '77', 2.75, 'Größe 11', null],
      ['21', '5000000000', 5.25, 'Größe 21', 9.5],
    ]);
    assert.deepEqual(await ask('count(), sum(sequence), sum(revenue)'), [['30', '435', 95]]);
  });

  /** Rewrites the files of a day as the appliance does, without the rows of some anchors. */
  async function rewrite(day: number, anchors: readonly number[]): Promise<void> {
    const old = (await table.liveFiles()).filter((file) => file.day === day);
    const output = join(store.stagingDirectory, 'rewritten');
    const { rows, columns, splitOffsets } = await rewriteFiles(
      {
        inputs: old.map(({ location }) => store.localPath(keyOf(store.bucket, location))!),
        output,
        temporaryDirectory: store.stagingDirectory,
        columns: table.schema.columns,
        sortBy: SAMPLES.sortBy,
        ...(anchors.length === 0 ? {} : { except: [{ column: 'anchor', values: anchors }] }),
      },
      { memoryBytesMax: 256 * MIB, spillBytesMax: GIB, threads: 1 },
    );
    const location = table.newDataFile(day, await crcOfFile(new NodeFileSystem(), output, crc32c));
    await store.putFile(keyOf(store.bucket, location), output);
    const fileBytes = (await store.head(keyOf(store.bucket, location)))!.bytes;
    const file = { location, day, recordCount: rows, fileBytes, columns, splitOffsets };
    await table.commit({
      commitId: location,
      operation: anchors.length === 0 ? 'replace' : 'overwrite',
      add: [{ ...file, sorted: true }],
      remove: old.map((each) => each.location),
    });
  }

  it('files that compaction rewrote hold the same rows, of every type and version', async () => {
    const names = table.schema.columns.map(({ name }) => name);
    const columns = names.map((name) => (name === 'digest' ? 'hex(digest)' : name)).join(', ');
    const all = (rest = ''): Promise<unknown[][]> => ask(columns, `${rest} ORDER BY sequence`);
    const before = await all();
    assert.equal(before.length, 30);
    await rewrite(DAY, []);
    await rewrite(DAY + 1, []);
    assert.deepEqual(await all(), before);
    for (const bounds of [
      'anchor BETWEEN 7 AND 77',
      'anchor = 5000000000',
      "received_at >= '2026-11-21 00:00:00'",
      "born = '2000-01-12'",
      "event_name = 'Größe 21'",
      "user_id = 'user-13'",
      'sequence IN (5, 25)',
    ]) {
      const expected = await duckRows(names, `WHERE ${bounds}`);
      assert.ok(expected > 0);
      assert.deepEqual(await ask('count()', `WHERE ${bounds}`), [[String(expected)]], bounds);
    }
    await rewrite(DAY + 1, [77, 84]);
    assert.deepEqual(
      await all(),
      before.filter((row) => row[0] !== '11' && row[0] !== '12'),
    );
    await append(
      `SELECT sequence, anchor::BIGINT AS anchor, event AS event_name, received_at
       FROM (${rowsFrom(10, DAY + 1)}) WHERE sequence IN (11, 12)`,
      DAY + 1,
    );
  });

  /** Rows of the live files as our own DuckDB counts them. */
  async function duckRows(names: readonly string[], rest: string): Promise<number> {
    const paths = (await table.liveFiles()).map(
      ({ location }) => store.localPath(keyOf(store.bucket, location))!,
    );
    const source = parquetSource(paths, table.schema.columns);
    const reader = await duckdb.runAndReadAll(
      `SELECT count(*)::INTEGER FROM (SELECT ${names.join(', ')} FROM ${source}) ${rest}`,
    );
    return Number(reader.getRows()[0]![0]);
  }

  it('replaced files, merged manifests and expired snapshots leave the same rows', async () => {
    const old = await table.liveFiles();
    const paths = old
      .filter(({ day }) => day === DAY)
      .map(({ location }) => `'${store.localPath(keyOf(store.bucket, location))}'`);
    const compacted = await write(
      `SELECT sequence, anchor, event_name, received_at FROM read_parquet([${paths.join()}])`,
      DAY,
    );
    const remove = old.filter(({ day }) => day === DAY).map(({ location }) => location);
    const commitId = 'compaction';
    await table.commit({ commitId, operation: 'replace', add: [compacted], remove });
    assert.deepEqual(await ask('count(), sum(sequence)'), [['30', '435']]);
    const count = LIMITS.lakeManifestsMax;
    for (let index = 0; index < count; index += 1) {
      const empty = { commitId: `file ${index}`, operation: 'append', remove: [] } as const;
      const file = index % 10 === 0 ? [await write(rowsFrom(100 + index, DAY + 2), DAY + 2)] : [];
      await table.commit({ ...empty, add: file });
    }
    await table.expireSnapshots({ olderThanMicros: 2 ** 52, keepLast: 1 });
    assert.equal(table.snapshots.length, 1);
    const expected = String(30 + 10 * (count / 10));
    assert.deepEqual(await ask('count()'), [[expected]]);
    assert.deepEqual(await ask('event_name', 'WHERE sequence = 21'), [['Größe 21']]);
  });
});

function skipReason(): string | false {
  return ClickHouse.isInstalled()
    ? false
    : 'ClickHouse (chdb) is not installed; `npm install` in bench/peers does that';
}
