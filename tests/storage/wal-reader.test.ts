/** Every state a crash or a decaying disk can leave the log in, and what reading makes of it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TributaryError } from '../../base/errors.ts';
import { readFile } from '../../storage/file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { WAL_BLOCK_BYTES, walFileName } from '../../storage/wal-format.ts';
import { DIRECTORY, overwrite, recover, type SeenRecord, TestLog } from './wal-harness.ts';

const isCorrupt = (file: string, offset: number) => (error: unknown) =>
  error instanceof TributaryError &&
  error.code === 'TRIBUTARY_STORAGE_WAL_CORRUPT' &&
  error.message.includes(`in ${file} at byte ${offset}:`);

const [FILE_1, FILE_2, FILE_3] = [1, 2, 3].map(walFileName);

/** Groups of two records of 100 bytes, each one block: group g at block 1 + g. */
async function logOfGroups(
  fileSystem: MemoryFileSystem,
  groups: number,
  options: Parameters<typeof TestLog.open>[1] = {},
): Promise<SeenRecord[]> {
  const log = await TestLog.open(fileSystem, options);
  for (let group = 0; group < groups; group += 1) {
    log.append(100, 2);
    log.append(100, 3);
    await log.writer.synced();
  }
  await log.writer.close();
  return log.committed;
}

const cut = (length: number) => (bytes: Uint8Array) => bytes.slice(0, length);

const flip = (offset: number) => (bytes: Uint8Array) => {
  const changed = bytes.slice();
  changed[offset] ^= 0x10;
  return changed;
};

const zero = (from: number, to: number) => (bytes: Uint8Array) => bytes.slice().fill(0, from, to);

/** Bytes of a record of 100 bytes. */
const RECORD_BYTES = 144;

describe('WAL reader: what a crash may leave', () => {
  it('an empty directory is an empty log', async () => {
    const fileSystem = new MemoryFileSystem();
    await fileSystem.makeDirectory(DIRECTORY);
    const { records, recovery } = await recover(fileSystem, { fromSequence: 42 });
    assert.deepEqual(records, []);
    assert.equal(recovery.nextSequence, 42);
    assert.equal(recovery.nextOrdinal, 1);
  });

  it('records below the wanted sequence are checked and not handed out', async () => {
    const fileSystem = new MemoryFileSystem();
    const committed = await logOfGroups(fileSystem, 3);
    for (const fromSequence of [1, 3, 4, 5, 6, 15, 16, 99]) {
      const { records, recovery } = await recover(fileSystem, { fromSequence });
      const wanted = committed.filter((seen) => seen.sequence + seen.eventCount > fromSequence);
      assert.deepEqual(records, wanted, `from ${fromSequence}`);
      assert.equal(recovery.nextSequence, Math.max(16, fromSequence));
      assert.equal(recovery.records, wanted.length);
    }
  });

  it('the last file cut at any byte gives a prefix, counts the rest and is repaired', async () => {
    const whole = new MemoryFileSystem();
    const committed = await logOfGroups(whole, 3);
    const fileBytes = 4 * WAL_BLOCK_BYTES;
    // Where records and fillers end: a cut there leaves nothing torn.
    const ends = [0, 1, 2].flatMap((group) => {
      const start = (1 + group) * WAL_BLOCK_BYTES;
      return [start, start + RECORD_BYTES, start + 2 * RECORD_BYTES];
    });
    for (let length = WAL_BLOCK_BYTES; length <= fileBytes; length += 61) {
      const fileSystem = whole.crash(0);
      await overwrite(fileSystem, FILE_1, cut(length));
      const { records, recovery } = await recover(fileSystem);
      assert.deepEqual(records, committed.slice(0, records.length));
      const kept = Math.max(...ends.filter((end) => end <= length), 0);
      const torn = length === fileBytes ? 0 : length - kept;
      assert.equal(recovery.tornBytes, torn, `cut at ${length}`);
      const next = await TestLog.open(fileSystem, { seed: 2 });
      next.append(7);
      await next.writer.close();
      const again = await recover(fileSystem.crash(0));
      assert.deepEqual(again.records, [...records, ...next.committed]);
      assert.equal(again.recovery.tornBytes, 0);
    }
  });

  it('a truncated last record is dropped and counted', async () => {
    const fileSystem = new MemoryFileSystem();
    const committed = await logOfGroups(fileSystem, 2);
    await overwrite(fileSystem, FILE_1, cut(2 * WAL_BLOCK_BYTES + RECORD_BYTES + 50));
    const { records, recovery } = await recover(fileSystem);
    assert.deepEqual(records, committed.slice(0, 3));
    assert.equal(recovery.tornBytes, 50);
    const offset = 2 * WAL_BLOCK_BYTES + RECORD_BYTES;
    assert.deepEqual(recovery.repair.truncate, { name: FILE_1, bytes: offset });
  });

  it('a torn last group loses what follows the tear, intact records of the same group as well', async () => {
    const fileSystem = new MemoryFileSystem();
    const committed = await logOfGroups(fileSystem, 2);
    await overwrite(fileSystem, FILE_1, flip(2 * WAL_BLOCK_BYTES + 60));
    const { records, recovery } = await recover(fileSystem);
    assert.deepEqual(records, committed.slice(0, 2));
    assert.equal(recovery.tornBytes, WAL_BLOCK_BYTES);
  });

  it('a last group of zeros, only its length kept, is dropped', async () => {
    const fileSystem = new MemoryFileSystem();
    const committed = await logOfGroups(fileSystem, 2);
    await overwrite(fileSystem, FILE_1, zero(2 * WAL_BLOCK_BYTES, 3 * WAL_BLOCK_BYTES));
    assert.deepEqual((await recover(fileSystem)).records, committed.slice(0, 2));
  });

  it('a file prepared ahead, whole, torn or empty, holds nothing and is removed', async () => {
    const prepared = new MemoryFileSystem();
    const log = await TestLog.open(prepared);
    log.append(10);
    await log.writer.synced();
    assert.deepEqual(await prepared.list(DIRECTORY), [FILE_1, FILE_2]);
    for (const change of [cut(WAL_BLOCK_BYTES), cut(700), cut(0), zero(0, 512), flip(20)]) {
      const fileSystem = prepared.crash(0);
      if (!(await fileSystem.exists(`${DIRECTORY}/${FILE_2}`))) continue;
      await overwrite(fileSystem, FILE_2, change);
      const { records, recovery } = await recover(fileSystem);
      assert.deepEqual(records, log.committed);
      assert.deepEqual(recovery.repair.remove, [FILE_2]);
      await (await TestLog.open(fileSystem)).writer.close();
      assert.deepEqual(await fileSystem.list(DIRECTORY), [FILE_1, FILE_3]);
    }
  });

  it('a torn tail before a file prepared ahead is still a torn tail', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await TestLog.open(fileSystem);
    log.append(10);
    await log.writer.synced();
    await overwrite(fileSystem, FILE_1, cut(WAL_BLOCK_BYTES + 44));
    const { records, recovery } = await recover(fileSystem);
    assert.deepEqual(records, []);
    assert.equal(recovery.tornBytes, 44);
    assert.deepEqual(recovery.repair.remove, [FILE_1, FILE_2]);
  });

  it('removal that a crash left half done is no gap', async () => {
    const whole = new MemoryFileSystem();
    const committed = await logOfGroups(whole, 3, { fileBytesMax: WAL_BLOCK_BYTES });
    for (const removed of [[FILE_1], [FILE_2], [FILE_1, FILE_2]]) {
      const fileSystem = whole.crash(0);
      for (const name of removed) await fileSystem.unlink(`${DIRECTORY}/${name}`);
      const { records } = await recover(fileSystem, { fromSequence: 11 });
      assert.deepEqual(records, committed.slice(4));
    }
  });

  it('files of other names in the directory are left alone', async () => {
    const fileSystem = new MemoryFileSystem();
    const committed = await logOfGroups(fileSystem, 1);
    await (await fileSystem.open(`${DIRECTORY}/LOCK`, 'create')).close();
    assert.deepEqual((await recover(fileSystem)).records, committed);
  });
});

describe('WAL reader: what only decay can leave', () => {
  const damages: readonly [string, string, (bytes: Uint8Array) => Uint8Array, number, number[]][] =
    [
      ['a damaged payload', FILE_1, flip(4096 + 60), 4096, [1, 2, 3, 4, 5]],
      ['a damaged length', FILE_1, flip(4096 + 3), 4096, [1, 2, 3, 4, 5]],
      ['a damaged filler', FILE_1, flip(4096 + 1000), 4096 + 288, [0, 1, 2, 3, 4, 5]],
      ['a lost group', FILE_1, zero(4096, 8192), 4096, [2, 3, 4, 5]],
      ['a group written over a later one', FILE_1, swapBlocks, 4096, [2, 3, 4, 5]],
      ['a torn tail before records of the next file', FILE_1, cut(8192 + 44), 8192, [0, 1, 4, 5]],
      ['a damaged header of a file with records', FILE_1, flip(30), 0, [4, 5]],
    ];

  function swapBlocks(bytes: Uint8Array): Uint8Array {
    const swapped = bytes.slice();
    swapped.set(bytes.subarray(8192, 12_288), 4096);
    return swapped;
  }

  /** File 1 holds groups 0 and 1, file 2 holds group 2. */
  async function twoFiles(fileSystem: MemoryFileSystem): Promise<SeenRecord[]> {
    return logOfGroups(fileSystem, 3, { fileBytesMax: 12_288 });
  }

  for (const [situation, name, change, offset, survivors] of damages) {
    it(`${situation} is refused, and skipped and counted when the loss is accepted`, async () => {
      const fileSystem = new MemoryFileSystem();
      const committed = await twoFiles(fileSystem);
      await overwrite(fileSystem, name, change);
      await assert.rejects(recover(fileSystem), isCorrupt(name, offset));
      const { records, recovery } = await recover(fileSystem, { acceptDataLoss: true });
      assert.deepEqual(
        records,
        survivors.map((index) => committed[index]),
      );
      assert.ok(recovery.lostBytes > 0);
      const survived = records.reduce((sum, { eventCount }) => sum + eventCount, 0);
      assert.equal(recovery.lostEvents, 15 - survived);
      assert.equal(recovery.nextSequence, 16);
      const next = await TestLog.open(fileSystem, { recovery });
      next.append(5);
      await next.writer.close();
      await assert.rejects(recover(fileSystem), isCorrupt(name, offset));
    });
  }

  it('a lost file between two others is refused', async () => {
    const fileSystem = new MemoryFileSystem();
    const committed = await logOfGroups(fileSystem, 3, { fileBytesMax: WAL_BLOCK_BYTES });
    await fileSystem.unlink(`${DIRECTORY}/${FILE_2}`);
    await assert.rejects(recover(fileSystem), isCorrupt(FILE_3, 4096));
    const { records, recovery } = await recover(fileSystem, { acceptDataLoss: true });
    assert.deepEqual(records, [...committed.slice(0, 2), ...committed.slice(4)]);
    assert.equal(recovery.lostEvents, 5);
  });

  it('a file in the place of another is refused', async () => {
    const fileSystem = new MemoryFileSystem();
    await twoFiles(fileSystem);
    const first = await readFile(fileSystem, `${DIRECTORY}/${FILE_1}`);
    await overwrite(fileSystem, FILE_2, () => first);
    await assert.rejects(recover(fileSystem), isCorrupt(FILE_2, 0));
  });

  it('the log of another tenant is refused', async () => {
    const fileSystem = new MemoryFileSystem();
    await twoFiles(fileSystem);
    const tenantId = new Uint8Array(16);
    await assert.rejects(recover(fileSystem, { tenantId }), isCorrupt(FILE_1, 0));
  });

  it('a file of a newer format is refused by its own name, loss accepted or not', async () => {
    const fileSystem = new MemoryFileSystem();
    await twoFiles(fileSystem);
    await overwrite(fileSystem, FILE_1, (bytes) => {
      const newer = bytes.slice();
      newer[12] = 9;
      return newer;
    });
    for (const acceptDataLoss of [false, true]) {
      await assert.rejects(
        recover(fileSystem, { acceptDataLoss }),
        (error) =>
          error instanceof TributaryError && error.code === 'TRIBUTARY_STORAGE_WAL_VERSION',
      );
    }
  });
});
