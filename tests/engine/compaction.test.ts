/** Cold files rewritten by the real process, under the engine: the same rows before and after. */
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { DuckDBConnection } from '@duckdb/node-api';
import { seededRandomSource } from '../../base/random.ts';
import { DAY_MICROS, GIB, MIB } from '../../base/units.ts';
import type { ColdTable } from '../../engine/cold-table.ts';
import { type CompactionOptions, compactOnce, eraseRows } from '../../engine/compaction.ts';
import { RewriteProcess } from '../../query/rewrite-process.ts';
import { crc32c } from '../../storage/crc32c.ts';
import { COMPACTION_LIMITS } from '../../storage/lake/compaction-plan.ts';
import { crcOfName, keyOf } from '../../storage/lake/location.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';
import type { RowCondition } from '../../storage/row-condition.ts';
import { openDuckDb } from '../native/scan-harness.ts';
import { NOW, TENANT_ID, TestEngine, type TestEvent } from '../support/engine-fixture.ts';
import { tieredValues } from '../support/tiered-rows.ts';

const FLUSHES = 3;
const EVENTS = 20;
const DAY_EVENTS = (FLUSHES * EVENTS) / 2;
const LIMITS = { ...COMPACTION_LIMITS, filesMin: 3 };

describe('compaction', () => {
  let duckdb: DuckDBConnection;
  before(async () => {
    duckdb = await openDuckDb();
  });
  after(() => duckdb.closeSync());

  interface Lake {
    readonly engine: TestEngine;
    readonly directory: string;
    readonly events: ColdTable;
    readonly rewriter: RewriteProcess;
    readonly options: CompactionOptions;
    flush(): Promise<void>;
    values(column: string): Promise<string[]>;
  }

  const openEngine = (context: TestContext, directory: string): Promise<TestEngine> =>
    TestEngine.open(context, new NodeFileSystem(), {
      dataDirectory: directory,
      flush: { flushAgeMs: Number.POSITIVE_INFINITY },
    });

  const openRewriter = (context: TestContext): RewriteProcess => {
    const rewriter = new RewriteProcess({
      memoryBytesMax: 256 * MIB,
      spillBytesMax: GIB,
      dataBytesMax: GIB,
      threads: 1,
    });
    context.after(() => rewriter.close());
    return rewriter;
  };

  /** Events of ten people in several flushes, over two days. */
  async function openLake(context: TestContext): Promise<Lake> {
    const directory = mkdtempSync(join(tmpdir(), 'tributary-compaction-'));
    context.after(() => rmSync(directory, { recursive: true }));
    const engine = await openEngine(context, directory);
    const rewriter = openRewriter(context);
    const { cold, flusher } = engine.engine.openTenant(TENANT_ID);
    const events = cold.tables.find(({ lake }) => lake.name === 'events')!;
    const { store } = engine.engine;
    for (let flush = 0; flush < FLUSHES; flush += 1) {
      const numbers = Array.from({ length: EVENTS }, (_, index) => flush * EVENTS + index);
      for (const day of [0, 1]) {
        const own = numbers.filter((number) => Math.floor(number / 10) % 2 === day);
        await engine.send(own.map(eventOf), NOW + day * DAY_MICROS);
      }
      await flusher.flush();
    }
    const random = seededRandomSource(2);
    return {
      engine,
      directory,
      events,
      rewriter,
      options: { store, fileSystem: new NodeFileSystem(), rewriter, random, limits: LIMITS },
      flush: () => flusher.flush(),
      values: (column) => tieredValues(duckdb, events, store, column),
    };
  }

  function eventOf(number: number): TestEvent {
    return {
      type: 'track',
      event: `Seen ${number % 3}`,
      userId: `person-${number % 10}-secret`,
      properties: { number, text: `of person-${number % 10}-secret: Grüße, "${number}"` },
      messageId: `m${number}`,
      ...(number % 7 === 0 && { timestamp: '2025-12-24T18:00:00Z' }),
    };
  }

  const COLUMNS = ['message_id', 'timestamp', 'anchor', 'properties', 'group_id'];
  const allValues = (lake: Lake): Promise<string[][]> => Promise.all(COLUMNS.map(lake.values));

  it('files of a day become one sorted file with the same rows and bounds', async (context) => {
    const lake = await openLake(context);
    const expected = await allValues(lake);
    const files = await lake.events.lake.liveFiles();
    assert.equal(files.length, 2 * FLUSHES);
    const { watermark } = lake.events;
    const first = await compactOnce(lake.options, lake.events, NOW);
    assert.equal(first?.filesBefore, FLUSHES);
    assert.equal(first?.rowsAfter, DAY_EVENTS);
    assert.deepEqual(await allValues(lake), expected);
    await compactOnce(lake.options, lake.events, NOW);
    assert.equal(await compactOnce(lake.options, lake.events, NOW), undefined);
    assert.deepEqual(await allValues(lake), expected);

    const compacted = await lake.events.lake.liveFiles();
    for (const { location } of [...files, ...compacted]) {
      const path = lake.options.store.localPath(keyOf(lake.options.store.bucket, location))!;
      const bytes = readFileSync(path);
      assert.equal(crcOfName(location), crc32c(bytes, 0, bytes.length, 0));
    }
    assert.deepEqual(
      compacted.map(({ sorted, recordCount }) => [sorted, recordCount]),
      [
        [true, DAY_EVENTS],
        [true, DAY_EVENTS],
      ],
    );
    for (const { id, name, personal } of lake.events.lake.schema.columns) {
      for (const { day, columns } of compacted) {
        const inputs = files
          .filter((file) => file.day === day)
          .map((file) => file.columns.get(id)!);
        const { lower, upper, valueCount, nullCount } = columns.get(id)!;
        const sum = (read: (own: (typeof inputs)[number]) => number | undefined): number =>
          inputs.reduce((total, own) => total + read(own)!, 0);
        assert.deepEqual([valueCount, nullCount], [DAY_EVENTS, sum((own) => own.nullCount)], name);
        const lowers = inputs.flatMap((own) => own.lower ?? []);
        const uppers = inputs.flatMap((own) => own.upper ?? []);
        assert.equal(lower, personal ? undefined : lowers.sort(compare)[0], name);
        assert.equal(upper, personal ? undefined : uppers.sort(compare).at(-1), name);
      }
    }
    const { snapshots } = lake.events.lake;
    assert.equal(snapshots.at(-1)!.operation, 'replace');
    assert.equal(lake.events.watermark, watermark, 'a rewrite says nothing about the log');
    await lake.engine.send([eventOf(1000)]);
    await lake.flush();
    assert.equal((await lake.values('message_id')).length, FLUSHES * EVENTS + 1);
  });

  it('a process that is killed leaves everything as it was', async (context) => {
    const lake = await openLake(context);
    const expected = await allValues(lake);
    const before = lake.events.lake.currentSnapshot;
    const failing = compactOnce(lake.options, lake.events, NOW);
    const killed = assert.rejects(failing, { code: 'TRIBUTARY_LAKE_REWRITE_FAILED' });
    while (lake.rewriter.processId === undefined) await new Promise(setImmediate);
    process.kill(lake.rewriter.processId, 'SIGKILL');
    await killed;
    assert.deepEqual(lake.events.lake.currentSnapshot, before);
    assert.deepEqual(readdirSync(join(lake.directory, 'lake', '.staging')), []);
    assert.deepEqual(await allValues(lake), expected);
    assert.equal((await compactOnce(lake.options, lake.events, NOW))?.filesBefore, FLUSHES);
    assert.deepEqual(await allValues(lake), expected);
  });

  it('of two compactions of one day the second is refused, and leaves no file', async (context) => {
    const lake = await openLake(context);
    const expected = await allValues(lake);
    const other = openRewriter(context);
    const outcomes = await Promise.allSettled([
      compactOnce(lake.options, lake.events, NOW),
      compactOnce({ ...lake.options, rewriter: other }, lake.events, NOW),
    ]);
    const refused = outcomes.filter((outcome) => outcome.status === 'rejected');
    assert.deepEqual(
      refused.map(({ reason }) => reason.code),
      ['TRIBUTARY_LAKE_FILE_UNKNOWN'],
    );
    assert.deepEqual(await allValues(lake), expected);
    const { orphans, youngCount } = await lake.events.lake.collectOrphans({
      dryRun: true,
      olderThanMicros: Number.MAX_SAFE_INTEGER,
    });
    assert.deepEqual(
      orphans.filter(({ key }) => key.endsWith('.parquet')),
      [],
    );
    assert.equal(youngCount, 0);
    await lake.engine.send([eventOf(1000)]);
    await lake.flush();
    assert.equal((await lake.values('message_id')).length, FLUSHES * EVENTS + 1);
  });

  it('rows of an erased person are in no byte of the lake once old snapshots are gone', async (context) => {
    const lake = await openLake(context);
    const secret = 'person-3-secret';
    await compactOnce(lake.options, lake.events, NOW);
    const anchors = await lake.values('anchor');
    const messages = await lake.values('message_id');
    const anchor = Number(anchors[messages.indexOf('m3')]);
    const rewrites = await eraseRows(lake.options, lake.events, named(anchor));
    const rows = rewrites.map(({ rowsBefore, rowsAfter }) => rowsBefore - rowsAfter);
    assert.equal(
      rows.reduce((sum, count) => sum + count, 0),
      (FLUSHES * EVENTS) / 10,
    );
    const kept = messages.filter((_, index) => Number(anchors[index]) !== anchor);
    assert.deepEqual(await lake.values('message_id'), kept);
    assert.equal(lake.events.lake.currentSnapshot!.operation, 'overwrite');
    assert.deepEqual(
      await eraseRows(lake.options, lake.events, named(anchor)),
      [],
      'nothing is left',
    );

    const everything = { olderThanMicros: Number.MAX_SAFE_INTEGER, keepLast: 1 };
    await lake.events.lake.expireSnapshots(everything);
    assert.ok(await lakeHolds(lake.directory, secret), 'queries that run keep their files');
    await lake.engine.engine.close();
    const again = await openEngine(context, lake.directory);
    const { cold } = again.engine.openTenant(TENANT_ID);
    for (const { lake: table } of cold.tables) await table.expireSnapshots(everything);
    assert.equal(await lakeHolds(lake.directory, secret), false);
    const events = cold.tables.find(({ lake: table }) => table.name === 'events')!;
    assert.deepEqual(await tieredValues(duckdb, events, again.engine.store, 'message_id'), kept);
  });

  /** Whether any object of the lake holds the text: as it lies there, or in a row of a data file. */
  async function lakeHolds(directory: string, text: string): Promise<boolean> {
    const root = join(directory, 'lake');
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' })
      .map((name) => join(root, name))
      .filter((path) => statSync(path).isFile());
    if (files.some((path) => readFileSync(path).includes(text))) return true;
    const paths = files.filter((path) => path.endsWith('.parquet')).map((path) => `'${path}'`);
    const reader = await duckdb.runAndReadAll(
      `SELECT count(*) FROM read_parquet([${paths}], union_by_name = true) t
       WHERE contains(t::VARCHAR, '${text}')`,
    );
    return reader.getRows()[0]![0] !== 0n;
  }
});

function compare(a: unknown, b: unknown): number {
  return a! < b! ? -1 : a! > b! ? 1 : 0;
}

/** All rows of an anchor. */
function named(anchor: number): RowCondition[] {
  return [{ column: 'anchor', values: [anchor] }];
}
