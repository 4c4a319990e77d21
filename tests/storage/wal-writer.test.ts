import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { FaultFileSystem, type FaultPlan } from '../../storage/fault-file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { DIRECTORY, recover, TestLog } from './wal-harness.ts';

const hasCode = (code: string) => (error: unknown) =>
  error instanceof TributaryError && error.code === code;
const isPoisoned = hasCode('TRIBUTARY_ENGINE_POISONED');

describe('WAL writer', () => {
  it('records come back in order after a clean close, which leaves no empty file', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await TestLog.open(fileSystem);
    for (let count = 0; count < 50; count += 1) assert.ok(log.append(count * 37, (count % 3) + 1));
    await log.writer.close();
    assert.deepEqual(log.durable, log.committed);
    const { records, recovery } = await recover(fileSystem.crash(1));
    assert.deepEqual(records, log.committed);
    assert.equal(recovery.nextSequence, log.writer.nextSequence);
    assert.equal(recovery.tornBytes, 0);
    assert.deepEqual(await fileSystem.list(DIRECTORY), ['wal-0000000000000001']);
  });

  it('what is committed while a group syncs goes out together as the next group', async () => {
    let open = () => {};
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    let syncs = 0;
    const fileSystem = new MemoryFileSystem({
      // The first file's header, the one prepared ahead, then the first group.
      schedule: (operation) => {
        if (operation === 'sync') syncs += 1;
        return operation === 'sync' && syncs === 3 ? gate : undefined;
      },
    });
    const log = await TestLog.open(fileSystem);
    await new Promise((resolve) => setImmediate(resolve));
    log.append(10);
    log.append(10);
    await new Promise((resolve) => setImmediate(resolve));
    for (let count = 0; count < 5; count += 1) log.append(10);
    assert.deepEqual(log.groups, []);
    const synced = log.writer.synced();
    open();
    await synced;
    assert.deepEqual(log.groups, [2, 5]);
    assert.equal(log.writer.statistics.groups, 2);
    assert.equal(log.writer.statistics.bytes, 2 * 4096);
    await log.writer.close();
  });

  it('a promise that is given back logs nothing, and its room is free again', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await TestLog.open(fileSystem);
    assert.ok(log.writer.promise(LIMITS.walRecordBytesMax));
    assert.equal(log.append(LIMITS.walRecordBytesMax), false);
    log.writer.forgo(LIMITS.walRecordBytesMax);
    assert.ok(log.append(LIMITS.walRecordBytesMax));
    await log.writer.close();
    assert.deepEqual((await recover(fileSystem)).records, log.committed);
  });

  it('records that were promised room find it, however late and behind whatever groups', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await TestLog.open(fileSystem);
    let promised = 0;
    while (log.writer.promise(1_000_000)) promised += 1;
    assert.equal(promised, 8);
    for (let count = 0; count < promised; count += 1) {
      log.commit(1_000_000);
      if (count === 2) await log.writer.synced();
    }
    await log.writer.close();
    assert.equal(log.durable.length, promised);
    assert.deepEqual((await recover(fileSystem)).records, log.committed);
  });

  it('a full staging buffer takes no more until its group is on its way', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await TestLog.open(fileSystem);
    let accepted = 0;
    while (log.append(1_000_000)) accepted += 1;
    assert.equal(accepted, 8);
    await log.writer.synced();
    assert.ok(log.append(1_000_000));
    await log.writer.close();
    assert.deepEqual((await recover(fileSystem)).records, log.committed);
  });

  it('a record at the limit is logged, one byte more is refused', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await TestLog.open(fileSystem);
    assert.ok(log.append(LIMITS.walRecordBytesMax));
    assert.throws(
      () => log.writer.promise(LIMITS.walRecordBytesMax + 1),
      hasCode('TRIBUTARY_STORAGE_RECORD_TOO_LARGE'),
    );
    await log.writer.close();
    const { records } = await recover(fileSystem);
    assert.equal(records[0].payload.length, LIMITS.walRecordBytesMax);
  });

  it('files roll over at their limit and read back as one log', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await TestLog.open(fileSystem, { fileBytesMax: 16_384 });
    for (let count = 0; count < 40; count += 1) {
      log.append(1000);
      if (count % 2 === 0) await log.writer.synced();
    }
    await log.writer.close();
    assert.ok(log.writer.statistics.files > 5);
    assert.equal((await fileSystem.list(DIRECTORY)).length, log.writer.statistics.files);
    const { records, recovery } = await recover(fileSystem.crash(1));
    assert.deepEqual(records, log.committed);
    assert.equal(recovery.files.length, log.writer.statistics.files);
  });

  it('files wholly below a sequence are removed, the one being written never', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await TestLog.open(fileSystem, { fileBytesMax: 4096 });
    for (let count = 0; count < 5; count += 1) {
      log.append(10);
      await log.writer.synced();
    }
    assert.equal(await log.writer.removeFilesBelow(1), 0);
    assert.equal(await log.writer.removeFilesBelow(3), 2);
    assert.equal((await recover(fileSystem, { fromSequence: 3 })).records[0].sequence, 3);
    assert.equal(await log.writer.removeFilesBelow(100), 2);
    await log.writer.close();
    const { records, recovery } = await recover(fileSystem, { fromSequence: 6 });
    assert.deepEqual(records, []);
    assert.equal(recovery.nextSequence, 6);
  });

  it('as much of the log is kept as was asked for', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await TestLog.open(fileSystem, { fileBytesMax: 4096 });
    for (let count = 0; count < 5; count += 1) {
      log.append(10);
      await log.writer.synced();
    }
    const fileBytes = log.writer.keptBytes / 5;
    assert.equal(await log.writer.removeFilesBelow(100, 3 * fileBytes + 1), 1);
    assert.equal(log.writer.keptBytes, 4 * fileBytes);
    assert.equal(await log.writer.removeFilesBelow(100, 3 * fileBytes), 1);
    await log.writer.close();
    const { recovery } = await recover(fileSystem, { fromSequence: 3 });
    const again = await TestLog.open(fileSystem, { recovery });
    assert.equal(again.writer.keptBytes, 3 * fileBytes + 4096, 'and the header of a new file');
    await again.writer.close();
  });

  it('a file that cannot be removed stays known, and goes the next time', async () => {
    const memory = new MemoryFileSystem();
    const faults = [{ operation: 'unlink', result: 'EIO' }] as const;
    const log = await TestLog.open(new FaultFileSystem(memory, { faults }), { fileBytesMax: 4096 });
    for (let count = 0; count < 3; count += 1) {
      log.append(10);
      await log.writer.synced();
    }
    await assert.rejects(log.writer.removeFilesBelow(9), /EIO/);
    assert.equal(await log.writer.removeFilesBelow(9), 2);
    await log.writer.close();
  });

  it('a log whose files were all removed goes on at its sequence', async () => {
    const fileSystem = new MemoryFileSystem();
    const first = await TestLog.open(fileSystem);
    first.append(10, 7);
    await first.writer.close();
    const second = await TestLog.open(fileSystem);
    assert.equal(await second.writer.removeFilesBelow(8), 1);
    await second.writer.close();
    const crashed = await recover(fileSystem.crash(1), { fromSequence: 8 });
    assert.equal(crashed.recovery.nextSequence, 8);
    const { recovery } = await recover(fileSystem, { fromSequence: 8 });
    assert.equal((await TestLog.open(fileSystem, { recovery })).writer.nextSequence, 8);
    await assert.rejects(recover(fileSystem), hasCode('TRIBUTARY_STORAGE_WAL_CORRUPT'));
  });

  it('close while writing drains, twice is once, and nothing is taken afterwards', async () => {
    const fileSystem = new MemoryFileSystem();
    const log = await TestLog.open(fileSystem, { fileBytesMax: 8192 });
    log.append(5000);
    await Promise.resolve();
    await Promise.resolve();
    log.append(5000);
    const closed = log.writer.close();
    assert.throws(() => log.append(1), hasCode('TRIBUTARY_ENGINE_CLOSED'));
    await Promise.all([closed, log.writer.close()]);
    assert.deepEqual(log.durable, log.committed);
    assert.deepEqual((await recover(fileSystem.crash(1))).records, log.committed);
  });

  it('records committed from within a report are logged and reported in turn', async () => {
    const fileSystem = new MemoryFileSystem();
    const log: TestLog = await TestLog.open(fileSystem, {
      onGroupDurable: (records) => {
        log.durable.push(...records);
        if (log.committed.length < 10) log.append(20);
      },
    });
    log.append(20);
    while (log.durable.length < 10) await log.writer.synced();
    await log.writer.close();
    assert.deepEqual(log.durable, log.committed);
    assert.deepEqual((await recover(fileSystem)).records, log.committed);
  });
});

describe('WAL writer on a failing disk', () => {
  // The header of the first file is write 0, of the file ahead write 1; likewise for syncs.
  const plans: readonly [string, FaultPlan][] = [
    ['a write fails', { faults: [{ operation: 'write', result: 'EIO', after: 3 }] }],
    ['a sync fails once', { faults: [{ operation: 'sync', result: 'EIO', after: 3 }] }],
    ['the disk is full', { writableBytes: 4 * 4096 }],
    ['the disk is full within a block', { writableBytes: 3 * 4096 + 700 }],
  ];
  for (const [situation, plan] of plans) {
    it(`${situation}: the log is poisoned for ever and every record is told`, async () => {
      const memory = new MemoryFileSystem();
      const onSyncFailed = (path: string) => memory.dropUnsynced(path);
      const log = await TestLog.open(new FaultFileSystem(memory, { ...plan, onSyncFailed }));
      log.append(100);
      await log.writer.synced();
      await assert.rejects(async () => {
        for (let round = 0; round < 4; round += 1) {
          log.append(100);
          log.append(100);
          const first = log.writer.synced();
          log.append(100);
          await first;
        }
      }, isPoisoned);
      assert.throws(() => log.append(1), isPoisoned);
      await assert.rejects(log.writer.synced(), isPoisoned);
      await assert.rejects(log.writer.removeFilesBelow(9), isPoisoned);
      assert.equal(log.poisoned.length, 1);
      assert.equal(log.poisoned[0].error, log.writer.failure);
      assert.deepEqual([...log.durable, ...log.poisoned[0].records], log.committed);
      await log.writer.close();
      const { records } = await recover(memory.crash(7));
      assert.deepEqual(records, log.committed.slice(0, records.length));
      assert.ok(records.length >= log.durable.length);
      const next = await TestLog.open(memory);
      next.append(5);
      await next.writer.close();
      assert.equal(next.durable.length, 1);
    });
  }

  it('a file that cannot be created ahead poisons the log before it is needed', async () => {
    const faults = [{ operation: 'open', result: 'EMFILE', after: 1 }] as const;
    const log = await TestLog.open(new FaultFileSystem(new MemoryFileSystem(), { faults }));
    await new Promise((resolve) => setImmediate(resolve));
    assert.throws(() => log.append(1), isPoisoned);
    assert.equal(log.poisoned.length, 1);
    await log.writer.close();
  });

  it('a file made ahead that could not be removed kept the log from closing', async () => {
    const memory = new MemoryFileSystem();
    const faults = [{ operation: 'unlink', result: 'EIO' }] as const;
    const log = await TestLog.open(new FaultFileSystem(memory, { faults }));
    log.append(100);
    await log.writer.close();
    const { records, recovery } = await recover(memory);
    assert.deepEqual(records, log.committed);
    assert.equal(recovery.repair.remove.length, 1);
  });

  it('a short write is gone on with and loses nothing', async () => {
    const memory = new MemoryFileSystem();
    const faults = [2, 3, 5].map(
      (after) => ({ operation: 'write', result: 'short', after }) as const,
    );
    const log = await TestLog.open(new FaultFileSystem(memory, { faults }));
    for (let count = 0; count < 6; count += 1) {
      log.append(10_000);
      await log.writer.synced();
    }
    await log.writer.close();
    assert.deepEqual((await recover(memory.crash(1))).records, log.committed);
  });

  it('a log that cannot be opened leaves the old one as it was', async () => {
    for (const operation of ['open', 'write', 'sync', 'syncDirectory'] as const) {
      const memory = new MemoryFileSystem();
      const first = await TestLog.open(memory);
      first.append(10);
      await first.writer.close();
      const { recovery } = await recover(memory);
      const faults = [{ operation, result: 'EIO', path: 'wal', lasting: true }] as const;
      await assert.rejects(TestLog.open(new FaultFileSystem(memory, { faults }), { recovery }));
      assert.deepEqual((await recover(memory)).records, first.committed);
    }
  });
});
