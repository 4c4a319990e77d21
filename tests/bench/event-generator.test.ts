import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type EventBatch, generateBatches } from '../../bench/event-generator.ts';

const EVENTS = 20_000;

interface SentEvent {
  readonly messageId: string;
  readonly type: string;
  readonly anonymousId: string;
  readonly userId?: string;
  readonly timestamp: string;
}

const batches = [...generateBatches({ seed: 7, events: EVENTS, batchEvents: 64 })];
const events = batches.flatMap((batch) => eventsOf(batch));

function eventsOf({ payload }: EventBatch): SentEvent[] {
  return (JSON.parse(payload.toString('utf8')) as { batch: SentEvent[] }).batch;
}

function countBy(keys: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const key of keys) counts.set(key, (counts.get(key) ?? 0) + 1);
  return counts;
}

test('the same seed gives the same bytes, another seed others', () => {
  const again = [...generateBatches({ seed: 7, events: EVENTS, batchEvents: 64 })];
  const other = [...generateBatches({ seed: 8, events: EVENTS, batchEvents: 64 })];
  assert.deepEqual(
    again.map(({ payload }) => payload),
    batches.map(({ payload }) => payload),
  );
  assert.notDeepEqual(other[0]?.payload, batches[0]?.payload);
});

test('the last batch holds what is left', () => {
  assert.equal(events.length, EVENTS);
  assert.equal(batches.at(-1)?.events, EVENTS % 64);
});

test('a batch and its rows are the same events', () => {
  for (const batch of batches) {
    const rows = batch.ndjson().toString('utf8').trimEnd().split('\n');
    assert.deepEqual(
      rows.map((row) => JSON.parse(row) as unknown),
      eventsOf(batch),
    );
  }
});

test('no two events have the same message id', () => {
  assert.equal(new Set(events.map(({ messageId }) => messageId)).size, EVENTS);
});

test('events are about 400 bytes', () => {
  const bytes = batches.reduce((sum, { ndjson }) => sum + ndjson().length, 0) / EVENTS;
  assert.ok(bytes > 380 && bytes < 450, `${bytes} bytes`);
});

test('all six calls are made, most of them track', () => {
  const counts = countBy(events.map(({ type }) => type));
  const types = ['alias', 'group', 'identify', 'page', 'screen', 'track'];
  assert.deepEqual([...counts.keys()].sort(), types);
  assert.ok(counts.get('track')! > EVENTS / 2);
});

test('people are anonymous first and known later', () => {
  const firstOfDevice = new Map<string, SentEvent>();
  for (const event of events) {
    if (!firstOfDevice.has(event.anonymousId)) firstOfDevice.set(event.anonymousId, event);
  }
  const known = events.filter((event) => event.userId !== undefined);
  const changed = known.filter(
    (event) => firstOfDevice.get(event.anonymousId)?.userId === undefined,
  );
  assert.ok(known.length > EVENTS / 4 && known.length < EVENTS);
  assert.ok(changed.length > EVENTS / 10);
});

test('some devices are shared by people', () => {
  const users = new Map<string, Set<string>>();
  for (const { anonymousId, userId } of events) {
    if (userId === undefined) continue;
    users.set(anonymousId, (users.get(anonymousId) ?? new Set()).add(userId));
  }
  const shared = [...users.values()].filter((ids) => ids.size > 1).length;
  assert.ok(shared > 0 && shared < users.size / 2, `${shared} of ${users.size}`);
});

test('a few people make many of the events', () => {
  const counts = [...countBy(events.map(({ anonymousId }) => anonymousId)).values()];
  counts.sort((a, b) => b - a);
  const top = counts.slice(0, 20).reduce((sum, count) => sum + count, 0);
  assert.ok(top > EVENTS / 5, `${top} of ${EVENTS}`);
});

test('some events are late', () => {
  const sentAt = Math.max(...events.map(({ timestamp }) => Date.parse(timestamp)));
  const late = events.filter(({ timestamp }) => sentAt - Date.parse(timestamp) > 3_600_000);
  assert.ok(late.length > EVENTS / 200 && late.length < EVENTS / 20, `${late.length}`);
});
