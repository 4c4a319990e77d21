import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LocalObjectStore } from '../../storage/lake/local-object-store.ts';
import { MirroredObjectStore } from '../../storage/lake/mirrored-object-store.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { keysOf, objectStoreSuite, stagedIn } from './object-store-suite.ts';

const text = (value: string) => new TextEncoder().encode(value);

interface Stores {
  readonly fileSystem: MemoryFileSystem;
  readonly remote: LocalObjectStore;
  readonly local: LocalObjectStore;
  readonly store: MirroredObjectStore;
}

/** Two directories; the remote one stands for any other store. */
async function open(fileSystem = new MemoryFileSystem()): Promise<Stores> {
  const remote = await LocalObjectStore.open(fileSystem, '/remote', 'lake');
  const local = await LocalObjectStore.open(fileSystem, '/local', 'lake');
  const store = await MirroredObjectStore.open({ remote, local, fileSystem });
  return { fileSystem, remote, local, store };
}

objectStoreSuite('mirrored', async (body) => {
  const { fileSystem, store } = await open();
  await body(stagedIn(fileSystem, store.stagingDirectory, store));
});

async function contentOf(store: LocalObjectStore): Promise<Record<string, string>> {
  const content: Record<string, string> = {};
  for (const key of await keysOf(store, '')) {
    content[key] = Buffer.from(await store.get(key)).toString();
  }
  return content;
}

test('whatever is done, both stores hold the same', async () => {
  const { fileSystem, local, remote, store } = await open();
  await store.put('ns/a', text('a'), { ifNoneMatch: true });
  await store.put('ns/a', text('not a'), { ifNoneMatch: true });
  await store.put('ns/hint', text('1'));
  await store.put('ns/hint', text('2'));
  const handle = await fileSystem.open(`${store.stagingDirectory}/file`, 'create');
  await handle.write([text('file')], 0);
  await handle.close();
  await store.putFile('ns/file', `${store.stagingDirectory}/file`);
  await store.move('ns/a', 'ns/b');
  await store.put('ns/gone', text('gone'));
  await store.delete('ns/gone');
  const expected = { 'ns/b': 'a', 'ns/file': 'file', 'ns/hint': '2' };
  assert.deepEqual(await contentOf(remote), expected);
  assert.deepEqual(await contentOf(local), expected);
  assert.deepEqual(await fileSystem.list(store.stagingDirectory), []);
});

test('opening fetches what is missing, mends what differs and removes what is gone', async () => {
  const { fileSystem, local, remote, store } = await open();
  await store.put('ns/same', text('same'));
  await store.put('ns/t/metadata/version-hint.text', text('1'));
  await remote.put('ns/t/metadata/version-hint.text', text('2'));
  await remote.put('ns/missing', text('missing'));
  await remote.put('ns/empty', text(''));
  await remote.put('ns/cut', text('whole'));
  await local.put('ns/cut', text('who'));
  await local.put('ns/stray', text('stray'));
  const again = await open(fileSystem);
  assert.deepEqual(again.store.report, {
    fetchedObjects: 4,
    fetchedBytes: 'missing'.length + 'whole'.length + 1,
    removedObjects: 1,
  });
  assert.deepEqual(await contentOf(again.local), await contentOf(remote));
  assert.deepEqual((await open(fileSystem)).store.report.fetchedObjects, 1, 'the hint, each time');
});

test('what another committer has put is read, though it is not in the copy', async () => {
  const { remote, store } = await open();
  await remote.put('ns/theirs', text('theirs'));
  assert.deepEqual(await store.get('ns/theirs'), text('theirs'));
  assert.equal(await store.put('ns/theirs', text('mine'), { ifNoneMatch: true }), 'exists');
  assert.deepEqual(await keysOf(store, 'ns/'), ['ns/theirs']);
});

test('a crash at any moment leaves a store that opening makes whole', async () => {
  const images: MemoryFileSystem[] = [];
  const quiet = new MemoryFileSystem();
  await open(quiet);
  const fileSystem: MemoryFileSystem = quiet.crash(0, {
    schedule: () => {
      for (let seed = 0; seed < 3; seed += 1) images.push(fileSystem.crash(seed));
    },
  });
  const { store } = await open(fileSystem);
  await store.put('ns/a', text('a'), { ifNoneMatch: true });
  await store.put('ns/b', text('b'), { ifNoneMatch: true });
  assert.ok(images.length > 50);
  for (const image of images) {
    const { local, remote } = await open(image);
    assert.deepEqual(await contentOf(local), await contentOf(remote));
  }
});
