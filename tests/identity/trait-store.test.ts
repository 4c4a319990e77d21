/** What is kept of traits, by itself: the newest values, what a checkpoint has of them, and when there is no room. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type SaidValue, TraitStore } from '../../identity/trait-store.ts';
import type { StatePart, StateSource } from '../../storage/state-part.ts';
import { temporaryHotDirectory } from '../support/hot-fixture.ts';

const ANCHORS = 3;

function openStore(context: TestContext, keys: readonly string[]): TraitStore {
  const store = new TraitStore(temporaryHotDirectory(context), ANCHORS);
  context.after(() => store.close());
  store.keep(keys, true);
  return store;
}

const said = (anchor: number, key: string, micros: number, value: string): SaidValue => {
  return { anchor, key, micros, sequence: 1 + micros, value: JSON.stringify(value) };
};

function textOf({ bytes, read }: StatePart): string {
  const state = Buffer.alloc(bytes);
  read(0, state);
  return state.toString('latin1');
}

/** A checkpoint that hands its parts over in pieces of so many bytes. */
function sourceOf(part: StatePart, pieceBytes: number): StateSource {
  return {
    has: (name) => name === part.name,
    bytesOf: () => part.bytes,
    copy(_, write) {
      const whole = Buffer.from(textOf(part), 'latin1');
      for (let at = 0; at < whole.length; at += pieceBytes) {
        write(at, whole.subarray(at, at + pieceBytes));
      }
      return Promise.resolve();
    },
  };
}

test('what is kept does not depend on the order in which it was said', (context) => {
  const values = [
    said(1, 'plan', 1, 'free'),
    said(1, 'plan', 2, 'a much longer plan'),
    said(2, 'city', 1, 'Bern'),
  ];
  const [there, back] = [
    openStore(context, ['plan', 'city']),
    openStore(context, ['plan', 'city']),
  ];
  for (const value of values) there.put(value);
  for (const value of [...values, ...values].reverse()) back.put(value);
  assert.equal(textOf(back.state()), textOf(there.state()));
  assert.doesNotMatch(textOf(there.state()), /free/);
});

test('a state is restored from pieces of any length, and a state of a version without traits keeps nothing', async (context) => {
  const store = openStore(context, ['plan', 'city']);
  for (const anchor of [1, 2, ANCHORS])
    store.put(said(anchor, 'plan', anchor, 'p'.repeat(anchor * 20)));
  store.put(said(2, 'city', 1, 'Rome'));
  for (const pieceBytes of [1, 7, 1000]) {
    const restored = openStore(context, []);
    await restored.restore(sourceOf(store.state(), pieceBytes));
    assert.equal(textOf(restored.state()), textOf(store.state()));
    assert.equal(restored.slotOf('city'), store.slotOf('city'));
  }
  const older = openStore(context, []);
  await older.restore({ ...sourceOf(store.state(), 1), has: () => false });
  older.keep(['plan'], false);
  assert.equal(older.slotOf('plan'), 0);
  older.complete('plan');
  assert.ok(older.slotOf('plan') > 0);
});

test('a key that is no longer kept leaves nothing, and begins anew under another slot', (context) => {
  const store = openStore(context, ['plan', 'city']);
  store.put(said(1, 'plan', 1, 'a plan of some length'));
  store.put(said(1, 'city', 1, 'Bern'));
  const slot = store.slotOf('plan');
  store.keep(['city'], false);
  assert.doesNotMatch(textOf(store.state()), /plan/);
  store.put(said(1, 'plan', 2, 'unheard'));
  store.keep(['city', 'plan'], false);
  store.complete('plan');
  assert.notEqual(store.slotOf('plan'), slot);
  assert.doesNotMatch(textOf(store.state()), /unheard/);
  // Slots come round again: there are 255.
  for (let turn = 0; turn < 300; turn += 1) store.keep(['city', `key-${turn}`], true);
  assert.ok(store.slotOf('key-299') > 0 && store.slotOf('key-299') !== store.slotOf('city'));
  assert.match(textOf(store.state()), /Bern/);
});

test('an anchor at the limit has room; one beyond it ends the keeping, and traits are read from events', async (context) => {
  const store = openStore(context, ['plan']);
  store.put(said(ANCHORS, 'plan', 1, 'pro'));
  assert.equal(store.failure, '');
  store.put(said(ANCHORS + 1, 'plan', 1, 'pro'));
  assert.match(store.failure, /limit/);
  assert.equal(store.slotOf('plan'), 0);
  const restored = openStore(context, []);
  await restored.restore(sourceOf(store.state(), 100));
  restored.keep(['plan'], false);
  assert.deepEqual([restored.failure, restored.slotOf('plan')], ['', 0]);
});
