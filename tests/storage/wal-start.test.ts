/** Where a log begins, and which of its files a start passes over. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { walFileName } from '../../storage/wal-format.ts';
import { walBeginning } from '../../storage/wal-start.ts';
import { DIRECTORY, overwrite, recover, TestLog } from './wal-harness.ts';

/** A file for each of `records`, which have so many events. */
async function logOfFiles(
  fileSystem: MemoryFileSystem,
  records: readonly number[],
): Promise<TestLog> {
  const log = await TestLog.open(fileSystem, { fileBytesMax: 4096 });
  for (const events of records) {
    log.append(100, events);
    await log.writer.synced();
  }
  return log;
}

const beginning = (fileSystem: MemoryFileSystem): Promise<number> =>
  walBeginning({ fileSystem, directory: DIRECTORY });

test('a start that passes over files hands out what a start that reads them does', async () => {
  const eventCounts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(eventCounts, fc.nat(80), async (records, below) => {
      const fileSystem = new MemoryFileSystem();
      await (await logOfFiles(fileSystem, records)).writer.close();
      const fromSequence = below + 1;
      const all = await recover(fileSystem, { fromSequence });
      const some = await recover(fileSystem, { fromSequence, skipsFilesBelow: true });
      assert.deepEqual(some.records, all.records);
      assert.equal(some.recovery.nextSequence, all.recovery.nextSequence);
      assert.equal(some.recovery.nextOrdinal, all.recovery.nextOrdinal);
      assert.deepEqual(
        some.recovery.files.map(({ name, bytes }) => ({ name, bytes })),
        all.recovery.files.map(({ name, bytes }) => ({ name, bytes })),
      );
      for (const [index, { endSequence }] of some.recovery.files.entries()) {
        const exact = all.recovery.files[index]!.endSequence;
        assert.ok(endSequence === exact || (endSequence > exact && endSequence <= fromSequence));
      }
    }),
    { seed: 11, numRuns: 100 },
  );
});

test('damage in a file that is passed over stops no start, and one that reads all of it', async () => {
  const fileSystem = new MemoryFileSystem();
  await (await logOfFiles(fileSystem, [1, 1, 1])).writer.close();
  await overwrite(fileSystem, walFileName(1), (bytes) => bytes.fill(7, 4100, 4200));
  const { records } = await recover(fileSystem, { fromSequence: 3, skipsFilesBelow: true });
  assert.deepEqual(
    records.map(({ sequence }) => sequence),
    [3],
  );
  await assert.rejects(recover(fileSystem, { fromSequence: 3 }));
});

test('a log begins at its first record, wherever files were removed', async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await logOfFiles(fileSystem, [2, 3, 4]);
  assert.equal(await beginning(fileSystem), 1);
  await log.writer.removeFilesBelow(3);
  assert.equal(await beginning(fileSystem), 3);
  await log.writer.removeFilesBelow(9);
  assert.equal(await beginning(fileSystem), 6);
  await log.writer.close();
});

test('a log without records begins at the floor of its file', async () => {
  const fileSystem = new MemoryFileSystem();
  await fileSystem.makeDirectory(DIRECTORY);
  assert.equal(await beginning(fileSystem), 1);
  const first = await TestLog.open(fileSystem);
  first.append(10, 7);
  await first.writer.close();
  const second = await TestLog.open(fileSystem);
  await second.writer.removeFilesBelow(8);
  await second.writer.close();
  assert.equal(await beginning(fileSystem), 8);
});

test('a damaged first header hides the beginning, and reading tells of it', async () => {
  const fileSystem = new MemoryFileSystem();
  const log = await logOfFiles(fileSystem, [1, 1, 1]);
  await log.writer.removeFilesBelow(2);
  await log.writer.close();
  await overwrite(fileSystem, walFileName(2), (bytes) => bytes.fill(7, 0, 64));
  assert.equal(await beginning(fileSystem), 1);
});
