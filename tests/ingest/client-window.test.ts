import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Batcher } from '../../ingest/client/batcher.ts';
import { batchFrame, FRAME_HEAD_BYTES, jsonFormat } from '../../ingest/client/frames.ts';
import { PendingSend, type SendPart } from '../../ingest/client/pending-send.ts';
import { Room } from '../../ingest/client/room.ts';
import { type Batch, SendWindow } from '../../ingest/client/send-window.ts';
import { backoffMs, settingsOf } from '../../ingest/client/settings.ts';
import { StreamError, type WebSocketConstructor } from '../../ingest/client/types.ts';

const NEVER = class {} as unknown as WebSocketConstructor;

function batchOf(id: number, bytes: number): Batch {
  return { id, frame: new Uint8Array(FRAME_HEAD_BYTES + bytes), parts: [], bytes };
}

const actions = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant('add' as const), bytes: fc.nat(60) }),
    fc.record({ do: fc.constant('ack' as const), pick: fc.nat(20) }),
    fc.record({ do: fc.constant('nack' as const), pick: fc.nat(20) }),
    fc.record({ do: fc.constant('reconnect' as const), has: fc.array(fc.boolean()) }),
  ),
  { maxLength: 60 },
);

test('whatever happens, the credit is kept, nothing is under way twice, and nothing is lost', () => {
  fc.assert(
    fc.property(actions, (steps) => {
      const window = new SendWindow();
      const grant = { batches: 3, bytes: 100 };
      const open = new Map<number, number>();
      const underWay = new Map<number, number>();
      let credit = { ...grant };
      let nextId = 0;
      const send = (): void => {
        for (let batch = window.take(); batch !== undefined; batch = window.take()) {
          const bytes = batch.frame.length - FRAME_HEAD_BYTES;
          credit = { batches: credit.batches - 1, bytes: credit.bytes - bytes };
          assert.ok(credit.batches >= 0 && credit.bytes >= 0, 'within the credit');
          assert.ok(!underWay.has(batch.id), 'not under way twice');
          underWay.set(batch.id, bytes);
        }
      };
      /** Ends a batch under way, and gives its credit back. */
      const end = (pick: number): number | undefined => {
        const id = [...underWay.keys()][pick % Math.max(underWay.size, 1)];
        if (id === undefined) return undefined;
        const bytes = underWay.get(id)!;
        underWay.delete(id);
        window.grant({ batches: 1, bytes });
        credit = { batches: credit.batches + 1, bytes: credit.bytes + bytes };
        return id;
      };
      window.connected({ credit: grant, taken: [] });
      for (const step of steps) {
        if (step.do === 'add') {
          open.set(nextId, step.bytes);
          window.add(batchOf(nextId, step.bytes));
          nextId += 1;
        } else if (step.do === 'ack') {
          const id = end(step.pick);
          if (id !== undefined) {
            assert.equal(window.answer(id)?.id, id);
            open.delete(id);
          }
        } else if (step.do === 'nack') {
          const id = end(step.pick);
          if (id !== undefined) window.putBack(id);
        } else {
          const taken = [...underWay.keys()].filter((_, index) => step.has[index] === true);
          underWay.clear();
          for (const id of taken) underWay.set(id, 0);
          credit = { ...grant };
          window.connected({ credit: grant, taken });
        }
        send();
        assert.deepEqual(
          [...window.batches()].map(({ id }) => id),
          [...open.keys()],
        );
        assert.equal(window.acknowledged, ([...open.keys()][0] ?? nextId) - 1);
        assert.equal(window.owed, underWay.size);
      }
    }),
  );
});

test('a batcher keeps every event, in order, within its bounds', () => {
  const sends = fc.array(fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1 }));
  fc.assert(
    fc.property(sends, fc.integer({ min: 1, max: 5 }), (sizes, eventsMax) => {
      const batches: { events: readonly Uint8Array[]; parts: readonly SendPart[] }[] = [];
      const batcher = new Batcher({
        eventsMax,
        bytesMax: 50,
        delayMs: 60_000,
        onBatch: (events, parts) => void batches.push({ events, parts }),
      });
      const given: Uint8Array[] = [];
      for (const events of sizes) {
        const encoded = events.map((bytes) => new Uint8Array(bytes));
        given.push(...encoded);
        batcher.add(encoded, new PendingSend(encoded.length));
      }
      batcher.seal();
      assert.equal(batcher.bytes, 0);
      const taken = batches.flatMap(({ events }) => events);
      assert.ok(taken.length === given.length && taken.every((event, at) => event === given[at]));
      for (const { events, parts } of batches) {
        assert.ok(events.length <= eventsMax);
        assert.ok(events.reduce((sum, { length }) => sum + length, 0) <= 50);
        let next = 0;
        for (const { count, firstInBatch } of parts) {
          assert.equal(firstInBatch, next);
          next += count;
        }
        assert.equal(next, events.length);
      }
    }),
  );
});

test('a frame is its codec, its id and the batch', () => {
  const events = [{ a: 1 }, { b: 'é' }];
  const encoded = events.map((event) => jsonFormat.encode(event));
  const frame = Buffer.from(batchFrame(jsonFormat, 258, encoded));
  assert.deepEqual([...frame.subarray(0, FRAME_HEAD_BYTES)], [1, 2, 1, 0, 0]);
  const payload = frame.toString('utf8', FRAME_HEAD_BYTES);
  assert.deepEqual(JSON.parse(payload), { batch: events });
});

test('a room is given in the order in which it was asked for', async () => {
  const room = new Room(10);
  const order: string[] = [];
  const take = (name: string, bytes: number): Promise<void> =>
    room.take(bytes).then(() => void order.push(name));
  await take('first', 8);
  const waiting = [take('large', 25), take('small', 1)];
  assert.equal(room.used, 8);
  room.give(8);
  await waiting[0];
  assert.deepEqual([order, room.used], [['first', 'large'], 25]);
  room.give(25);
  await waiting[1];
  assert.equal(room.used, 1);
  const empty = room.whenEmpty();
  const refused = assert.rejects(room.take(10), StreamError);
  room.fail(new StreamError('STREAM_CLOSED', 'closed'));
  await Promise.all([empty, refused]);
});

test('the backoff is below a bound that doubles up to its maximum', () => {
  const options = { url: 'ws://x', writeKey: 'k', WebSocket: NEVER };
  const settings = settingsOf({
    ...options,
    backoffMsMin: 100,
    backoffMsMax: 1000,
    random: () => 0.5,
  });
  assert.deepEqual(
    [0, 1, 2, 3, 4, 1000].map((attempt) => backoffMs(settings, attempt)),
    [50, 100, 200, 400, 500, 500],
  );
  assert.throws(() => settingsOf({ ...options, batchEventsMax: 0 }), RangeError);
  assert.throws(() => settingsOf({ ...options, batchEventsMax: 1001 }), RangeError);
  assert.throws(() => settingsOf({ ...options, batchBytesMax: 4 * 1024 * 1024 }), RangeError);
});
