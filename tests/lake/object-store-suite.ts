/** The contract of the object-store port: every implementation is held to it by this suite. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TributaryError } from '../../base/errors.ts';
import type { FileSystem } from '../../storage/file-system.ts';
import type { ObjectStore } from '../../storage/lake/object-store.ts';

export interface StoreUnderTest {
  readonly store: ObjectStore;
  /** Writes a file into the staging directory, as the writer of a data file does. */
  stage(name: string, bytes: Uint8Array): Promise<string>;
  /** Whether a staged file is still there. */
  isStaged(path: string): Promise<boolean>;
}

/** A store whose staging directory lies in `fileSystem`. */
export function stagedIn(
  fileSystem: FileSystem,
  stagingDirectory: string,
  store: ObjectStore,
): StoreUnderTest {
  return {
    store,
    async stage(name, bytes) {
      const path = `${stagingDirectory}/${name}`;
      const handle = await fileSystem.open(path, 'create');
      await handle.write([bytes], 0);
      await handle.close();
      return path;
    },
    isStaged: (path) => fileSystem.exists(path),
  };
}

const text = (value: string) => new TextEncoder().encode(value);

export async function keysOf(
  store: ObjectStore,
  prefix: string,
  startAfter?: string,
): Promise<string[]> {
  const keys: string[] = [];
  const options = startAfter === undefined ? {} : { startAfter };
  for await (const { key } of store.list(prefix, options)) keys.push(key);
  return keys;
}

function isMissing(error: unknown): boolean {
  return error instanceof TributaryError && error.code === 'TRIBUTARY_LAKE_OBJECT_MISSING';
}

export function objectStoreSuite(
  name: string,
  run: (body: (under: StoreUnderTest) => Promise<void>) => Promise<void>,
): void {
  describe(`object store: ${name}`, () => {
    it('what was put is got back, whole and in ranges', () =>
      run(async ({ store }) => {
        assert.equal(await store.put('ns/t/a.bin', text('0123456789')), 'stored');
        assert.deepEqual(await store.get('ns/t/a.bin'), text('0123456789'));
        assert.deepEqual(await store.get('ns/t/a.bin', { start: 2, end: 5 }), text('234'));
        assert.deepEqual(await store.get('ns/t/a.bin', { start: 8, end: 99 }), text('89'));
        const info = await store.head('ns/t/a.bin');
        assert.equal(info?.bytes, 10);
        assert.ok(Number.isSafeInteger(info.modifiedMicros));
      }));

    it('an empty object is an object', () =>
      run(async ({ store }) => {
        await store.put('ns/empty', new Uint8Array(0));
        assert.deepEqual(await store.get('ns/empty'), new Uint8Array(0));
        assert.equal((await store.head('ns/empty'))?.bytes, 0);
      }));

    it('a put replaces, a conditional one does not', () =>
      run(async ({ store }) => {
        assert.equal(await store.put('ns/a', text('one'), { ifNoneMatch: true }), 'stored');
        assert.equal(await store.put('ns/a', text('two'), { ifNoneMatch: true }), 'exists');
        assert.deepEqual(await store.get('ns/a'), text('one'));
        assert.equal(await store.put('ns/a', text('three')), 'stored');
        assert.deepEqual(await store.get('ns/a'), text('three'));
        assert.deepEqual(await keysOf(store, 'ns/'), ['ns/a']);
      }));

    it('of many conditional puts of one key exactly one is stored', () =>
      run(async ({ store }) => {
        const results = await Promise.all(
          Array.from({ length: 10 }, (_, index) =>
            store.put('ns/race', text(`writer ${index}`), { ifNoneMatch: true }),
          ),
        );
        assert.equal(results.filter((result) => result === 'stored').length, 1);
        const winner = results.indexOf('stored');
        assert.deepEqual(await store.get('ns/race'), text(`writer ${winner}`));
      }));

    it('a file is taken from the staging directory, unless its key is taken', () =>
      run(async ({ store, stage, isStaged }) => {
        const first = await stage('first', text('first'));
        assert.equal(await store.putFile('ns/file', first), 'stored');
        assert.equal(await isStaged(first), false);
        const second = await stage('second', text('second'));
        assert.equal(await store.putFile('ns/file', second), 'exists');
        assert.equal(await isStaged(second), true);
        assert.deepEqual(await store.get('ns/file'), text('first'));
      }));

    it('keys are listed in order below a prefix, and behind a key', () =>
      run(async ({ store }) => {
        const keys = ['ns/a-b/x', 'ns/a/x', 'ns/a/y/z', 'ns/a.txt', 'ns/b', 'other/a'].sort();
        for (const key of keys) await store.put(key, text(key));
        const inNamespace = keys.filter((key) => key.startsWith('ns/'));
        assert.deepEqual(await keysOf(store, ''), keys);
        assert.deepEqual(await keysOf(store, 'ns/'), inNamespace);
        assert.deepEqual(await keysOf(store, 'ns/a/'), ['ns/a/x', 'ns/a/y/z']);
        assert.deepEqual(
          await keysOf(store, 'ns/a'),
          inNamespace.filter((key) => key.startsWith('ns/a')),
        );
        assert.deepEqual(await keysOf(store, 'nothing/'), []);
        for (const [index, key] of inNamespace.entries()) {
          assert.deepEqual(await keysOf(store, 'ns/', key), inNamespace.slice(index + 1));
        }
      }));

    it('an object moves to another key and is deleted, once and again', () =>
      run(async ({ store }) => {
        await store.put('ns/a', text('content'));
        await store.move('ns/a', '.trash/2026-11-20/ns/a');
        assert.equal(await store.head('ns/a'), undefined);
        assert.deepEqual(await store.get('.trash/2026-11-20/ns/a'), text('content'));
        await store.delete('.trash/2026-11-20/ns/a');
        await store.delete('.trash/2026-11-20/ns/a');
        assert.deepEqual(await keysOf(store, ''), []);
      }));

    it('what is not there is missing, and a prefix is no object', () =>
      run(async ({ store }) => {
        await store.put('ns/t/a', text('a'));
        for (const key of ['ns/b', 'ns/t', 'ns/t/b']) {
          assert.equal(await store.head(key), undefined);
          await assert.rejects(store.get(key), isMissing);
          await assert.rejects(store.move(key, 'ns/elsewhere'), isMissing);
        }
      }));

    it('a key that is no plain path is refused', () =>
      run(async ({ store }) => {
        for (const key of ['', '/a', 'a/', 'a//b', 'a/../b', './a', 'a\\b', 'a b', 'ä', 'a\0']) {
          await assert.rejects(
            store.put(key, text('x')),
            (error) =>
              error instanceof TributaryError && error.code === 'TRIBUTARY_LAKE_LOCATION_FOREIGN',
          );
        }
      }));
  });
}
