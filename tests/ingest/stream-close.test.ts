import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS } from '../../base/limits.ts';
import { type FrontDoor, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';
import { StreamClient } from '../support/stream-client.ts';
import { FakeClock } from './fake-clock.ts';

const EVENT = { type: 'track', event: 'Seen', userId: 'u1' };
const CLOSED = 'closed';

/** A door whose writer holds every batch until it is let go. */
async function withDoor(run: (door: FrontDoor, clock: FakeClock) => Promise<void>): Promise<void> {
  const clock = new FakeClock();
  const door = await openFrontDoor({ clock });
  door.writer.hold();
  try {
    await run(door, clock);
  } finally {
    door.writer.letGo();
    door.server.close();
  }
}

/** Has its hello behind it. */
async function open(door: FrontDoor, hello: object = {}): Promise<StreamClient> {
  const client = await StreamClient.open(door.server.port);
  client.sendText(JSON.stringify({ hello: { key: WRITE_KEY, ...hello } }));
  await client.next();
  return client;
}

async function taken(door: FrontDoor, count: number): Promise<void> {
  while (door.writer.batches.length < count) await delay(2);
}

/** What is not there yet some ticks later is taken for what does not come. */
async function stillOpen(client: StreamClient): Promise<void> {
  assert.equal(await Promise.race([client.closed, delay(150, 'open')]), 'open');
}

test('batches under way when a frame is none are answered before the close with 1002', () =>
  withDoor(async (door) => {
    const client = await open(door);
    client.sendBatch(1, [EVENT]);
    client.sendBatch(2, [EVENT]);
    client.sendText('no frame');
    client.sendBatch(3, [EVENT]);
    await taken(door, 2);
    await stillOpen(client);
    door.writer.letGo();
    const order = [
      (await client.next())['ack'],
      (await client.next())['ack'],
      await Promise.race([client.next(), client.closed.then(() => CLOSED)]),
    ];
    assert.deepEqual(order, [1, 2, CLOSED]);
    assert.equal(await client.closed, 1002);
    assert.equal(door.writer.batches.length, 2, 'what followed the wrong frame was not taken');
  }));

test('a refusal that was under way is told before the close, too', () =>
  withDoor(async (door) => {
    const client = await open(door);
    client.sendText('7\n{"batch":[');
    client.sendText('no frame');
    assert.equal((await client.next())['nack'], 7);
    assert.equal(await client.closed, 1002);
  }));

test('an answer that takes too long is not waited for, and a resume tells of the batch', () =>
  withDoor(async (door, clock) => {
    const client = await open(door, { stream: 's' });
    client.sendBatch(0, [EVENT]);
    client.sendText('no frame');
    await taken(door, 1);
    await stillOpen(client);
    clock.ms += LIMITS.streamCloseMs - 1;
    await stillOpen(client);
    clock.ms += 1;
    assert.equal(await client.closed, 1002);

    const next = await StreamClient.open(door.server.port);
    next.sendText(JSON.stringify({ hello: { key: WRITE_KEY, stream: 's' } }));
    const { hello } = (await next.next()) as { hello: { resume: unknown } };
    assert.deepEqual(hello.resume, { durable: [], under_way: [0] });
    door.writer.letGo();
    assert.equal((await next.next())['ack'], 0);
    next.destroy();
  }));

test('a stream taken over while it closes is closed at once, and the new connection is answered', () =>
  withDoor(async (door) => {
    const client = await open(door, { stream: 's' });
    client.sendBatch(0, [EVENT]);
    client.sendText('no frame');
    await taken(door, 1);
    await stillOpen(client);
    const next = await open(door, { stream: 's' });
    assert.equal(await client.closed, 1002);
    door.writer.letGo();
    assert.equal((await next.next())['ack'], 0);
    next.destroy();
  }));

test('a client far beyond its credit gets the answers of what was within it, then 1008', () =>
  withDoor(async (door) => {
    const client = await open(door);
    const batches = LIMITS.streamCreditBatches;
    for (let id = 0; id < 2 * batches + 1; id += 1) client.sendBatch(id, [EVENT]);
    for (let id = batches; id < 2 * batches; id += 1) {
      assert.equal((await client.next())['nack'], id);
    }
    await stillOpen(client);
    door.writer.letGo();
    for (let id = 0; id < batches; id += 1) assert.equal((await client.next())['ack'], id);
    assert.equal(await client.closed, 1008);
    assert.equal(door.writer.batches.length, batches);
  }));

test('a client that vanishes while its stream closes leaves nothing behind', () =>
  withDoor(async (door) => {
    const client = await open(door);
    client.sendBatch(1, [EVENT]);
    client.sendText('no frame');
    await taken(door, 1);
    client.destroy();
    await delay(20);
    door.writer.letGo();
    await delay(20);
    const metrics = await (await fetch(`${door.url}/metrics`)).text();
    assert.match(metrics, /^tributary_ingest_in_flight_bytes 0$/m);
    assert.match(metrics, /^tributary_ingest_streams 0$/m);
  }));
