import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { LIMITS } from '../../base/limits.ts';
import { type FrontDoor, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';
import { StreamClient } from '../support/stream-client.ts';

let door: FrontDoor;
before(async () => {
  door = await openFrontDoor();
});
after(() => door.server.close());

const AUTHORIZED = { Authorization: `Bearer ${WRITE_KEY}` };
const EVENT = { type: 'track', event: 'Seen', userId: 'u1' };

/** A client that has its hello behind it. */
async function open(on: FrontDoor = door): Promise<StreamClient> {
  const client = await StreamClient.open(on.server.port, AUTHORIZED);
  await client.next();
  return client;
}

test('the hello tells credit and limits', async () => {
  const client = await StreamClient.open(door.server.port, AUTHORIZED);
  assert.deepEqual(await client.next(), {
    hello: {
      protocol: 'tributary.v1',
      credit: { batches: LIMITS.streamCreditBatches, bytes: LIMITS.streamCreditBytes },
      batch_bytes_max: LIMITS.batchBytesMax,
      batch_events_max: LIMITS.batchEventsMax,
      encodings: ['gzip'],
    },
  });
  client.destroy();
});

test('the key may come as a subprotocol', async () => {
  const headers = { 'Sec-WebSocket-Protocol': `tributary.v1, key.${WRITE_KEY}` };
  const client = await StreamClient.open(door.server.port, headers);
  assert.ok('hello' in (await client.next()));
  client.destroy();
});

test('the key may come in the first frame', async () => {
  const client = await StreamClient.open(door.server.port);
  client.sendText(JSON.stringify({ hello: { key: WRITE_KEY } }));
  assert.ok('hello' in (await client.next()));
  client.destroy();
});

test('an unknown key is refused: in the head before the upgrade, in a frame with 1008', async () => {
  await assert.rejects(StreamClient.open(door.server.port, { Authorization: 'Bearer no' }), /401/);
  const client = await StreamClient.open(door.server.port);
  client.sendText(JSON.stringify({ hello: { key: 'no' } }));
  assert.equal(await client.closed, 1008);
});

test('a batch before the key closes the stream', async () => {
  const client = await StreamClient.open(door.server.port);
  client.sendBatch(1, [EVENT]);
  assert.equal(await client.closed, 1008);
});

test('batches are acknowledged by their numbers, and give their credit back', async () => {
  const client = await open();
  const batch = JSON.stringify({ batch: [EVENT, EVENT] });
  client.sendText(`7\n${batch}`);
  client.sendText(`4294967295\n${batch}`);
  const credit = { batches: 1, bytes: batch.length };
  const counts = { received: 2, accepted: 2, duplicates: 0, rejected: [] };
  assert.deepEqual(await client.next(), { ack: 7, ...counts, credit });
  assert.deepEqual(await client.next(), { ack: 4_294_967_295, ...counts, credit });
  client.destroy();
});

test('a binary frame carries its codec and its id before the payload', async () => {
  const client = await open();
  const payload = Buffer.from(JSON.stringify(EVENT));
  client.sendBinary(Buffer.concat([Uint8Array.of(1, 0x39, 0x30, 0, 0), payload]));
  assert.equal((await client.next())['ack'], 12_345);
  client.sendBinary(Buffer.concat([Uint8Array.of(2, 1, 0, 0, 0), payload]));
  await client.next();
  assert.equal(door.writer.batches.at(-1)?.codec, 'msgpack');
  assert.deepEqual(Buffer.from(door.writer.batches.at(-1)!.bytes), payload);
  client.destroy();
});

test('a batch that is not JSON is refused by its number, and the stream goes on', async () => {
  const client = await open();
  client.sendText('1\n{"batch":[');
  const nack = await client.next();
  assert.equal(nack['nack'], 1);
  assert.equal((nack['error'] as { code: string }).code, 'TRIBUTARY_INGEST_JSON_MALFORMED');
  assert.equal(nack['retry_after_ms'], undefined);
  client.sendBatch(2, [EVENT]);
  assert.equal((await client.next())['ack'], 2);
  client.destroy();
});

test('frames that are none close the stream with 1002', async () => {
  for (const frame of ['', 'x\n{}', '12', '99999999999\n{}', '4294967296\n{}', '{"hi":1}', '{']) {
    const client = await open();
    client.sendText(frame);
    assert.equal(await client.closed, 1002, JSON.stringify(frame));
  }
  for (const frame of [Uint8Array.of(1, 2), Uint8Array.of(9, 0, 0, 0, 0, 1)]) {
    const client = await open();
    client.sendBinary(frame);
    assert.equal(await client.closed, 1002);
  }
});

test('a batch beyond the limit is refused by its number', async () => {
  const client = await open();
  client.sendText(`3\n${' '.repeat(LIMITS.batchBytesMax + 1)}`);
  const nack = await client.next();
  assert.equal((nack['error'] as { code: string }).code, 'TRIBUTARY_INGEST_BODY_TOO_LARGE');
  client.destroy();
});

test('a client beyond its credit is told so', async () => {
  const own = await openFrontDoor();
  try {
    own.writer.hold();
    const client = await open(own);
    for (let id = 0; id < LIMITS.streamCreditBatches; id += 1) client.sendBatch(id, [EVENT]);
    client.sendBatch(999, [EVENT]);
    const nack = await client.next();
    assert.equal(nack['nack'], 999);
    assert.equal((nack['error'] as { code: string }).code, 'TRIBUTARY_INGEST_CREDIT_EXCEEDED');
    assert.equal(own.writer.batches.length, LIMITS.streamCreditBatches);
    client.destroy();
  } finally {
    own.writer.letGo();
    own.server.close();
  }
});

test('a batch that finds no room is refused by its number, with a time to wait', async () => {
  const payload = JSON.stringify({ batch: [EVENT] });
  const own = await openFrontDoor({ inFlightBytesMax: payload.length });
  try {
    own.writer.hold();
    const client = await open(own);
    client.sendText(`1\n${payload}`);
    client.sendText(`2\n${payload}`);
    const nack = await client.next();
    assert.equal(nack['nack'], 2);
    assert.equal((nack['error'] as { code: string }).code, 'TRIBUTARY_INGEST_IN_FLIGHT_FULL');
    assert.equal(nack['retry_after_ms'], 1000, 'nothing is known of the disk yet');
  } finally {
    own.writer.letGo();
    own.server.close();
  }
});

test('credit is held back while the appliance is short of room, and granted later', async () => {
  const payload = JSON.stringify({ batch: [EVENT] });
  const own = await openFrontDoor({ inFlightBytesMax: payload.length * 8 });
  try {
    own.writer.hold();
    const client = await open(own);
    client.sendText(`1\n${payload}`);
    while (own.writer.batches.length < 1) await new Promise((resolve) => setTimeout(resolve, 2));
    const others = await open(own);
    for (let id = 1; id <= 7; id += 1) others.sendText(`${id}\n${payload}`);
    while (own.writer.batches.length < 8) await new Promise((resolve) => setTimeout(resolve, 2));
    own.writer.letGo();
    const ack = await client.next();
    assert.equal(ack['ack'], 1);
    assert.deepEqual(ack['credit'], { batches: 0, bytes: 0 });
    assert.deepEqual(await client.next(), { credit: { batches: 1, bytes: payload.length } });
  } finally {
    own.server.close();
  }
});

test('stopping answers what is under way and then closes with 1001', async () => {
  const own = await openFrontDoor();
  own.writer.hold();
  const client = await open(own);
  client.sendBatch(1, [EVENT]);
  while (own.writer.batches.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
  const drained = own.server.drain(5_000);
  client.sendBatch(2, [EVENT]);
  const nack = await client.next();
  assert.equal(nack['nack'], 2);
  assert.equal((nack['error'] as { code: string }).code, 'TRIBUTARY_ENGINE_CLOSED');
  own.writer.letGo();
  assert.equal((await client.next())['ack'], 1);
  assert.equal(await client.closed, 1001);
  await drained;
  own.server.close();
});

test('a client that vanishes with a batch under way leaves nothing behind', async () => {
  const own = await openFrontDoor();
  try {
    own.writer.hold();
    const client = await open(own);
    client.sendBatch(1, [EVENT]);
    while (own.writer.batches.length === 0) await new Promise((resolve) => setTimeout(resolve, 2));
    client.destroy();
    await new Promise((resolve) => setTimeout(resolve, 20));
    own.writer.letGo();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const metrics = await (await fetch(`${own.url}/metrics`)).text();
    assert.match(metrics, /^tributary_ingest_in_flight_bytes 0$/m);
    assert.match(metrics, /^tributary_ingest_streams 0$/m);
  } finally {
    own.server.close();
  }
});

test('a gzip payload is inflated, and the batches after it keep their order', async () => {
  const own = await openFrontDoor();
  try {
    const client = await open(own);
    const payload = (users: string): Buffer =>
      Buffer.from(JSON.stringify({ batch: [{ ...EVENT, userId: users.repeat(20_000) }] }));
    const users = ['a', 'b', 'c', 'd'];
    users.forEach((user, id) => {
      const isGzip = id % 2 === 0;
      const bytes = isGzip ? gzipSync(payload(user)) : payload(user);
      client.sendBinary(Buffer.concat([Uint8Array.of(isGzip ? 0x81 : 1, id, 0, 0, 0), bytes]));
    });
    for (const id of users.keys()) assert.equal((await client.next())['ack'], id);
    assert.deepEqual(
      own.writer.batches.map(({ bytes }) => Buffer.from(bytes)),
      users.map(payload),
    );
    const metrics = await (await fetch(`${own.url}/metrics`)).text();
    assert.match(metrics, /^tributary_ingest_in_flight_bytes 0$/m);
    client.destroy();
  } finally {
    own.server.close();
  }
});

test('a gzip payload that is none, or a bomb, is refused by its number', async () => {
  const client = await open();
  const code = async (payload: Uint8Array): Promise<string> => {
    client.sendBinary(Buffer.concat([Uint8Array.of(0x81, 5, 0, 0, 0), payload]));
    const nack = await client.next();
    assert.equal(nack['nack'], 5);
    return (nack['error'] as { code: string }).code;
  };
  assert.equal(await code(Buffer.from('no gzip')), 'TRIBUTARY_INGEST_ENCODING_MALFORMED');
  const bomb = gzipSync(Buffer.alloc(LIMITS.batchBytesMax));
  assert.equal(await code(bomb), 'TRIBUTARY_INGEST_ENCODING_RATIO');
  const large = gzipSync(randomBytes(LIMITS.batchBytesMax + 1).toString('latin1'));
  assert.equal(
    await code(large.subarray(0, LIMITS.batchBytesMax)),
    'TRIBUTARY_INGEST_BODY_TOO_LARGE',
  );
  client.sendBatch(6, [EVENT]);
  assert.equal((await client.next())['ack'], 6);
  client.destroy();
});
