/** A lake on a local disk is copied to an S3 store, key by key, and goes on there: nothing is rewritten. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { systemRandom } from '../../base/random.ts';
import { StoredTables } from '../../query/lake/stored-tables.ts';
import type { LakeTable } from '../../storage/lake/lake-table.ts';
import type { ObjectStore } from '../../storage/lake/object-store.ts';
import { S3ObjectStore } from '../../storage/lake/s3-object-store.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { S3_KEY, S3Server } from '../support/s3-server.ts';
import { keysOf } from './object-store-suite.ts';
import { addFile, locationsOf, openTable, openTableIn, steppingClock } from './table-fixture.ts';

let server: S3Server;
before(async () => {
  server = await S3Server.open('lake');
});
after(() => server.close());

function openS3(): Promise<S3ObjectStore> {
  return S3ObjectStore.open({
    endpoint: server.endpoint,
    bucket: 'lake',
    region: 'us-east-1',
    credentials: S3_KEY,
    isPathStyle: true,
    clock: systemClock,
    random: systemRandom,
    fileSystem: new MemoryFileSystem(),
    stagingDirectory: '/staging',
    retryDelayMs: 1,
  });
}

async function append(store: ObjectStore, table: LakeTable, rows: number) {
  const file = await addFile({ store, table }, rows);
  const commitId = `commit of ${rows}`;
  return table.commit({ commitId, operation: 'append', add: [file], remove: [] });
}

test('a table goes on where it was, on the other store', async () => {
  const clock = steppingClock();
  const local = await openTable(new MemoryFileSystem(), { clock });
  const localTable = await openTableIn(local.store, { clock });
  await append(local.store, localTable, 10);
  await append(local.store, localTable, 20);
  const s3 = await openS3();
  for (const key of await keysOf(local.store, '')) await s3.put(key, await local.store.get(key));

  const table = await openTableIn(s3, { clock, seed: 2 });
  assert.deepEqual(table.metadata, localTable.metadata);
  assert.deepEqual(await locationsOf(table), await locationsOf(localTable));
  await append(s3, table, 30);
  assert.equal(table.currentSnapshot?.totalRecords, 60);
  const shown = await new StoredTables(s3, 'acme').load('events');
  assert.deepEqual(shown?.metadata, table.metadata);
});

test('no commit is lost or made twice though every first answer is', async () => {
  server.objects.clear();
  const s3 = await openS3();
  const seen = new Map<string, number>();
  server.fault = (method, key) => {
    const count = (seen.get(`${method} ${key}`) ?? 0) + 1;
    seen.set(`${method} ${key}`, count);
    return count % 2 === 1 ? 'lose' : undefined;
  };
  const table = await openTableIn(s3);
  for (const rows of [1, 2, 3, 4, 5]) await append(s3, table, rows);
  const reopened = await openTableIn(s3, { seed: 3 });
  assert.equal(reopened.snapshots.length, 5);
  assert.equal(reopened.currentSnapshot?.totalRecords, 15);
});

test('of two committers each commit of both is kept', async () => {
  server.objects.clear();
  server.fault = () => undefined;
  const s3 = await openS3();
  const tables = [await openTableIn(s3, { seed: 4 }), await openTableIn(s3, { seed: 5 })];
  for (let round = 0; round < 4; round += 1) {
    await Promise.all(tables.map((table, index) => append(s3, table, 10 * round + index + 1)));
  }
  const reopened = await openTableIn(s3, { seed: 6 });
  assert.equal(reopened.snapshots.length, 8);
  assert.equal(reopened.currentSnapshot?.totalRecords, 2 * 60 + 4 + 8);
});
