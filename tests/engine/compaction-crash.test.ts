/** Compaction, retention and erasure on a disk that loses power at any operation, or fails. */
import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { DuckDBConnection } from '@duckdb/node-api';
import { seededRandom, seededRandomSource } from '../../base/random.ts';
import { DAY_MICROS } from '../../base/units.ts';
import type { ColdTable } from '../../engine/cold-table.ts';
import { type CompactionOptions, compactOnce, eraseRows } from '../../engine/compaction.ts';
import { dropOldFiles } from '../../engine/retention.ts';
import { type Fault, FaultFileSystem } from '../../storage/fault-file-system.ts';
import type { FileSystem } from '../../storage/file-system.ts';
import { COMPACTION_LIMITS } from '../../storage/lake/compaction-plan.ts';
import { tableKey } from '../../storage/lake/location.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { openDuckDb } from '../native/scan-harness.ts';
import { NOW, TENANT_ID, TestEngine } from '../support/engine-fixture.ts';
import { memoryRewriter } from '../support/memory-rewriter.ts';
import { tieredValues } from '../support/tiered-rows.ts';

const LIMITS = { ...COMPACTION_LIMITS, filesMin: 2 };
const FLUSHES = 3;
const PEOPLE = 4;

describe('rewriting cold files', () => {
  let duckdb: DuckDBConnection;
  let opened = 0;
  before(async () => {
    duckdb = await openDuckDb();
  });
  after(() => duckdb.closeSync());

  const open = (context: TestContext, fileSystem: FileSystem): Promise<TestEngine> =>
    TestEngine.open(context, fileSystem, {
      random: seededRandomSource(++opened),
      flush: { flushAgeMs: Number.POSITIVE_INFINITY },
    });

  const eventsOf = (engine: TestEngine): ColdTable =>
    engine.engine.openTenant(TENANT_ID).cold.tables.find(({ lake }) => lake.name === 'events')!;

  const messages = (engine: TestEngine): Promise<string[]> =>
    tieredValues(duckdb, eventsOf(engine), engine.engine.store, 'message_id');

  const optionsOf = (engine: TestEngine): CompactionOptions => ({
    store: engine.engine.store,
    fileSystem: engine.fileSystem,
    rewriter: memoryRewriter(engine.fileSystem),
    random: seededRandomSource(++opened),
    limits: LIMITS,
  });

  async function fill(engine: TestEngine): Promise<void> {
    const { flusher } = engine.engine.openTenant(TENANT_ID);
    for (let flush = 0; flush < FLUSHES; flush += 1) {
      for (const day of [0, 1]) {
        const events = Array.from({ length: PEOPLE }, (_, person) => ({
          type: 'track',
          event: 'Seen',
          userId: `u${person}`,
          messageId: `f${flush}-d${day}-u${person}`,
        }));
        await engine.send(events, NOW + day * DAY_MICROS);
      }
      await flusher.flush();
    }
  }

  /** Compacts the first day, erases one person, drops the first day: in this order. */
  async function work(engine: TestEngine): Promise<void> {
    const events = eventsOf(engine);
    const options = optionsOf(engine);
    while ((await compactOnce(options, events, NOW)) !== undefined);
    await eraseRows(options, events, [{ column: 'anchor', values: [1] }]);
    await dropOldFiles(events, { events: 1 }, NOW + 2 * DAY_MICROS, options.random, false);
  }

  /** Proves that the rows are those before or after some step. @returns which. */
  async function assertOneOfTheStates(engine: TestEngine, all: readonly string[]): Promise<string> {
    const seen = await messages(engine);
    assert.equal(new Set(seen).size, seen.length, 'no row twice');
    const isGone = (message: string): boolean => !seen.includes(message);
    const days = [0, 1].map((day) => all.filter((message) => message.includes(`-d${day}-`)));
    const person = (day: number) => days[day]!.filter((message) => message.endsWith('-u0'));
    const erased = [0, 1].filter((day) => person(day).every(isGone));
    const isDropped = days[0]!.every(isGone);
    const expected = all.filter(
      (message) =>
        !(isDropped && message.includes('-d0-')) &&
        !erased.some((day) => person(day).includes(message)),
    );
    assert.deepEqual(seen, expected);
    if (isDropped) return 'dropped';
    return `erased on ${erased.length} days`;
  }

  it('after a crash at any operation the rows are those before a step or after it', async (context) => {
    const seed = Number(process.env['COMPACTION_SEED'] ?? 5);
    const imagesMax = Number(process.env['COMPACTION_IMAGES'] ?? 8);
    context.diagnostic(`COMPACTION_SEED=${seed} COMPACTION_IMAGES=${imagesMax}`);
    const random = seededRandom(seed);
    const images: MemoryFileSystem[] = [];
    let ready = false;
    const fileSystem: MemoryFileSystem = new MemoryFileSystem({
      schedule(operation) {
        if (!ready || operation === 'read' || random() > 0.5) return;
        images.push(fileSystem.crash(images.length));
      },
    });
    const engine = await open(context, fileSystem);
    await fill(engine);
    const all = await messages(engine);
    assert.equal(all.length, FLUSHES * 2 * PEOPLE);
    ready = true;
    await work(engine);
    ready = false;
    assert.equal(await assertOneOfTheStates(engine, all), 'dropped');
    const step = Math.max(1, Math.floor(images.length / imagesMax));
    const chosen = images.filter((_, index) => index % step === 0);
    const states = new Set<string>();
    for (const image of chosen) {
      const recovered = await open(context, image);
      states.add(await assertOneOfTheStates(recovered, all));
      await work(recovered);
      assert.equal(await assertOneOfTheStates(recovered, all), 'dropped', 'the work can be done');
      await recovered.engine.close();
    }
    assert.ok(states.size >= 3, [...states].join(', '));
    context.diagnostic(`${chosen.length} of ${images.length} crash images`);
  });

  it('a step that the disk fails changes nothing, and can be done afterwards', async (context) => {
    const metadata = `${tableKey(TENANT_ID, 'events')}/metadata`;
    const faults: readonly Fault[] = [
      { operation: 'open', path: '/.staging/rewrite-', result: 'ENOSPC' },
      { operation: 'write', path: '/.staging/rewrite-', result: 'ENOSPC' },
      { operation: 'sync', path: '/.staging/rewrite-', result: 'EIO' },
      { operation: 'link', path: '.parquet', result: 'EIO' },
      { operation: 'write', path: '/.staging/put-', result: 'ENOSPC' },
      { operation: 'link', path: '.metadata.json', result: 'EIO' },
      // The first sync of the directory is that of opening the table.
      { operation: 'syncDirectory', path: metadata, result: 'EIO', after: 1 },
    ];
    for (const fault of faults) {
      const memory = new MemoryFileSystem();
      const made = await open(context, memory);
      await fill(made);
      await made.engine.close();
      let failures = 0;
      const disk = new FaultFileSystem(memory, {
        faults: [fault],
        onFault: () => {
          failures += 1;
        },
      });
      const engine = await open(context, disk);
      const all = await messages(engine);
      const label = JSON.stringify(fault);
      await assert.rejects(compactOnce(optionsOf(engine), eventsOf(engine), NOW), label);
      assert.deepEqual(await messages(engine), all, label);
      assert.equal(failures, 1, label);
      const again = await compactOnce(optionsOf(engine), eventsOf(engine), NOW);
      assert.equal(again?.filesBefore, FLUSHES, label);
      assert.deepEqual(await messages(engine), all, label);
      await engine.engine.close();
    }
  });

  it('flushes and compactions at the same time lose nothing', async (context) => {
    const engine = await open(context, new MemoryFileSystem());
    await fill(engine);
    const all = await messages(engine);
    const { flusher } = engine.engine.openTenant(TENANT_ID);
    const options = optionsOf(engine);
    const added: string[] = [];
    const ingest = (async () => {
      for (let number = 0; number < 6; number += 1) {
        added.push(`later-${number}`);
        await engine.send([
          { type: 'track', event: 'Seen', userId: 'u0', messageId: added.at(-1) },
        ]);
        await flusher.flush();
      }
    })();
    const compaction = (async () => {
      for (let job = 0; job < 4; job += 1) await compactOnce(options, eventsOf(engine), NOW);
    })();
    await Promise.all([ingest, compaction]);
    assert.deepEqual(await messages(engine), [...all, ...added]);
    const { snapshots } = eventsOf(engine).lake;
    assert.ok(snapshots.some(({ operation }) => operation === 'replace'));
  });
});
