/** The duplicate window against a model of plain maps: as it grows and turns, and through a checkpoint. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { HOUR_MICROS } from '../../base/units.ts';
import type { StagedRows } from '../../engine/staged-rows.ts';
import { partOfBytes, type StatePart, type StateSource } from '../../storage/state-part.ts';
import { ReferenceMessageWindow } from '../support/reference-message-window.ts';
import { openStaging, RECEIVED_AT, type Staging } from '../support/staging-fixture.ts';

const SEED = 11;
const WINDOW_HOURS = 24;
const BATCHES = 120;
const BATCH_EVENTS = 1000;
/** A generation gets sixteen groups and more, so that groups are split in several rounds. */
const BATCHES_PER_HOUR = 6;

/** Of a checkpoint's writer and reader; smaller than a group, larger, and no multiple of anything. */
const [WRITTEN_BYTES, READ_BYTES] = [7919, 100_003];

/** Reads a state as a checkpoint's writer and its reader do, in pieces. */
function sourceOf(parts: readonly StatePart[]): StateSource {
  const bytesByName = new Map(
    parts.map((part) => {
      const bytes = new Uint8Array(part.bytes);
      for (let at = 0; at < bytes.length; at += WRITTEN_BYTES) {
        part.read(at, bytes.subarray(at, at + WRITTEN_BYTES));
      }
      return [part.name, bytes];
    }),
  );
  return {
    has: (name) => bytesByName.has(name),
    bytesOf: (name) => bytesByName.get(name)!.length,
    async copy(name, write) {
      const bytes = bytesByName.get(name)!;
      for (let at = 0; at < bytes.length; at += READ_BYTES) {
        write(at, bytes.subarray(at, at + READ_BYTES));
      }
    },
  };
}

const contentOf = (parts: readonly StatePart[]): Promise<string[]> => {
  const source = sourceOf(parts);
  return Promise.all(
    parts.map(async ({ name }) => {
      const pieces: Buffer[] = [];
      await source.copy(name, (_, piece) => pieces.push(Buffer.from(piece)));
      return `${name}: ${Buffer.concat(pieces).toString('base64')}`;
    }),
  );
};

interface Sent {
  readonly messageId: string;
  readonly content: string;
}

/** Mostly new ids; one event in ten repeats an earlier one, and some of those with another content. */
function drawBatch(random: () => number, batch: number): Sent[] {
  return Array.from({ length: BATCH_EVENTS }, (_, index) => {
    const number = batch * BATCH_EVENTS + index;
    const isRepeated = random() < 0.1;
    const id = isRepeated ? Math.floor(random() * (number + 1)) : number;
    return { messageId: `m${id}`, content: random() < 0.02 ? 'other' : 'same' };
  });
}

/** @returns what is told of each batch: duplicates, and positions of those that differ. */
async function stage(
  staging: Staging,
  batches: readonly Sent[][],
  first: number,
): Promise<unknown[]> {
  const told = staging.told.length;
  for (const [index, batch] of batches.entries()) {
    const hours = Math.floor((first + index) / BATCHES_PER_HOUR);
    const events = batch.map(({ messageId, content }) => ({
      type: 'track',
      event: content,
      userId: 'u',
      messageId,
    }));
    const payload = JSON.stringify({ batch: events });
    while (!staging.submit(payload, RECEIVED_AT + hours * HOUR_MICROS)) {
      await staging.stager.progress();
    }
  }
  await staging.stager.drained();
  return (staging.told.slice(told) as StagedRows[]).map(({ duplicates, warnings }) => ({
    duplicates,
    differing: warnings.map(({ index }) => index),
  }));
}

function expected(window: ReferenceMessageWindow, batches: readonly Sent[][]): unknown[] {
  return batches.map((batch, number) => {
    window.moveTo(RECEIVED_AT + Math.floor(number / BATCHES_PER_HOUR) * HOUR_MICROS);
    const fates = batch.map(({ messageId, content }) => window.add(messageId, content));
    return {
      duplicates: fates.filter((fate) => fate !== 'new').length,
      differing: [...fates.keys()].filter((index) => fates[index] === 'differs'),
    };
  });
}

const random = seededRandom(SEED);
const batches = Array.from({ length: BATCHES }, (_, batch) => drawBatch(random, batch));
const outcomes = expected(new ReferenceMessageWindow(WINDOW_HOURS * HOUR_MICROS), batches);

test(`duplicates are those of a model, while tables grow and turn (seed ${SEED})`, async (context) => {
  const staging = openStaging(context);
  assert.deepEqual(await stage(staging, batches, 0), outcomes);
  assert.ok(staging.stager.windowBytes > 20 * 4096 * 12, 'groups were split in some rounds');
});

test(`a window that is restored goes on as the one it was taken from (seed ${SEED})`, async (context) => {
  const whole = openStaging(context);
  const cut = 70;
  await stage(whole, batches.slice(0, cut), 0);
  const restored = openStaging(context);
  await restored.stager.restore(sourceOf(whole.stager.state()));
  assert.deepEqual(await contentOf(restored.stager.state()), await contentOf(whole.stager.state()));
  assert.deepEqual(await stage(restored, batches.slice(cut), cut), outcomes.slice(cut));
  await stage(whole, batches.slice(cut), cut);
  assert.deepEqual(
    await contentOf(restored.stager.state()),
    await contentOf(whole.stager.state()),
    'byte for byte',
  );
});

test('a head of tables that no window can have is refused', async (context) => {
  const { stager } = openStaging(context);
  const head = stager.state()[0]!;
  const bytes = new Uint8Array(head.bytes);
  head.read(0, bytes);
  const words = new BigUint64Array(bytes.buffer);
  const [current, groups, counts] = [2, 3, 7];
  const refused = async (position: number, value: bigint): Promise<void> => {
    const changed = words.slice();
    changed[position] = value;
    const part: StatePart = {
      ...head,
      read: (_, target) => target.set(new Uint8Array(changed.buffer)),
    };
    await assert.rejects(stager.restore(sourceOf([part])), /fit its head/);
  };
  await refused(current, 4n);
  await refused(groups, 1n << 40n);
  await refused(counts, 1n);
});

test('tables that no window can have are refused', async (context) => {
  const whole = openStaging(context);
  await stage(whole, batches.slice(0, 4), 0);
  const parts = whole.stager.state();
  const table = parts.findIndex(({ bytes }, part) => part > 0 && bytes > 0);
  const refused = async (change: (bytes: Uint8Array) => Uint8Array): Promise<void> => {
    const bytes = new Uint8Array(parts[table]!.bytes);
    parts[table]!.read(0, bytes);
    const changed = parts.with(table, partOfBytes(parts[table]!.name, change(bytes)));
    await assert.rejects(openStaging(context).stager.restore(sourceOf(changed)), /fit its head/);
  };
  await refused((bytes) => bytes.subarray(1));
  await refused((bytes) => Uint8Array.of(...bytes, 0));
  await refused((bytes) => bytes.fill(0xff, 0, 512)); // a group without a free slot
  await refused((bytes) => bytes.fill(0)); // more groups than the head has
});
