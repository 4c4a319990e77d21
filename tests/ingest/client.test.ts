import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'undici';
import { LIMITS } from '../../base/limits.ts';
import { seededRandom } from '../../base/random.ts';
import {
  type BatchReport,
  type StreamError,
  type StreamEvent,
  type StreamOptions,
  TributaryStream,
} from '../../ingest/client/index.ts';
import { FlakyProxy } from '../support/flaky-proxy.ts';
import { type FrontDoor, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';

type Event = Record<string, unknown>;

async function withDoor(run: (door: FrontDoor) => Promise<void>): Promise<void> {
  const door = await openFrontDoor();
  try {
    await run(door);
  } finally {
    door.writer.letGo();
    door.server.close();
  }
}

const opened: TributaryStream[] = [];
// A stream that a failed test leaves would keep the process alive, trying to connect.
afterEach(() => Promise.all(opened.splice(0).map((stream) => stream.close(0))));

async function openTo(url: string, options: Partial<StreamOptions> = {}): Promise<TributaryStream> {
  const backoff = { backoffMsMin: 1, backoffMsMax: 20 };
  const settings = { url, writeKey: WRITE_KEY, WebSocket, ...backoff, ...options };
  const stream = await TributaryStream.open(settings);
  opened.push(stream);
  return stream;
}

function open(door: FrontDoor, options: Partial<StreamOptions> = {}): Promise<TributaryStream> {
  return openTo(`ws://127.0.0.1:${door.server.port}/v1/stream`, options);
}

function event(index: number): Event {
  return { type: 'track', event: 'Seen', userId: `u${index}`, properties: { index } };
}

/** Events of the batches that were decided, by what the writer got. */
function eventsOf(door: FrontDoor): Event[] {
  return door.writer.batches.flatMap(({ bytes }) => {
    const { batch } = JSON.parse(Buffer.from(bytes).toString('utf8')) as { batch: Event[] };
    return batch;
  });
}

const isCode = (code: string) => (error: unknown) => (error as StreamError).code === code;

test('events are gathered into batches by count, in their order, each with a messageId', () =>
  withDoor(async (door) => {
    const reports: BatchReport[] = [];
    const onBatch = (report: BatchReport): void => void reports.push(report);
    const stream = await open(door, { batchEventsMax: 10, batchDelayMs: 50, onBatch });
    const receipts = [];
    for (let index = 0; index < 25; index += 1) receipts.push(await stream.send(event(index)));
    for (const { outcome } of receipts) {
      assert.deepEqual(await outcome, { events: 1, rejected: [] });
    }
    assert.deepEqual(
      reports.map(({ counts, id }) => [id, counts?.accepted]),
      [
        [0, 10],
        [1, 10],
        [2, 5],
      ],
    );
    const events = eventsOf(door);
    assert.deepEqual(
      events.map(({ userId }) => userId),
      Array.from({ length: 25 }, (_, index) => `u${index}`),
    );
    assert.equal(new Set(events.map(({ messageId }) => messageId)).size, 25);
    await stream.close();
  }));

test('an event happened when it was given to send, unless it says so itself', () =>
  withDoor(async (door) => {
    const stream = await open(door, { now: () => Date.UTC(2026, 0, 2) });
    const timestamp = '2020-01-01T00:00:00Z';
    const { outcome } = await stream.send([
      event(0),
      { ...event(1), timestamp, messageId: 'mine' },
    ]);
    await outcome;
    assert.deepEqual(
      eventsOf(door).map((sent) => sent['timestamp']),
      ['2026-01-02T00:00:00.000Z', timestamp],
    );
    assert.equal(eventsOf(door)[1]!['messageId'], 'mine');
    await stream.close();
  }));

test('an id that is a number is kept, and what the appliance takes for absent is added', () =>
  withDoor(async (door) => {
    // A number was replaced by an id of the client's own: the same event sent again was stored twice.
    const stream = await open(door, { now: () => Date.UTC(2026, 0, 2) });
    const { outcome } = await stream.send([
      { ...event(0), messageId: 7, timestamp: null },
      { ...event(1), messageId: null },
    ]);
    await outcome;
    const [numbered, named] = eventsOf(door);
    assert.equal(numbered!['messageId'], 7);
    assert.equal(numbered!['timestamp'], '2026-01-02T00:00:00.000Z');
    assert.equal(typeof named!['messageId'], 'string');
    await stream.close();
  }));

test('batches may be compressed, and keep their order', () =>
  withDoor(async (door) => {
    const stream = await open(door, { batchEventsMax: 10, compression: 'gzip' });
    const events = Array.from({ length: 100 }, (_, index) => event(index));
    const { outcome } = await stream.send(events);
    assert.deepEqual(await outcome, { events: 100, rejected: [] });
    assert.deepEqual(
      eventsOf(door).map(({ userId }) => userId),
      events.map(({ userId }) => userId),
    );
    await stream.close();
  }));

test('batches may be msgpack', () =>
  withDoor(async (door) => {
    const encodeMsgpack = (value: StreamEvent): Uint8Array =>
      Uint8Array.of(
        0x81,
        0xa6,
        ...Buffer.from('userId'),
        0xa2,
        ...Buffer.from(`${value['userId']}`),
      );
    const stream = await open(door, { encodeMsgpack });
    const { outcome } = await stream.send([event(0), event(1)]);
    // The writer of this test reads JSON only; the payload is what counts.
    await assert.rejects(outcome, isCode('TRIBUTARY_INGEST_JSON_MALFORMED'));
    const [batch] = door.writer.batches;
    assert.equal(batch!.codec, 'msgpack');
    const events = [0, 1].flatMap((index) => [...encodeMsgpack(event(index))]);
    const head = [0x81, 0xa5, ...Buffer.from('batch'), 0xdd, 0, 0, 0, 2];
    assert.deepEqual([...batch!.bytes], [...head, ...events]);
    await stream.close();
  }));

test('a send larger than a batch goes out in several, and has one outcome', () =>
  withDoor(async (door) => {
    const stream = await open(door, { batchEventsMax: 100, batchBytesMax: 1000 });
    const events = Array.from({ length: 50 }, (_, index) => event(index));
    events[0] = { type: 'track', event: 'first', messageId: 'm-first' };
    events[33] = { type: 'track', event: 'broken', messageId: 'm-33' };
    const { outcome } = await stream.send(events);
    const { rejected, ...counts } = await outcome;
    assert.deepEqual(counts, { events: 50 });
    assert.deepEqual(
      rejected.map(({ index, messageId, path }) => [index, messageId, path]),
      [
        [0, 'm-first', 'userId'],
        [33, 'm-33', 'userId'],
      ],
    );
    assert.ok(door.writer.batches.length > 5);
    for (const { bytes } of door.writer.batches) assert.ok(bytes.length < 1100);
    await stream.close();
  }));

test('two sends in one batch have their own rejections', () =>
  withDoor(async (door) => {
    const stream = await open(door, { batchDelayMs: 20 });
    const good = await stream.send([event(0), event(1)]);
    const bad = await stream.send([event(2), { type: 'track', event: 'broken' }]);
    assert.deepEqual(await good.outcome, { events: 2, rejected: [] });
    assert.deepEqual(
      (await bad.outcome).rejected.map(({ index }) => index),
      [1],
    );
    assert.equal(door.writer.batches.length, 1);
    await stream.close();
  }));

test('nothing to send is decided at once, and events that cannot be sent are refused', () =>
  withDoor(async (door) => {
    const stream = await open(door, { batchBytesMax: 1000 });
    const { outcome } = await stream.send([]);
    assert.deepEqual(await outcome, { events: 0, rejected: [] });
    const large = { ...event(0), text: 'x'.repeat(1000) };
    await assert.rejects(stream.send(large), isCode('EVENT_TOO_LARGE'));
    for (const none of [{ big: 1n }, null, 5, 'text', [[]]]) {
      await assert.rejects(stream.send(none as never), isCode('EVENT_MALFORMED'));
    }
    await stream.close();
    assert.equal(door.writer.batches.length, 0);
    await assert.rejects(stream.send(event(0)), isCode('STREAM_CLOSED'));
  }));

test('send waits while the buffer is full, and what is under way stays within the credit', () =>
  withDoor(async (door) => {
    door.writer.hold();
    const bytes = 150;
    const stream = await open(door, { batchEventsMax: 1, bufferBytesMax: 100 * bytes });
    let taken = 0;
    const sends = Array.from({ length: 300 }, (_, index) =>
      stream.send({ ...event(index), messageId: `m${index}` }).then(() => {
        taken += 1;
      }),
    );
    while (door.writer.batches.length < LIMITS.streamCreditBatches) await delay(2);
    await delay(30);
    assert.equal(door.writer.batches.length, LIMITS.streamCreditBatches);
    assert.ok(taken >= LIMITS.streamCreditBatches && taken < 200, `${taken} taken`);
    assert.ok(stream.bufferedBytes <= 100 * bytes);
    door.writer.letGo();
    await Promise.all(sends);
    await stream.flush();
    assert.equal(stream.bufferedBytes, 0);
    assert.equal(eventsOf(door).length, 300);
    await stream.close();
  }));

test('a batch that finds no room is sent again after the time that the appliance names', async () => {
  const door = await openFrontDoor({ inFlightBytesMax: 400 });
  try {
    const stream = await open(door, { batchEventsMax: 1, random: () => 0 });
    // What was stored lately tells the appliance how long a wait is worth.
    const stored = 40;
    for (let index = 0; index < stored; index += 1) {
      await (await stream.send({ ...event(index), pad: 'x'.repeat(200) })).outcome;
    }
    door.writer.hold();
    const receipts = [];
    for (let index = 0; index < 8; index += 1) {
      receipts.push(await stream.send(event(stored + index)));
    }
    await delay(50);
    assert.ok(door.writer.batches.length < stored + 8);
    door.writer.letGo();
    for (const { outcome } of receipts) assert.equal((await outcome).rejected.length, 0);
    assert.equal(new Set(eventsOf(door).map(({ userId }) => userId)).size, stored + 8);
    assert.equal(eventsOf(door).length, stored + 8);
    await stream.close();
  } finally {
    door.server.close();
  }
});

test('an unknown key ends the stream, and everything in it rejects', () =>
  withDoor(async (door) => {
    const stream = await open(door, { writeKey: 'no' });
    const { outcome } = await stream.send(event(0));
    await assert.rejects(outcome, isCode('STREAM_REFUSED'));
    await assert.rejects(stream.send(event(1)), isCode('STREAM_REFUSED'));
    await stream.flush();
    await stream.close();
  }));

test('close waits for outcomes, and rejects what has none in time', () =>
  withDoor(async (door) => {
    const stream = await open(door, { batchDelayMs: 1000 });
    const { outcome } = await stream.send(event(0));
    await stream.close();
    assert.equal((await outcome).events, 1);

    door.writer.hold();
    const other = await open(door);
    const receipt = await other.send(event(1));
    await other.close(50);
    await assert.rejects(receipt.outcome, isCode('STREAM_CLOSED'));
  }));

test('a stream that is opened before its appliance sends once that is there', async () => {
  const door = await openFrontDoor();
  const proxy = await FlakyProxy.open(1);
  const stream = await openTo(proxy.url);
  try {
    const { outcome } = await stream.send(event(0));
    await delay(50);
    assert.equal(stream.isConnected, false);
    proxy.retarget(door.server.port);
    assert.equal((await outcome).events, 1);
    assert.equal(stream.isConnected, true);
  } finally {
    await stream.close();
    proxy.close();
    door.server.close();
  }
});

test('an appliance that falls silent is given up, and the stream goes on with the next one', () =>
  withDoor(async (door) => {
    const { createServer } = await import('node:net');
    const silent = createServer(() => {}).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const proxy = await FlakyProxy.open((silent.address() as { port: number }).port);
    const stream = await openTo(proxy.url, { silenceMsMax: 100 });
    try {
      const { outcome } = await stream.send(event(0));
      await delay(50);
      proxy.retarget(door.server.port);
      assert.equal((await outcome).events, 1);
    } finally {
      await stream.close();
      proxy.close();
      silent.close();
    }
  }));

test('connections cut at random points lose no event and store none twice', async () => {
  const seed = Number(process.env['SEED'] ?? 20_261_122);
  const random = seededRandom(seed);
  const door = await openFrontDoor();
  const proxy = await FlakyProxy.open(door.server.port, () => 300 + random() * 12_000);
  const reports: BatchReport[] = [];
  const stream = await openTo(proxy.url, {
    random,
    batchEventsMax: 7,
    batchDelayMs: 1,
    onBatch: (report) => reports.push(report),
  });
  try {
    const total = 2000;
    const receipts = [];
    for (let index = 0; index < total; index += 1) {
      receipts.push(await stream.send(event(index)));
      if (random() < 0.02) await delay(1);
    }
    for (const { outcome } of receipts) await outcome;
    const stored = eventsOf(door).map(({ userId }) => userId as string);
    assert.equal(stored.length, total, `seed ${seed}: taken once each`);
    assert.equal(new Set(stored).size, total, `seed ${seed}: none lost`);
    const accepted = reports.reduce((sum, { counts }) => sum + (counts?.accepted ?? 0), 0);
    assert.equal(accepted, total, `seed ${seed}: every outcome is the first one`);
    assert.ok(proxy.cuts > 10, `seed ${seed}: ${proxy.cuts} cuts`);
  } finally {
    await stream.close();
    proxy.close();
    door.server.close();
  }
});
