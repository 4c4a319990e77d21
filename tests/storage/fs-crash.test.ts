/** What the memory file system keeps and loses at a power cut, and what the fault one does on demand. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { FaultFileSystem } from '../../storage/fault-file-system.ts';
import { atomicReplace, hasErrno, readFile, writeFully } from '../../storage/file-system.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';

const SEEDS = Array.from({ length: 200 }, (_, seed) => seed);

async function createFile(fileSystem: MemoryFileSystem, path: string, content: Uint8Array) {
  const handle = await fileSystem.open(path, 'create');
  await handle.write([content], 0);
  return handle;
}

describe('memory file system at a crash', () => {
  it('what was synced, with its name, always survives', async () => {
    const fileSystem = new MemoryFileSystem();
    const handle = await createFile(fileSystem, '/a', Uint8Array.of(1, 2, 3));
    await handle.sync();
    await fileSystem.syncDirectory('/');
    for (const seed of SEEDS) {
      assert.deepEqual(await readFile(fileSystem.crash(seed), '/a'), Uint8Array.of(1, 2, 3));
    }
  });

  it('a synced file is lost with its name when the directory was not synced', async () => {
    const fileSystem = new MemoryFileSystem();
    await (await createFile(fileSystem, '/a', Uint8Array.of(1))).sync();
    const survived = await Promise.all(SEEDS.map((seed) => fileSystem.crash(seed).exists('/a')));
    assert.deepEqual(new Set(survived), new Set([true, false]));
  });

  it('an unsynced write is kept, lost, zeros, a prefix or some sectors', async () => {
    const fileSystem = new MemoryFileSystem();
    const handle = await createFile(fileSystem, '/a', new Uint8Array(0));
    await fileSystem.syncDirectory('/');
    await handle.write([new Uint8Array(4096).fill(1)], 0);
    const seen = new Set<string>();
    for (const seed of SEEDS) {
      const found = await readFile(fileSystem.crash(seed), '/a');
      const ones = found.filter((byte) => byte === 1).length;
      if (found.length === 0) seen.add('nothing');
      else if (ones === 4096) seen.add('everything');
      else if (ones === 0) seen.add('zeros');
      else if (found.lastIndexOf(1) === ones - 1 && ones % 512 !== 0) seen.add('prefix');
      else if (ones % 512 === 0) seen.add('sectors');
    }
    assert.deepEqual([...seen].sort(), ['everything', 'nothing', 'prefix', 'sectors', 'zeros']);
  });

  it('the same seed leaves the same image, and the running one goes on', async () => {
    const fileSystem = new MemoryFileSystem();
    const handle = await createFile(fileSystem, '/a', new Uint8Array(4096).fill(1));
    await fileSystem.syncDirectory('/');
    for (const seed of SEEDS) {
      const image = await readFile(fileSystem.crash(seed), '/a');
      assert.deepEqual(await readFile(fileSystem.crash(seed), '/a'), image);
    }
    await handle.sync();
    assert.equal((await readFile(fileSystem, '/a')).length, 4096);
  });

  it('a replaced file holds the old content or the new one, at every operation', async () => {
    const images: MemoryFileSystem[] = [];
    const before = Uint8Array.of(1, 1, 1);
    const after = new Uint8Array(1000).fill(2);
    const quiet = new MemoryFileSystem();
    await atomicReplace(quiet, '/a', before);
    const fileSystem: MemoryFileSystem = quiet.crash(0, {
      schedule: () => {
        for (let seed = 0; seed < 20; seed += 1) images.push(fileSystem.crash(seed));
      },
    });
    await atomicReplace(fileSystem, '/a', after);
    assert.ok(images.length > 100);
    for (const image of images) {
      const found = await readFile(image, '/a');
      assert.ok(found.length === before.length || found.length === after.length);
      assert.deepEqual(found, found.length === before.length ? before : after);
      await atomicReplace(image, '/a', after);
    }
  });

  it('a file with two names is one file afterwards as well', async () => {
    const fileSystem = new MemoryFileSystem();
    await (await createFile(fileSystem, '/a', new Uint8Array(4096).fill(1))).close();
    await fileSystem.link('/a', '/b');
    await fileSystem.syncDirectory('/');
    for (const seed of SEEDS) {
      const image = fileSystem.crash(seed);
      assert.deepEqual(await readFile(image, '/a'), await readFile(image, '/b'));
    }
  });

  it('a killed process leaves what it wrote, and leaves it as unsafe as before', async () => {
    const fileSystem = new MemoryFileSystem();
    await fileSystem.makeDirectory('/d');
    const handle = await createFile(fileSystem, '/d/a', Uint8Array.of(1, 2));
    await handle.sync();
    await fileSystem.syncDirectory('/');
    await fileSystem.syncDirectory('/d');
    await handle.write([Uint8Array.of(3)], 2);
    await fileSystem.rename('/d/a', '/d/b');
    const copy = fileSystem.copy();
    await handle.write([Uint8Array.of(9)], 0);
    assert.deepEqual(await readFile(copy, '/d/b'), Uint8Array.of(1, 2, 3));
    const names = new Set<string>();
    const lengths = new Set<number>();
    for (const seed of SEEDS) {
      for (const { path, bytes } of copy.crash(seed).files()) {
        names.add(path);
        lengths.add(bytes.length);
      }
    }
    assert.deepEqual([...names].sort(), ['/d/a', '/d/b']);
    assert.deepEqual([...lengths].sort(), [2, 3]);
  });

  it('a bit that decays is seen by the next reader and survives a crash', async () => {
    const fileSystem = new MemoryFileSystem();
    await (await createFile(fileSystem, '/a', Uint8Array.of(1, 2))).sync();
    await fileSystem.syncDirectory('/');
    fileSystem.decay('/a', 1, 4);
    assert.deepEqual(await readFile(fileSystem, '/a'), Uint8Array.of(1, 6));
    assert.deepEqual(await readFile(fileSystem.crash(1), '/a'), Uint8Array.of(1, 6));
  });

  it('an unaligned direct write is refused', async () => {
    const fileSystem = new MemoryFileSystem();
    const handle = await fileSystem.open('/a', 'create', { direct: true });
    for (const [length, position] of [
      [100, 0],
      [4096, 512],
    ]) {
      const write = handle.write([new Uint8Array(length)], position);
      await assert.rejects(write, (error) => hasErrno(error, 'EINVAL'));
    }
  });
});

describe('fault file system', () => {
  it('a fault fires on the operation, the path and the count it names, once', async () => {
    const fileSystem = new FaultFileSystem(new MemoryFileSystem(), {
      faults: [{ operation: 'write', result: 'EIO', path: 'a', after: 1 }],
    });
    const a = await fileSystem.open('/a', 'create');
    const b = await fileSystem.open('/b', 'create');
    await a.write([Uint8Array.of(1)], 0);
    await b.write([Uint8Array.of(1)], 0);
    await assert.rejects(a.write([Uint8Array.of(2)], 0), (error) => hasErrno(error, 'EIO'));
    await a.write([Uint8Array.of(3)], 0);
    assert.deepEqual(await readFile(fileSystem, '/a'), Uint8Array.of(3));
  });

  it('a sync that failed has dropped the writes, and the next one succeeds', async () => {
    const memory = new MemoryFileSystem();
    const fileSystem = new FaultFileSystem(memory, {
      faults: [{ operation: 'sync', result: 'EIO', after: 1 }],
      onSyncFailed: (path) => memory.dropUnsynced(path),
    });
    const handle = await fileSystem.open('/a', 'create');
    await handle.write([Uint8Array.of(1)], 0);
    await handle.sync();
    await handle.write([Uint8Array.of(2, 2)], 0);
    await assert.rejects(handle.sync(), (error) => hasErrno(error, 'EIO'));
    await handle.sync();
    assert.deepEqual(await readFile(fileSystem, '/a'), Uint8Array.of(1));
  });

  it('a volume that is full cuts the write that crosses the line and refuses the next', async () => {
    for (const direct of [false, true]) {
      const fileSystem = new FaultFileSystem(new MemoryFileSystem(), { writableBytes: 5000 });
      const handle = await fileSystem.open('/a', 'create', { direct });
      const block = new Uint8Array(4096).fill(1);
      assert.equal(await handle.write([block], 0), 4096);
      assert.equal(await handle.write([block], 4096), 512);
      await assert.rejects(handle.write([block], 4096), (error) => hasErrno(error, 'ENOSPC'));
      assert.equal(await fileSystem.freeBytes('/'), 5000 - 4096 - 512);
      const found = await readFile(fileSystem, '/a');
      assert.equal(found.filter((byte) => byte === 1).length, 4096 + 512);
    }
  });

  it('a short write is gone on with from the last block', async () => {
    for (const direct of [false, true]) {
      const fileSystem = new FaultFileSystem(new MemoryFileSystem(), {
        faults: [
          { operation: 'write', result: 'short' },
          { operation: 'write', result: 'short', after: 1 },
        ],
      });
      const handle = await fileSystem.open('/a', 'create', { direct });
      const content = Uint8Array.from({ length: 3 * 4096 }, (_, index) => index % 251);
      await writeFully(handle, content, 0);
      assert.deepEqual(await readFile(fileSystem, '/a'), content);
    }
  });
});
