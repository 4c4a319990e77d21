import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { FileSystem } from '../../storage/file-system.ts';
import { LocalObjectStore } from '../../storage/lake/local-object-store.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';
import { keysOf, objectStoreSuite, type StoreUnderTest, stagedIn } from './object-store-suite.ts';

const text = (value: string) => new TextEncoder().encode(value);

async function underTest(fileSystem: FileSystem, root: string): Promise<StoreUnderTest> {
  const store = await LocalObjectStore.open(fileSystem, root, 'lake');
  return stagedIn(fileSystem, store.stagingDirectory, store);
}

objectStoreSuite('local, in memory', async (body) => {
  await body(await underTest(new MemoryFileSystem(), '/lake'));
});

objectStoreSuite('local, on disk', async (body) => {
  const directory = await mkdtemp(join(tmpdir(), 'tributary-lake-'));
  try {
    await body(await underTest(new NodeFileSystem(), `${directory}/lake`));
  } finally {
    await rm(directory, { recursive: true });
  }
});

describe('local object store at a crash', () => {
  it('an object appears whole or not at all, and what was answered is there', async () => {
    const content = text('x'.repeat(5000));
    let done = false;
    const images: { fileSystem: MemoryFileSystem; done: boolean }[] = [];
    const quiet = new MemoryFileSystem();
    await LocalObjectStore.open(quiet, '/lake', 'lake');
    const fileSystem: MemoryFileSystem = quiet.crash(0, {
      schedule: () => {
        for (let seed = 0; seed < 10; seed += 1) {
          images.push({ fileSystem: fileSystem.crash(seed), done });
        }
      },
    });
    const { store, stage } = await underTest(fileSystem, '/lake');
    const path = await stage('file', content);
    await Promise.all([
      store.put('ns/t/a', content, { ifNoneMatch: true }),
      store.putFile('ns/t/b', path),
    ]);
    done = true;
    await store.head('ns/t/a');
    assert.ok(images.length > 200);
    for (const image of images) {
      const reopened = await LocalObjectStore.open(image.fileSystem, '/lake', 'lake');
      const keys = await keysOf(reopened, 'ns/');
      if (image.done) assert.deepEqual(keys, ['ns/t/a', 'ns/t/b']);
      for (const key of keys) assert.deepEqual(await reopened.get(key), content);
      assert.deepEqual(await image.fileSystem.list('/lake/.staging'), []);
    }
  });

  for (const look of ['list', 'head'] as const) {
    it(`what a ${look} has shown survives the next power cut, whoever put it`, async () => {
      const killed = new MemoryFileSystem();
      const { store } = await underTest(killed, '/lake');
      await store.put('ns/t/other', text('other'));
      // The state a process leaves that was killed between its link and its sync of the directory.
      const handle = await killed.open('/lake/.staging/put', 'create');
      await handle.write([text('content')], 0);
      await handle.sync();
      await killed.link('/lake/.staging/put', '/lake/ns/t/v2');
      const next = await LocalObjectStore.open(killed, '/lake', 'lake');
      if (look === 'list') assert.deepEqual(await keysOf(next, 'ns/t/v'), ['ns/t/v2']);
      else assert.equal((await next.head('ns/t/v2'))?.bytes, 7);
      for (let seed = 0; seed < 50; seed += 1) {
        const after = await LocalObjectStore.open(killed.crash(seed), '/lake', 'lake');
        assert.deepEqual(await after.get('ns/t/v2'), text('content'));
      }
    });
  }
});
