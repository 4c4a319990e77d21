/** Hot rows on their way into the lake: each row once, at any moment, after any crash. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { TributaryError } from '../../base/errors.ts';
import { seededRandom, seededRandomSource } from '../../base/random.ts';
import { GIB, KIB, MIB } from '../../base/units.ts';
import { capacitiesWithin, TENANT_CAPACITIES } from '../../engine/capacities.ts';
import type { EngineOptions } from '../../engine/engine.ts';
import type { Flusher } from '../../engine/flush.ts';
import { FaultFileSystem } from '../../storage/fault-file-system.ts';
import type { FileSystem } from '../../storage/file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import type { ParquetEncoder } from '../../storage/parquet-encoder.ts';
import { openDuckDb } from '../native/scan-harness.ts';
import { NOW, TENANT_ID, TestEngine, type TestEvent } from '../support/engine-fixture.ts';
import { inlineEncoder } from '../support/inline-encoder.ts';
import { tieredValues } from '../support/tiered-rows.ts';

const DAY_MICROS = 86_400_000_000;
/** Segments of a few batches, so that most flushes end inside one. */
const CAPACITIES = {
  ...TENANT_CAPACITIES,
  segmentRows: 64,
  segmentHeaps: { utf8: 64 * KIB, json: 64 * KIB, dictionary: 64 * KIB },
  dictionaryEntries: 64,
  identityNodes: 10_000,
  walFileBytes: 16 * KIB,
  walStagingBytes: 64 * KIB,
  walRecordBytes: 64 * KIB,
};

const TABLES = ['edges', 'dead_letters', 'warnings', 'events'] as const;

describe('flush', () => {
  let duckdb: DuckDBConnection;
  let opened = 0;
  before(async () => {
    duckdb = await openDuckDb();
  });
  after(() => duckdb.closeSync());

  const open = (
    context: TestContext,
    fileSystem: FileSystem,
    options: Partial<EngineOptions> = {},
  ): Promise<TestEngine> =>
    TestEngine.open(context, fileSystem, {
      capacities: CAPACITIES,
      random: seededRandomSource(++opened),
      flush: { flushAgeMs: Number.POSITIVE_INFINITY },
      ...options,
    });

  const stored = async (engine: TestEngine, name: string, column: string): Promise<string[]> => {
    const { cold } = engine.engine.openTenant(TENANT_ID);
    const table = cold.tables.find(({ hot }) => hot.plan.schema.name === name)!;
    return tieredValues(duckdb, table, engine.engine.store, column);
  };

  const flusherOf = (engine: TestEngine): Flusher => engine.engine.openTenant(TENANT_ID).flusher;
  const flush = (engine: TestEngine): Promise<void> => flusherOf(engine).flush();

  /** A batch with an event, a duplicate of it, a rejected one, and a claim of an anonymous id. */
  function batch(number: number): TestEvent[] {
    return [
      {
        type: 'track',
        event: 'Seen',
        userId: `u${number % 7}`,
        anonymousId: `a${number}`,
        messageId: `m${number}`,
      },
      { type: 'track', event: 'Seen again', userId: `u${number % 7}`, messageId: `m${number}` },
      { type: 'track', userId: 'nameless', messageId: `r${number}` },
    ];
  }
  const expected: Readonly<Record<(typeof TABLES)[number], (batches: number) => string[]>> = {
    events: (batches) => Array.from({ length: batches }, (_, number) => `m${number}`),
    warnings: (batches) => Array.from({ length: batches }, (_, number) => `m${number}`),
    dead_letters: (batches) => Array.from({ length: batches }, (_, number) => `r${number}`),
    edges: (batches) => Array.from({ length: batches }, () => 'observed'),
  };

  /** The batches in the log, after proving that every table has their rows once. */
  async function assertWhole(engine: TestEngine, batchesMin: number): Promise<number> {
    const batches = (await stored(engine, 'events', 'message_id')).length;
    assert.ok(batches >= batchesMin, `${batches} of ${batchesMin} acknowledged batches`);
    for (const table of TABLES) {
      const column = table === 'edges' ? 'kind' : 'message_id';
      assert.deepEqual(await stored(engine, table, column), expected[table](batches), table);
    }
    return batches;
  }

  it('rows of all tables move to the lake, by the day they were received', async (context) => {
    const engine = await open(context, new MemoryFileSystem());
    for (let number = 0; number < 40; number += 1) {
      await engine.send(batch(number), NOW + Math.floor(number / 15) * DAY_MICROS);
    }
    await flush(engine);
    const { cold, flusher } = engine.engine.openTenant(TENANT_ID);
    for (const { hot, watermark, lake } of cold.tables) {
      assert.equal(hot.floorRow, hot.publishedRows);
      // These events merge nobody.
      if (hot.plan.schema.name === 'merges') continue;
      assert.equal(watermark, 120);
      const days = (await lake.liveFiles()).map(({ day }) => day! - Math.floor(NOW / DAY_MICROS));
      assert.deepEqual(days, [0, 1, 2]);
    }
    assert.equal(engine.tenant.hot.events.segments.length, 1, 'cold segments are dropped');
    await assertWhole(engine, 40);
    await engine.send(batch(40));
    await assertWhole(engine, 41);
    const { flushes, files, rows } = flusher.statistics;
    assert.deepEqual({ flushes, files, rows }, { flushes: 1, files: 12, rows: 160 });
    await flush(engine);
    await flush(engine);
    assert.equal(flusher.statistics.flushes, 2, 'nothing is flushed when nothing is new');
    await assertWhole(engine, 41);
  });

  it('a full active segment is a small part of hot storage, whatever its limit', () => {
    assert.deepEqual(capacitiesWithin(4 * GIB), TENANT_CAPACITIES);
    const small = capacitiesWithin(128 * MIB);
    assert.equal(small.segmentRows, 32_768);
    assert.deepEqual(small.segmentHeaps, { utf8: 24 * MIB, json: 24 * MIB, dictionary: 8 * MIB });
  });

  it('personal values do not reach the metadata of the lake', async (context) => {
    const engine = await open(context, new MemoryFileSystem());
    await engine.send([{ type: 'track', event: 'Seen', userId: 'secret-person', messageId: 'm' }]);
    await flush(engine);
    const { store } = engine.engine;
    for await (const { key } of store.list('')) {
      if (key.endsWith('.parquet')) continue;
      const bytes = Buffer.from(await store.get(key));
      assert.equal(bytes.includes('secret-person'), false, key);
    }
  });

  it('after a restart replayed rows that are in the lake are not hot as well', async (context) => {
    const fileSystem = new MemoryFileSystem();
    let engine = await open(context, fileSystem);
    let batches = 0;
    for (const flushes of [true, false, true, true, false]) {
      for (let count = 0; count < 25; count += 1) await engine.send(batch(batches++));
      if (flushes) await flush(engine);
      await engine.send(batch(batches++));
      await engine.engine.close();
      engine = await open(context, fileSystem);
      assert.equal(await assertWhole(engine, batches), batches);
    }
  });

  it('rows that a command brings are there once, flushed before its next event or after', async (context) => {
    const named = (value: string) => ({ type: 'user_id', value });
    for (const flushes of [1, 2, 3]) {
      const fileSystem = new MemoryFileSystem();
      let engine = await open(context, fileSystem);
      await engine.send([
        { type: 'track', event: 'Seen', userId: 'ann', messageId: 'm0' },
        { type: 'track', event: 'Seen', userId: 'bob', messageId: 'm1' },
      ]);
      if (flushes & 1) await flush(engine);
      const link = { command: 'link', a: named('ann'), b: named('bob'), force: true } as const;
      await engine.tenant.commands.changeIdentity(link, NOW);
      if (flushes & 2) await flush(engine);
      await engine.send([{ type: 'track', event: 'Seen', userId: 'ann', messageId: 'm2' }]);
      const before = await stored(engine, 'edges', 'kind');
      assert.equal(before.length, 1);
      await engine.engine.close();
      engine = await open(context, fileSystem);
      assert.deepEqual(await stored(engine, 'edges', 'kind'), before, `flushes ${flushes}`);
      assert.deepEqual(await stored(engine, 'events', 'message_id'), ['m0', 'm1', 'm2']);
      await engine.engine.close();
    }
  });

  it('after a crash at any operation each row is there once', async (context) => {
    const seed = Number(process.env['FLUSH_SEED'] ?? 11);
    const imagesMax = Number(process.env['FLUSH_IMAGES'] ?? 8);
    context.diagnostic(`FLUSH_SEED=${seed} FLUSH_IMAGES=${imagesMax}`);
    const random = seededRandom(seed);
    const images: { fileSystem: MemoryFileSystem; acknowledged: number }[] = [];
    let acknowledged = 0;
    let ready = false;
    const fileSystem: MemoryFileSystem = new MemoryFileSystem({
      schedule(operation) {
        if (!ready || operation === 'read' || random() > 0.4) return;
        images.push({ fileSystem: fileSystem.crash(images.length), acknowledged });
      },
    });
    const engine = await open(context, fileSystem);
    ready = true;
    for (let number = 0; number < 60; number += 1) {
      const sent = engine.send(batch(number), NOW + number * 3_600_000_000);
      if (number % 12 === 7) {
        const flushed = flush(engine);
        await sent;
        acknowledged += 1;
        await flushed;
        continue;
      }
      await sent;
      acknowledged += 1;
    }
    ready = false;
    const step = Math.max(1, Math.floor(images.length / imagesMax));
    const chosen = images.filter((_, index) => index % step === 0);
    for (const image of chosen) {
      const recovered = await open(context, image.fileSystem);
      const batches = await assertWhole(recovered, image.acknowledged);
      await recovered.send(batch(batches));
      await flush(recovered);
      await assertWhole(recovered, batches + 1);
      await recovered.engine.close();
    }
    context.diagnostic(`${chosen.length} of ${images.length} crash images`);
  });

  it('a flush that fails leaves rows where they are, and the next one moves them', async (context) => {
    let failures = 0;
    for (const fault of [
      { operation: 'write', path: '/lake/' },
      { operation: 'sync', path: '/lake/' },
      { operation: 'link', path: '.parquet' },
      { operation: 'link', path: '.metadata.json' },
      { operation: 'syncDirectory', path: '/metadata', opening: 8 },
    ] as const) {
      for (const skipped of [0, 3]) {
        const disk = new MemoryFileSystem();
        const made = await open(context, disk);
        await made.engine.close();
        const { operation, path } = fault;
        const after = skipped + ('opening' in fault ? fault.opening : 0);
        const faults = [{ operation, path, result: 'EIO' as const, after }];
        const engine = await open(context, new FaultFileSystem(disk, { faults }));
        for (let number = 0; number < 30; number += 1) await engine.send(batch(number));
        let number = 30;
        for (let succeeded = 0; succeeded < 2; ) {
          await flush(engine).then(
            () => {
              succeeded += 1;
            },
            () => {},
          );
          await assertWhole(engine, number);
          await engine.send(batch(number++));
        }
        failures += flusherOf(engine).statistics.failures;
        await engine.engine.close();
      }
    }
    assert.ok(failures >= 8, `${failures} of 10 runs met their fault`);
  });

  it('ingest goes on far beyond what hot storage holds', async (context) => {
    const hotBytesMax = 24 * MIB;
    const engine = await open(context, new MemoryFileSystem(), { hotBytesMax });
    const { budget } = engine.tenant.hot;
    const ids: string[] = [];
    let refusals = 0;
    for (let number = 0; number < 120; number += 1) {
      const events = Array.from({ length: 40 }, (_, index) => ({
        type: 'track',
        event: 'Seen',
        userId: 'ann',
        messageId: `${number}-${index}`,
        properties: { text: 'x'.repeat(400) },
      }));
      for (;;) {
        try {
          await engine.send(events);
          break;
        } catch (error) {
          assert.equal((error as TributaryError).code, 'TRIBUTARY_STORAGE_HOT_FULL');
          refusals += 1;
          await flusherOf(engine).flush();
        }
      }
      ids.push(...events.map(({ messageId }) => messageId));
      assert.ok(budget.usedBytes < 1.2 * hotBytesMax, `${budget.usedBytes} bytes`);
    }
    assert.deepEqual(await stored(engine, 'events', 'message_id'), ids);
    assert.ok(flusherOf(engine).statistics.flushes > 1, `${refusals} refusals`);
  });

  it('a flush that begins with far more than makes one due is urgent', async (context) => {
    const asked: boolean[] = [];
    const fileSystem = new MemoryFileSystem();
    const encoder = inlineEncoder(fileSystem);
    const noting: ParquetEncoder = {
      ...encoder,
      encode(request) {
        asked.push(request.isUrgent);
        return encoder.encode(request);
      },
    };
    for (const flushBytes of [GIB, 1]) {
      const flush = { flushAgeMs: Number.POSITIVE_INFINITY, flushBytes };
      const engine = await open(context, fileSystem, { encoder: noting, flush });
      await engine.send([{ type: 'track', event: 'Seen', userId: `${flushBytes}` }]);
      await flusherOf(engine).flush();
      await engine.engine.close();
    }
    assert.deepEqual(asked, [false, true]);
  });

  it('rows are flushed when they take too much, and when they have waited too long', async (context) => {
    let nowMs = 0;
    const clock = { nowMicros: () => NOW, monotonicMs: () => nowMs };
    const limits = { flushBytes: 8192 * KIB, flushAgeMs: 60_000 };
    const engine = await open(context, new MemoryFileSystem(), { clock, flush: limits });
    const { flusher } = engine.engine.openTenant(TENANT_ID);
    const poll = async (): Promise<number> => {
      flusher.poll();
      await flusher.flushing;
      return flusher.statistics.flushes;
    };
    await engine.send(batch(0));
    assert.equal(await poll(), 0);
    nowMs = 59_999;
    assert.equal(await poll(), 0);
    assert.equal(flusher.lagMs, 59_999);
    nowMs = 60_000;
    assert.equal(await poll(), 1);
    assert.equal(await poll(), 1);
    let number = 1;
    while (flusher.unflushedBytes < limits.flushBytes) await engine.send(batch(number++));
    assert.equal(await poll(), 2);
    assert.ok(flusher.unflushedBytes === 0);
  });
});
