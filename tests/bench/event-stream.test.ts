import assert from 'node:assert/strict';
import { test } from 'node:test';
import { streamBatches } from '../../bench/event-stream.ts';

/** More than two passes over the prepared events, and a batch that is not whole. */
const EVENTS = 220_050;

interface SentEvent {
  readonly messageId: string;
  readonly anonymousId: string;
  readonly userId?: string;
  readonly previousId?: string;
  readonly timestamp: string;
  readonly traits?: { readonly email?: string };
}

interface SentBatch {
  readonly batch: readonly SentEvent[];
  readonly sentAt: string;
}

const sent = Array.from(
  streamBatches({ seed: 7, events: EVENTS, batchEvents: 100 }),
  ({ events, payload }) => {
    const batch = JSON.parse(payload.toString('utf8')) as SentBatch;
    assert.equal(batch.batch.length, events);
    return batch;
  },
);
const events = sent.flatMap(({ batch }) => batch);

const worldOfDevice = (id: string): number => Number.parseInt(id.slice(24, 30), 16);

test('as many events are sent as were asked for, numbered in their message ids', () => {
  assert.equal(events.length, EVENTS);
  for (const [number, { messageId }] of events.entries()) {
    assert.equal(Number.parseInt(messageId.slice(0, 8), 16), number);
  }
});

test('all identifiers of an event are of the world of its batch', () => {
  for (const { batch } of sent) {
    const world = worldOfDevice(batch[0]!.anonymousId);
    for (const { anonymousId, userId, previousId, traits } of batch) {
      assert.equal(worldOfDevice(anonymousId), world);
      if (previousId !== undefined) assert.equal(worldOfDevice(previousId), world);
      if (userId !== undefined) assert.equal(Number(userId.slice(5, 9)), world);
      if (traits?.email !== undefined) {
        assert.equal(Number(/@(\d{4})\.example$/.exec(traits.email)![1]), world);
      }
    }
  }
});

test('each pass brings people and has some come back', () => {
  const worlds = sent.map(({ batch }) => worldOfDevice(batch[0]!.anonymousId));
  assert.deepEqual([...new Set(worlds.slice(0, 1000))], [0]);
  const second = worlds.slice(1000, 2000).filter((world) => world === 1).length;
  assert.ok(second > 400 && second < 600, `${second}`);
  assert.deepEqual([...new Set(worlds.slice(2000, 2200))].sort(), [0, 1, 2]);
});

test('time goes on from pass to pass', () => {
  const times = sent.slice(0, 2200).map(({ sentAt }) => Date.parse(sentAt));
  for (const [index, time] of times.entries()) assert.ok(index === 0 || time >= times[index - 1]!);
  const late = events.filter(({ timestamp }, index) => {
    const { sentAt } = sent[Math.floor(index / 100)]!;
    return Date.parse(sentAt) - Date.parse(timestamp) > 3_600_000;
  });
  assert.ok(late.length > EVENTS / 200 && late.length < EVENTS / 20, `${late.length}`);
});
