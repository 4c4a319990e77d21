import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TributaryError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { ImportRegistry, type ImportStore } from '../../ingest/import-registry.ts';

class MemoryStore implements ImportStore {
  text: string | undefined;
  failure: Error | undefined;

  async read(): Promise<string | undefined> {
    return this.text;
  }

  async replace(text: string): Promise<void> {
    if (this.failure !== undefined) throw this.failure;
    this.text = text;
  }
}

const reopen = (store: ImportStore): Promise<ImportRegistry> =>
  ImportRegistry.open(store, silentLogger);

test('an import that was over is known after a restart, and one that ran was interrupted', async () => {
  const store = new MemoryStore();
  const registry = await reopen(store);
  const done = registry.start('t', 'done', 0);
  const cut = registry.start('t', 'cut', 10);
  Object.assign(done, { state: 'complete', nextRow: 7, bytes: 70, accepted: 6, rejected: 1 });
  Object.assign(cut, { nextRow: 12, accepted: 2 });
  await registry.save();

  const after = await reopen(store);
  assert.deepEqual(after.progressOf('t', 'done'), { ...done });
  assert.deepEqual(after.progressOf('t', 'cut'), { ...cut, state: 'interrupted' });
  assert.throws(() => after.progressOf('other', 'done'), TributaryError);
  assert.equal(after.start('t', 'cut', 12).state, 'running');
});

test('records that cannot be read are forgotten, and ones that cannot be written are tried again', async () => {
  const store = new MemoryStore();
  for (const damaged of ['{', '7', '{"t/x":{"importId":"x"}}']) {
    store.text = damaged;
    const registry = await reopen(store);
    assert.throws(() => registry.progressOf('t', 'x'), TributaryError, damaged);
  }
  const registry = await reopen(store);
  store.failure = new Error('no space');
  const progress = registry.start('t', 'x', 0);
  await registry.save();
  store.failure = undefined;
  progress.nextRow = 3;
  await registry.save();
  assert.equal((await reopen(store)).progressOf('t', 'x').nextRow, 3);
});

test('a thousand imports that are over are remembered, the oldest goes first', async () => {
  const registry = await reopen(new MemoryStore());
  for (let index = 0; index <= 1001; index += 1) {
    registry.start('t', `i${index}`, 0).state = 'complete';
  }
  assert.throws(() => registry.progressOf('t', 'i0'), TributaryError);
  assert.equal(registry.progressOf('t', 'i1001').state, 'complete');
});
