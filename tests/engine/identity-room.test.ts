/** Room in identity: asked for ahead, and no further than there is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TributaryError } from '../../base/errors.ts';
import { MIB } from '../../base/units.ts';
import { TENANT_CAPACITIES } from '../../engine/capacities.ts';
import { IdentityRoom } from '../../engine/identity-room.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { TestEngine } from '../support/engine-fixture.ts';

/** Has room for batches of up to `bytesMax` in all, and counts how often it is asked. */
class Store {
  asked: number[] = [];
  readonly #bytesMax: number;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  prepare(events: number, bytes: number): void {
    assert.equal(events, Math.ceil(bytes / 24));
    this.asked.push(bytes);
    if (bytes <= this.#bytesMax) return;
    throw new TributaryError('TRIBUTARY_IDENTITY_NODES_FULL', { count: 0, reason: 'full' });
  }
}

test('a store is asked once for all batches of a mebibyte', () => {
  const store = new Store(1e9);
  const room = new IdentityRoom(store, 1e9);
  for (let batch = 0; batch < 16; batch += 1) room.take(MIB / 8, MIB / 8);
  assert.deepEqual(store.asked, [MIB / 8 + MIB, MIB / 8 + MIB]);
});

test('a small store is asked to keep little of itself free', () => {
  const store = new Store(1e9);
  const room = new IdentityRoom(store, 1000);
  room.take(600, 900);
  assert.deepEqual(store.asked, [1900]);
});

test('a store with room for a batch but none ahead takes it, and refuses the one beyond', () => {
  const store = new Store(1000);
  const room = new IdentityRoom(store, 1e9);
  room.take(1000, 1000);
  assert.deepEqual(store.asked, [1000 + MIB, 1000]);
  assert.throws(() => room.take(1, 1001), { code: 'TRIBUTARY_IDENTITY_NODES_FULL' });
});

test('every command asks, and what was prepared for batches is asked for again', () => {
  const store = new Store(1e9);
  const room = new IdentityRoom(store, 1e9);
  room.take(10, 10);
  room.takeCommand(20, 20);
  room.takeCommand(20, 20);
  room.take(10, 10);
  assert.deepEqual(store.asked, [10 + MIB, 20 + MIB, 20 + MIB]);
});

test('a store that is full starts again over its log', async (context) => {
  const fileSystem = new MemoryFileSystem();
  const capacities = { ...TENANT_CAPACITIES, segmentRows: 1024, identityNodes: 3000 };
  const first = await TestEngine.open(context, fileSystem, { capacities });
  let sent = 0;
  const fill = async (): Promise<void> => {
    for (;;) {
      const batch = Array.from({ length: 1 + (sent % 7) }, (_, index) => ({
        type: 'page',
        userId: `u${sent}-${index}`,
      }));
      await first.send(batch);
      sent += batch.length;
    }
  };
  // Nodes or the arrays of edges: whichever is full first.
  await assert.rejects(fill(), { status: 503 });
  assert.ok(sent > 1000, `refused after ${sent} people`);
  await first.engine.close();
  const second = await TestEngine.open(context, fileSystem, { capacities });
  assert.equal(second.tenant.recovery.events, sent);
});
