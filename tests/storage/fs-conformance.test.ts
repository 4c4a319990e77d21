/** One suite for every implementation of the file-system port. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { native } from '../../native/index.ts';
import { FaultFileSystem } from '../../storage/fault-file-system.ts';
import {
  atomicReplace,
  DIRECT_BLOCK_BYTES,
  type FileSystem,
  hasErrno,
  makeDirectoryDurable,
  parentOf,
  readFile,
  writeFully,
  writeSynced,
} from '../../storage/file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';

type Body = (fileSystem: FileSystem, directory: string) => Promise<void>;

async function onDisk(fileSystem: FileSystem, body: Body): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'tributary-fs-'));
  try {
    await body(fileSystem, directory);
  } finally {
    await rm(directory, { recursive: true });
  }
}

async function inMemory(fileSystem: FileSystem, body: Body): Promise<void> {
  await fileSystem.makeDirectory('/data');
  await body(fileSystem, '/data');
}

const implementations: readonly [string, (body: Body) => Promise<void>][] = [
  ['memory', (body) => inMemory(new MemoryFileSystem(), body)],
  [
    'fault without faults',
    (body) => inMemory(new FaultFileSystem(new MemoryFileSystem(), {}), body),
  ],
  ['node', (body) => onDisk(new NodeFileSystem({ tryLock: native.tryLock }), body)],
  ['node, direct', (body) => onDisk(new NodeFileSystem(native), body)],
];

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);

for (const [name, run] of implementations) {
  describe(`file system: ${name}`, () => {
    it('what was written is read back, in parts and beyond the end', () =>
      run(async (fileSystem, directory) => {
        const handle = await fileSystem.open(`${directory}/a`, 'create');
        assert.equal(await handle.write([bytes(1, 2), bytes(3, 4, 5)], 0), 5);
        assert.equal(await handle.write([bytes(9)], 6), 1);
        await handle.sync();
        assert.equal(await handle.size(), 7);
        const target = new Uint8Array(8);
        assert.equal(await handle.read(target, 1, 3, 1), 3);
        assert.deepEqual(target, bytes(0, 2, 3, 4, 0, 0, 0, 0));
        assert.equal(await handle.read(target, 0, 8, 4), 3);
        assert.deepEqual(target.subarray(0, 3), bytes(5, 0, 9));
        assert.equal(await handle.read(target, 0, 8, 7), 0);
        await handle.close();
        await handle.close();
        assert.deepEqual(await readFile(fileSystem, `${directory}/a`), bytes(1, 2, 3, 4, 5, 0, 9));
      }));

    it('a lock is shared by many or held by one, and nobody waits for it', () =>
      run(async (fileSystem, directory) => {
        const first = await fileSystem.lock(directory, 'shared');
        const second = await fileSystem.lock(directory, 'shared');
        assert.ok(first !== undefined && second !== undefined);
        assert.equal(await fileSystem.lock(directory, 'exclusive'), undefined);
        await first();
        assert.equal(await fileSystem.lock(directory, 'exclusive'), undefined);
        await second();
        const alone = await fileSystem.lock(directory, 'exclusive');
        assert.ok(alone !== undefined);
        assert.equal(await fileSystem.lock(directory, 'shared'), undefined);
        assert.equal(await fileSystem.lock(directory, 'exclusive'), undefined);
        await alone();
        const again = await fileSystem.lock(directory, 'shared');
        assert.ok(again !== undefined);
        await again();
      }));

    it('a direct file takes whole blocks and reads them back', () =>
      run(async (fileSystem, directory) => {
        const handle = await fileSystem.open(`${directory}/a`, 'create', { direct: true });
        const block = fileSystem.allocate(2 * DIRECT_BLOCK_BYTES);
        assert.equal(block.length, 2 * DIRECT_BLOCK_BYTES);
        assert.ok(block.every((byte) => byte === 0));
        block.fill(7, 4000, 5000);
        await writeFully(handle, block, 0);
        await writeFully(handle, block.subarray(0, DIRECT_BLOCK_BYTES), block.length);
        await handle.sync();
        await handle.close();
        const found = await readFile(fileSystem, `${directory}/a`);
        assert.equal(found.length, 3 * DIRECT_BLOCK_BYTES);
        assert.deepEqual(found.subarray(0, block.length), block);
      }));

    it('what is written and synced at once lies where it belongs', () =>
      run(async (fileSystem, directory) => {
        const handle = await fileSystem.open(`${directory}/a`, 'create', { direct: true });
        const block = fileSystem.allocate(DIRECT_BLOCK_BYTES).fill(5);
        const longer = fileSystem.allocate(2 * DIRECT_BLOCK_BYTES).fill(6);
        assert.ok((await writeSynced(handle, block, 0, systemClock)) >= 0);
        assert.ok((await writeSynced(handle, longer, block.length, systemClock)) >= 0);
        await handle.close();
        const found = await readFile(fileSystem, `${directory}/a`);
        assert.deepEqual(found, Uint8Array.from([...block, ...longer]));
      }));

    it('a write that fails is not called synced', () =>
      run(async (fileSystem, directory) => {
        await atomicReplace(fileSystem, `${directory}/a`, bytes(1));
        const reading = await fileSystem.open(`${directory}/a`, 'read');
        const written = writeSynced(reading, bytes(4), 0, systemClock);
        await assert.rejects(written, (error) => hasErrno(error, 'EBADF'));
        await reading.close();
      }));

    it('a name that is taken is not created again, a missing one is not opened', () =>
      run(async (fileSystem, directory) => {
        await (await fileSystem.open(`${directory}/a`, 'create')).close();
        for (const options of [{}, { direct: true }]) {
          const again = fileSystem.open(`${directory}/a`, 'create', options);
          await assert.rejects(again, (error) => hasErrno(error, 'EEXIST'));
        }
        for (const mode of ['read', 'edit'] as const) {
          const missing = fileSystem.open(`${directory}/b`, mode);
          await assert.rejects(missing, (error) => hasErrno(error, 'ENOENT'));
        }
      }));

    it('a file opened to read cannot be written, one opened to edit can be cut', () =>
      run(async (fileSystem, directory) => {
        await atomicReplace(fileSystem, `${directory}/a`, bytes(1, 2, 3));
        const reading = await fileSystem.open(`${directory}/a`, 'read');
        await assert.rejects(reading.write([bytes(4)], 0), (error) => hasErrno(error, 'EBADF'));
        await reading.close();
        const editing = await fileSystem.open(`${directory}/a`, 'edit');
        await editing.truncate(1);
        await editing.truncate(2);
        await editing.sync();
        await editing.close();
        assert.deepEqual(await readFile(fileSystem, `${directory}/a`), bytes(1, 0));
      }));

    it('names are listed in order, renamed over others and unlinked', () =>
      run(async (fileSystem, directory) => {
        for (const name of ['c', 'a', 'b']) {
          await atomicReplace(fileSystem, `${directory}/${name}`, new TextEncoder().encode(name));
        }
        assert.deepEqual(await fileSystem.list(directory), ['a', 'b', 'c']);
        await fileSystem.rename(`${directory}/a`, `${directory}/c`);
        await fileSystem.unlink(`${directory}/b`);
        await fileSystem.syncDirectory(directory);
        assert.deepEqual(await fileSystem.list(directory), ['c']);
        assert.deepEqual(await readFile(fileSystem, `${directory}/c`), bytes(97));
        assert.equal(await fileSystem.exists(`${directory}/a`), false);
        assert.equal(await fileSystem.exists(`${directory}/c`), true);
        for (const missing of [
          () => fileSystem.unlink(`${directory}/a`),
          () => fileSystem.rename(`${directory}/a`, `${directory}/b`),
          () => fileSystem.list(`${directory}/a`),
        ]) {
          await assert.rejects(missing, (error) => hasErrno(error, 'ENOENT'));
        }
      }));

    it('a file has a second name in another directory, and keeps it without the first', () =>
      run(async (fileSystem, directory) => {
        await atomicReplace(fileSystem, `${directory}/a`, bytes(1, 2));
        await fileSystem.makeDirectory(`${directory}/x`);
        await fileSystem.link(`${directory}/a`, `${directory}/x/b`);
        await fileSystem.syncDirectory(`${directory}/x`);
        await fileSystem.unlink(`${directory}/a`);
        assert.deepEqual(await readFile(fileSystem, `${directory}/x/b`), bytes(1, 2));
        const missing = fileSystem.link(`${directory}/a`, `${directory}/x/c`);
        await assert.rejects(missing, (error) => hasErrno(error, 'ENOENT'));
      }));

    it('of two that race for one name exactly one gets it', () =>
      run(async (fileSystem, directory) => {
        await atomicReplace(fileSystem, `${directory}/a`, bytes(1));
        await atomicReplace(fileSystem, `${directory}/b`, bytes(2));
        const outcomes = await Promise.allSettled(
          ['a', 'b'].map((name) =>
            fileSystem.link(`${directory}/${name}`, `${directory}/taken`).then(() => name),
          ),
        );
        const losers = outcomes.filter(({ status }) => status === 'rejected');
        assert.equal(losers.length, 1);
        assert.ok(hasErrno((losers[0] as PromiseRejectedResult).reason, 'EEXIST'));
        const found = await readFile(fileSystem, `${directory}/taken`);
        assert.deepEqual(found, outcomes[0]!.status === 'fulfilled' ? bytes(1) : bytes(2));
      }));

    it('a status tells files from directories, with size and time', () =>
      run(async (fileSystem, directory) => {
        await atomicReplace(fileSystem, `${directory}/a`, bytes(1, 2, 3));
        const status = await fileSystem.status(`${directory}/a`);
        assert.equal(status?.kind, 'file');
        assert.equal(status.bytes, 3);
        assert.ok(Number.isSafeInteger(status.modifiedMicros));
        assert.equal((await fileSystem.status(directory))?.kind, 'directory');
        assert.equal(await fileSystem.status(`${directory}/b`), undefined);
      }));

    it('a file stays readable through its handle after it was unlinked', () =>
      run(async (fileSystem, directory) => {
        await atomicReplace(fileSystem, `${directory}/a`, bytes(5));
        const handle = await fileSystem.open(`${directory}/a`, 'read');
        await fileSystem.unlink(`${directory}/a`);
        assert.equal(await handle.size(), 1);
        await handle.close();
      }));

    it('directories are made with their parents, and again without harm', () =>
      run(async (fileSystem, directory) => {
        for (let round = 0; round < 2; round += 1) {
          await makeDirectoryDurable(fileSystem, `${directory}/x/y/z`);
        }
        assert.deepEqual(await fileSystem.list(`${directory}/x/y`), ['z']);
        await fileSystem.makeDirectory(`${directory}/x`);
        assert.deepEqual(await fileSystem.list(`${directory}/x`), ['y']);
      }));

    it('the volume has room', () =>
      run(async (fileSystem, directory) => {
        assert.ok((await fileSystem.freeBytes(directory)) > 0);
      }));
  });
}

describe('a file system without direct writes', () => {
  it('one that refuses them at open is read and written buffered', async () => {
    const handle = await new NodeFileSystem(native).open('/proc/self/comm', 'edit', {
      direct: true,
    });
    assert.equal(handle.direct, false);
    assert.ok((await handle.read(new Uint8Array(16), 0, 16, 0)) > 0);
    await handle.close();
  });

  it('one that refuses the first write gets it buffered, and all of it', () =>
    onDisk(new NodeFileSystem(native), async (fileSystem, directory) => {
      const handle = await fileSystem.open(`${directory}/a`, 'create', { direct: true });
      // No disk takes memory at an odd address.
      const block = fileSystem.allocate(2 * DIRECT_BLOCK_BYTES).subarray(1, 1 + DIRECT_BLOCK_BYTES);
      block.fill(3);
      await writeFully(handle, block, 0);
      assert.equal(handle.direct, false);
      await writeFully(handle, Uint8Array.of(4), block.length);
      await handle.sync();
      await handle.close();
      const found = await readFile(fileSystem, `${directory}/a`);
      assert.deepEqual(found, Uint8Array.from([...block, 4]));
    }));
});

describe('a write and its sync as one', () => {
  it('is buffered where a direct one is refused', () =>
    onDisk(new NodeFileSystem(native), async (fileSystem, directory) => {
      const handle = await fileSystem.open(`${directory}/a`, 'create', { direct: true });
      const block = fileSystem.allocate(2 * DIRECT_BLOCK_BYTES).subarray(1, 1 + DIRECT_BLOCK_BYTES);
      block.fill(3);
      assert.ok((await writeSynced(handle, block, 0, systemClock)) >= 0);
      assert.equal(handle.direct, false);
      await handle.close();
      assert.deepEqual(await readFile(fileSystem, `${directory}/a`), Uint8Array.from(block));
    }));

  it('is made of two where it was short', async () => {
    const calls: string[] = [];
    const asOne = async (descriptor: number, block: Uint8Array) => {
      calls.push(`${descriptor > 0} ${block.length}`);
      return undefined;
    };
    await onDisk(new NodeFileSystem({ writeSynced: asOne }), async (fileSystem, directory) => {
      const handle = await fileSystem.open(`${directory}/a`, 'create');
      await writeSynced(handle, bytes(1, 2, 3), 2, systemClock);
      await handle.close();
      const found = await readFile(fileSystem, `${directory}/a`);
      assert.deepEqual(found, bytes(0, 0, 1, 2, 3));
    });
    assert.deepEqual(calls, ['true 3']);
  });
});

describe('paths', () => {
  it('the parent of a path ends at the root or here', () => {
    assert.equal(parentOf('/a/b'), '/a');
    assert.equal(parentOf('/a'), '/');
    assert.equal(parentOf('/'), '/');
    assert.equal(parentOf('a'), '.');
  });
});
