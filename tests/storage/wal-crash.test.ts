/**
 * The promise of the log, under every crash the memory file system can think of: what is recovered is a
 * prefix of what was committed, holds everything that was reported durable, and nothing else. Seeds are
 * printed by fast-check when a case fails.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FaultFileSystem } from '../../storage/fault-file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { DIRECTORY, recover, TestLog } from './wal-harness.ts';

/** Gives up the turn often enough for the log to make some progress. */
const yieldTurns = async (turns: number) => {
  for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
};

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ append: fc.nat(3000), events: fc.integer({ min: 1, max: 3 }) }),
  },
  { weight: 2, arbitrary: fc.record({ turns: fc.nat(12) }) },
  { weight: 1, arbitrary: fc.record({ synced: fc.constant(true) }) },
);
type Step = { append: number; events: number } | { turns: number } | { synced: boolean };

async function perform(log: TestLog, steps: readonly Step[]): Promise<void> {
  for (const action of steps) {
    if ('append' in action) log.append(action.append, action.events);
    else if ('turns' in action) await yieldTurns(action.turns);
    else await log.writer.synced();
  }
}

interface Image {
  readonly fileSystem: MemoryFileSystem;
  readonly durable: number;
}

async function checkImage(image: Image, log: TestLog): Promise<void> {
  const { records } = await recover(image.fileSystem);
  assert.ok(records.length >= image.durable, 'everything reported durable is there');
  assert.deepEqual(records, log.committed.slice(0, records.length), 'a prefix, nothing invented');
}

describe('WAL under crashes', () => {
  it('a crash at any operation keeps a prefix with everything reported durable', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 25 }),
        fc.constantFrom(4096, 12_288, 65_536),
        fc.nat(),
        async (steps, fileBytesMax, seed) => {
          const images: Image[] = [];
          let log: TestLog | undefined;
          let operations = 0;
          const fileSystem: MemoryFileSystem = new MemoryFileSystem({
            schedule: (operation) => {
              if (log === undefined || operation === 'open') return;
              const image = fileSystem.crash(seed + operations);
              operations += 1;
              images.push({ fileSystem: image, durable: log.durable.length });
            },
          });
          log = await TestLog.open(fileSystem, { fileBytesMax, seed });
          await perform(log, steps);
          await log.writer.close();
          assert.deepEqual(log.durable, log.committed);
          images.push({ fileSystem: fileSystem.crash(seed), durable: log.durable.length });
          for (const image of images) await checkImage(image, log);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('a crash during recovery, again and again, loses nothing that was recovered', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(step, { minLength: 1, maxLength: 8 }), { minLength: 2, maxLength: 4 }),
        fc.nat(200),
        fc.nat(),
        async (lives, crashAfter, seed) => {
          let fileSystem = new MemoryFileSystem();
          let expected: readonly { readonly sequence: number }[] = [];
          for (const [life, steps] of lives.entries()) {
            // One crash while the log is being opened, one while it is being written.
            let operations = 0;
            let early: MemoryFileSystem | undefined;
            const running: MemoryFileSystem = fileSystem.crash(seed + life, {
              schedule: () => {
                operations += 1;
                if (operations === crashAfter % 30) early = running.crash(seed + 77);
              },
            });
            const atStart = (await recoverOrEmpty(running)).records;
            assert.deepEqual(atStart.slice(0, expected.length), expected);
            const log = await TestLog.open(running, { seed: seed + life, fileBytesMax: 12_288 });
            if (early !== undefined) {
              const repeated = (await recoverOrEmpty(early)).records;
              assert.deepEqual(repeated, atStart);
            }
            await perform(log, steps);
            await log.writer.synced();
            expected = [...atStart, ...log.durable];
            log.append(2000);
            await yieldTurns(crashAfter % 9);
            fileSystem = running.crash(seed + 5);
            await log.writer.close();
          }
          const { records } = await recoverOrEmpty(fileSystem);
          assert.deepEqual(records.slice(0, expected.length), expected);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('whatever the disk refuses, what was reported durable survives the crash after it', async () => {
    const fault = fc.record({
      operation: fc.constantFrom('write' as const, 'sync' as const),
      result: fc.constantFrom('EIO' as const, 'ENOSPC' as const),
      after: fc.integer({ min: 2, max: 12 }),
    });
    const short = fc.record({
      operation: fc.constant('write' as const),
      result: fc.constant('short' as const),
      after: fc.integer({ min: 2, max: 12 }),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 5, maxLength: 30 }),
        fc.array(fc.oneof(fault, short), { minLength: 1, maxLength: 3 }),
        fc.option(fc.integer({ min: 8192, max: 60_000 }), { nil: 1e9 }),
        fc.nat(),
        async (steps, faults, writableBytes, seed) => {
          const memory = new MemoryFileSystem();
          const onSyncFailed = (path: string) => memory.dropUnsynced(path);
          const fileSystem = new FaultFileSystem(memory, { faults, writableBytes, onSyncFailed });
          const log = await TestLog.open(fileSystem, { fileBytesMax: 12_288, seed });
          try {
            await perform(log, steps);
            await log.writer.close();
          } catch (error) {
            assert.equal(error, log.writer.failure);
            await log.writer.close();
          }
          const poisoned = log.poisoned.flatMap(({ records }) => records);
          assert.deepEqual(
            [...log.durable, ...poisoned],
            log.committed,
            'each told once, in order',
          );
          for (let crash = 0; crash < 5; crash += 1) {
            const image = { fileSystem: memory.crash(seed + crash), durable: log.durable.length };
            await checkImage(image, log);
          }
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('the crash test itself', () => {
  it('a disk that lies about syncs is found out', async () => {
    let violations = 0;
    for (let seed = 0; seed < 20; seed += 1) {
      const memory = new MemoryFileSystem();
      const faults = [{ operation: 'sync', result: 'ignored', lasting: true }] as const;
      const log = await TestLog.open(new FaultFileSystem(memory, { faults }), { seed });
      log.append(100);
      await log.writer.synced();
      await log.writer.close();
      const image = memory.crash(seed);
      await checkImage({ fileSystem: image, durable: log.durable.length }, log).catch(() => {
        violations += 1;
      });
    }
    assert.ok(violations > 0);
  });
});

/** A crash before the first directory was durable leaves no log at all. */
async function recoverOrEmpty(fileSystem: MemoryFileSystem) {
  await fileSystem.makeDirectory(DIRECTORY);
  return recover(fileSystem);
}
