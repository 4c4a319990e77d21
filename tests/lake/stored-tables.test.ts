import assert from 'node:assert/strict';
import { test } from 'node:test';
import { StoredTables } from '../../query/lake/stored-tables.ts';
import { LocalObjectStore } from '../../storage/lake/local-object-store.ts';
import { tableKey } from '../../storage/lake/location.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';

async function openStore(): Promise<LocalObjectStore> {
  return LocalObjectStore.open(new MemoryFileSystem(), '/lake', 'test-lake');
}

async function putVersion(
  store: LocalObjectStore,
  namespace: string,
  table: string,
  version: number,
): Promise<void> {
  const folder = tableKey(namespace, table);
  await store.put(`${folder}/metadata/v${version}.metadata.json`, Buffer.from(`{"v":${version}}`));
  await store.put(`${folder}/metadata/version-hint.text`, Buffer.from(String(version)));
  await store.put(`${folder}/data/day=2026-11-22/${version}.parquet`, Buffer.from('data'));
}

test('the tables of a namespace are found, and nothing else', async () => {
  const store = await openStore();
  for (const table of ['events', 'events_old', 'edges', 'events-old']) {
    await putVersion(store, 'tenant_a', table, 1);
  }
  await putVersion(store, 'tenant_ab', 'other', 1);
  await store.put('tenant_a/.trash/2026-11-20/gone-0123abcd/data/x', Buffer.from('x'));
  await store.put('tenant_a/begun-0123abcd/data/x', Buffer.from('x'));
  await store.put('tenant_a/loose', Buffer.from('x'));
  const tables = new StoredTables(store, 'tenant_a');
  assert.deepEqual(await tables.list(), ['edges', 'events', 'events-old', 'events_old']);
  assert.deepEqual(await new StoredTables(store, 'tenant_b').list(), []);
});

test('the highest version is the table, by number and not by letters', async () => {
  const store = await openStore();
  const tables = new StoredTables(store, 'tenant_a');
  assert.equal(await tables.load('events'), undefined);
  for (const version of [1, 2, 9, 10, 11]) {
    await putVersion(store, 'tenant_a', 'events', version);
    const table = await tables.load('events');
    const location = `s3://test-lake/${tableKey('tenant_a', 'events')}`;
    assert.equal(table?.location, location);
    assert.deepEqual(table?.metadata, {
      location: `${location}/metadata/v${version}.metadata.json`,
      json: `{"v":${version}}`,
    });
    assert.equal(await tables.load('events'), table, 'read once');
  }
});

test('a name that is none is no table', async () => {
  const tables = new StoredTables(await openStore(), 'tenant_a');
  for (const name of ['', '..', '../tenant_b/events', 'a/b', 'ä', 'x'.repeat(100)]) {
    assert.equal(await tables.load(name), undefined, name);
  }
});
