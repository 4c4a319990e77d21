/** Room in identity: asked for ahead, and no further than there is. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TributaryError } from '../../base/errors.ts';
import { TENANT_CAPACITIES } from '../../engine/capacities.ts';
import { IdentityRoom } from '../../engine/identity-room.ts';
import type { StagedRows } from '../../engine/staged-rows.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { TestEngine } from '../support/engine-fixture.ts';
import { openStaging } from '../support/staging-fixture.ts';

/** Has room for `identifiersMax` at once, and notes what it is asked for and what it grants. */
class Store {
  readonly asked: number[] = [];
  granted = 0;
  readonly #identifiersMax: number;

  constructor(identifiersMax: number) {
    this.#identifiersMax = identifiersMax;
  }

  makeRoom(nodes: number, identifiers: number): void {
    this.asked.push(nodes + identifiers);
    if (identifiers <= this.#identifiersMax) return;
    const failed = { path: 'node_anchors', neededBytes: identifiers, reason: 'full' };
    throw new TributaryError('TRIBUTARY_STORAGE_REGION_FULL', failed);
  }

  grant(identifiers: number): void {
    this.granted += identifiers;
  }
}

const AHEAD = 64 * 1024;

test('a first batch asks, and those that follow find what was made in advance', () => {
  const store = new Store(1e9);
  const room = new IdentityRoom(store, 1e9);
  room.claim(1900);
  assert.deepEqual([store.asked, store.granted], [[AHEAD], AHEAD]);
  for (let batch = 1; batch <= 163; batch += 1) {
    room.claim(1900);
    room.stage(200, 200 * batch);
    room.fold(200);
  }
  assert.deepEqual(store.asked, [AHEAD]);
  room.stage(200, 32_800);
  // Of what was staged nothing is folded yet but 163 batches.
  assert.deepEqual([store.asked.at(-1), store.granted], [32_800 + 200 + AHEAD, AHEAD + 32_800]);
});

test('room follows what was found and is not folded, not what was claimed', () => {
  const store = new Store(1e9);
  const room = new IdentityRoom(store, 1e9);
  for (let batch = 1; batch <= 1000; batch += 1) {
    room.claim(190_000);
    room.stage(100, 100 * batch);
  }
  assert.equal(Math.max(...store.asked), 2 * 190_000);
});

test('a small store is asked to keep little of itself free', () => {
  const store = new Store(1e9);
  const room = new IdentityRoom(store, 1600);
  room.claim(19);
  room.claim(500);
  assert.deepEqual([store.asked, store.granted], [[100, 500], 500]);
});

test('a store with room for a batch but none ahead takes it, and refuses the one beyond', () => {
  const store = new Store(1900);
  const room = new IdentityRoom(store, 1e9);
  room.claim(1900);
  room.stage(1900, 1900);
  assert.equal(store.granted, 1900);
  assert.throws(() => room.claim(1), { code: 'TRIBUTARY_STORAGE_REGION_FULL' });
  room.fold(1900);
  room.claim(1);
  assert.deepEqual([store.asked.at(-1), store.granted], [1901, 1901]);
});

test('a command has room beside what is free and staged, and keeps it', () => {
  const store = new Store(AHEAD + 1000);
  const room = new IdentityRoom(store, 1e9);
  room.claim(10);
  room.claimCommand(800);
  assert.equal(store.asked.at(-1), AHEAD + 100);
  room.claimCommand(80);
  assert.equal(store.asked.at(-1), AHEAD + 100);
  assert.throws(() => room.claimCommand(8008), { code: 'TRIBUTARY_STORAGE_REGION_FULL' });
  room.withdraw();
  assert.equal(store.granted, 0);
  room.claimCommand(8000);
  assert.equal(store.asked.at(-1), 1000);
});

for (const threads of [1, 2] as const) {
  test(`a batch that finds no room leaves nothing behind, and others are staged (${threads} threads)`, async (context) => {
    const { stager, room, told, submit, hot } = openStaging(context, { threads, nodesMax: 8000 });
    const people = (name: string, count: number): string =>
      JSON.stringify({
        batch: Array.from({ length: count }, (_, index) => ({
          type: 'page',
          userId: `${name}-${index}`,
        })),
      });
    submit(people('a', 100));
    // 9,500 identifiers could be in it.
    submit(people('b', 500));
    submit(people('c', 100));
    await stager.drained();
    const [first, refused, last] = told;
    assert.match(String(refused), /TRIBUTARY_(IDENTITY_NODES|STORAGE_REGION)_FULL/);
    assert.deepEqual([(first as StagedRows).sequence, (last as StagedRows).sequence], [1, 101]);
    assert.equal((last as StagedRows).identifiers, 100);
    assert.equal(room.nodes, 200);
    assert.equal(hot.events.stagedRows, 200);
  });
}

test('a context that every event of a batch inherits is room for each of them', async (context) => {
  const { stager, told, submit } = openStaging(context);
  const externalIds = Array.from({ length: 3 }, (_, index) => ({ type: `kind${index}`, id: 'x' }));
  const events = Array.from({ length: 1000 }, (_, index) => ({
    type: 'page',
    userId: `u${index}`,
  }));
  submit(JSON.stringify({ context: { device: { id: 'd' }, externalIds }, batch: events }));
  await stager.drained();
  const rows = told[0] as StagedRows;
  assert.ok(rows.identifiers >= 2000, `${rows.identifiers} identifiers`);
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
