/** Reading all that a table refers to, beside the process that commits to it and tidies it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { TributaryError } from '../../base/errors.ts';
import { LocalObjectStore } from '../../storage/lake/local-object-store.ts';
import { keyOf, tableKey } from '../../storage/lake/location.ts';
import { readClosure, tableKeysOf } from '../../storage/lake/table-closure.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { addFile, type OpenedTable, openTable, ROOT, steppingClock } from './table-fixture.ts';

const KEY = tableKey('acme', 'events');

/** Appends a file and replaces it, so that the first one is live only in an old snapshot. */
async function replaceOnce(opened: OpenedTable, clock: { micros: number }): Promise<string> {
  const first = await addFile(opened, 1);
  await opened.table.commit({ commitId: 'a', operation: 'append', add: [first], remove: [] });
  clock.micros += 1_000_000;
  await opened.table.commit({
    commitId: 'b',
    operation: 'replace',
    add: [await addFile(opened, 2)],
    remove: [first.location],
    sequence: 7,
  });
  clock.micros += 1_000_000;
  return keyOf('lake', first.location);
}

describe('the closure of a table', () => {
  it('has what is live in any retained snapshot, and all metadata of them', async () => {
    const fileSystem = new MemoryFileSystem();
    const clock = steppingClock();
    const opened = await openTable(fileSystem, { clock });
    const replaced = await replaceOnce(opened, clock);
    const store = LocalObjectStore.besideWriter(fileSystem, ROOT, 'lake');
    assert.deepEqual(await tableKeysOf(store, 'acme'), [KEY]);
    assert.deepEqual(await tableKeysOf(store, 'nobody'), []);
    const closure = (await readClosure(store, KEY))!;
    assert.ok(closure.dataFiles.has(replaced));
    assert.equal(closure.dataFiles.size, 2);
    assert.equal(closure.sequence, 7);
    for (const key of closure.metadataKeys) assert.ok(await store.head(key), key);
    assert.equal(await readClosure(store, tableKey('acme', 'nothing')), undefined);
  });

  it('is read again when its snapshots expire meanwhile', async () => {
    let onList: (() => Promise<void>) | undefined;
    const fileSystem = new MemoryFileSystem({
      async schedule(operation, path) {
        if (operation !== 'open' || !path.includes('/snap-')) return;
        const act = onList;
        onList = undefined;
        await act?.();
      },
    });
    const clock = steppingClock();
    const opened = await openTable(fileSystem, { clock });
    const replaced = await replaceOnce(opened, clock);
    const store = LocalObjectStore.besideWriter(fileSystem, ROOT, 'lake');
    onList = async () => {
      const report = await opened.table.expireSnapshots({
        olderThanMicros: clock.micros,
        keepLast: 1,
      });
      assert.equal(report.expiredSnapshots, 1);
    };
    const closure = (await readClosure(store, KEY))!;
    assert.equal(onList, undefined, 'the snapshots expired while they were read');
    assert.ok(!closure.dataFiles.has(replaced));
    assert.equal(closure.dataFiles.size, 1);
  });

  it('of a version whose metadata is gone is an error that names it', async () => {
    const fileSystem = new MemoryFileSystem();
    const clock = steppingClock();
    const opened = await openTable(fileSystem, { clock });
    await replaceOnce(opened, clock);
    const store = LocalObjectStore.besideWriter(fileSystem, ROOT, 'lake');
    const { metadataKeys } = (await readClosure(store, KEY))!;
    const gone = metadataKeys.find((key) => key.includes('/snap-'))!;
    await store.delete(gone);
    await assert.rejects(
      readClosure(store, KEY),
      (error) => error instanceof TributaryError && error.message.includes(gone),
    );
  });
});
