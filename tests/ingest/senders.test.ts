import assert from 'node:assert/strict';
import { request } from 'node:http';
import { type TestContext, test } from 'node:test';
import {
  type FrontDoor,
  type FrontDoorOptions,
  openFrontDoor,
  WRITE_KEY,
} from '../support/front-door.ts';
import { StreamClient } from '../support/stream-client.ts';

const bearer = { Authorization: `Bearer ${WRITE_KEY}` };
const EVENT = JSON.stringify({ userId: 'u1', event: 'Seen' });
const PROXY = '127.0.0.0/8, 10.0.0.0/8, fd00::/8';

async function open(context: TestContext, options: FrontDoorOptions = {}): Promise<FrontDoor> {
  const door = await openFrontDoor(options);
  context.after(() => door.server.close());
  return door;
}

/** What the last batch says it came from, as text of hexadecimal digits. */
function lastSender({ writer }: FrontDoor): string {
  const address = writer.batches.at(-1)!.senderAddress;
  return address === undefined ? 'none' : Buffer.from(address).toString('hex');
}

const ipv4 = (a: number, b: number, c: number, d: number): string =>
  `${'00'.repeat(10)}ffff${Buffer.from([a, b, c, d]).toString('hex')}`;

/** Sends an event with these lines of X-Forwarded-For; `fetch` would join them. */
function sendThrough(door: FrontDoor, lines: string[]): Promise<number> {
  const headers = { ...bearer, ...(lines.length > 0 && { 'X-Forwarded-For': lines }) };
  return new Promise((resolve, reject) => {
    const sending = request(`${door.url}/v1/track`, { method: 'POST', headers }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    });
    sending.on('error', reject).end(EVENT);
  });
}

test('the sender of a batch is the peer of its connection, on every way in', async (context) => {
  const door = await open(context);
  await door.post('/v1/track', EVENT, bearer);
  assert.equal(lastSender(door), ipv4(127, 0, 0, 1));
  await fetch(`${door.url}/pixel/v1/track?writeKey=${WRITE_KEY}&userId=u1&event=Opened`);
  assert.equal(door.writer.batches.at(-1)!.typeOfPath, 'track');
  assert.equal(lastSender(door), ipv4(127, 0, 0, 1));
  await door.post(`/beacon/v1/batch?writeKey=${WRITE_KEY}`, `{"batch":[${EVENT}]}`);
  assert.equal(lastSender(door), ipv4(127, 0, 0, 1));
  const stream = await StreamClient.open(door.server.port, bearer);
  await stream.next();
  stream.sendText(`1\n{"batch":[${EVENT}]}`);
  await stream.next();
  stream.destroy();
  assert.equal(lastSender(door), ipv4(127, 0, 0, 1));
  assert.equal(door.writer.batches.length, 4);
});

test('what a peer that is no proxy of ours writes of itself is not read', async (context) => {
  const door = await open(context, { trustedProxies: '10.0.0.0/8' });
  await sendThrough(door, ['203.0.113.9']);
  assert.equal(lastSender(door), ipv4(127, 0, 0, 1));
});

test('behind trusted proxies the nearest address that is none of theirs counts', async (context) => {
  const door = await open(context, { trustedProxies: PROXY });
  const senderOf = async (...lines: string[]): Promise<string> => {
    await sendThrough(door, lines);
    return lastSender(door);
  };
  assert.equal(await senderOf('203.0.113.9'), ipv4(203, 0, 113, 9));
  // What stands left of it the sender has made up.
  assert.equal(await senderOf('192.0.2.1, 203.0.113.9, 10.1.1.1'), ipv4(203, 0, 113, 9));
  assert.equal(await senderOf('192.0.2.1, 203.0.113.9,10.1.1.1, fd00::1'), ipv4(203, 0, 113, 9));
  // A proxy may add a line of its own behind the one the sender has sent.
  assert.equal(await senderOf('192.0.2.1', '203.0.113.9'), ipv4(203, 0, 113, 9));
  assert.equal(await senderOf('2001:db8::5'), '20010db8000000000000000000000005');
  assert.equal(await senderOf('[2001:db8::5]:4711'), '20010db8000000000000000000000005');
  assert.equal(await senderOf('203.0.113.9:4711'), ipv4(203, 0, 113, 9));
  assert.equal(await senderOf('::ffff:203.0.113.9'), ipv4(203, 0, 113, 9));
  // Nobody is named: the proxy asks for itself.
  assert.equal(await senderOf(), ipv4(127, 0, 0, 1));
  assert.equal(await senderOf('10.1.1.1'), ipv4(10, 1, 1, 1));
  // What the proxy names and nobody can read is nobody.
  assert.equal(await senderOf('192.0.2.1, unknown'), 'none');
});

test('a stream and a pixel behind a proxy have the address it names', async (context) => {
  const door = await open(context, { trustedProxies: PROXY });
  const headers = { ...bearer, 'X-Forwarded-For': '203.0.113.9' };
  const stream = await StreamClient.open(door.server.port, headers);
  await stream.next();
  stream.sendText(`1\n{"batch":[${EVENT}]}`);
  await stream.next();
  stream.destroy();
  assert.equal(lastSender(door), ipv4(203, 0, 113, 9));
  const query = `writeKey=${WRITE_KEY}&userId=u1&event=Opened`;
  await fetch(`${door.url}/pixel/v1/track?${query}`, { headers });
  assert.equal(lastSender(door), ipv4(203, 0, 113, 9));
});

test('where addresses are not stored no batch has one', async (context) => {
  const door = await open(context, { trustedProxies: PROXY, storesAddresses: false });
  await sendThrough(door, ['203.0.113.9']);
  assert.equal(lastSender(door), 'none');
});

test('requests are counted by whom the proxy names, as providers hand out addresses', async (context) => {
  const door = await open(context, { trustedProxies: PROXY, addressRequestsMax: 1 });
  const openStream = (address: string): Promise<StreamClient> =>
    StreamClient.open(door.server.port, { ...bearer, 'X-Forwarded-For': address });
  const streams = [await openStream('203.0.113.9'), await openStream('2001:db8:0:1::1')];
  assert.equal(await sendThrough(door, ['203.0.113.9']), 429);
  assert.equal(await sendThrough(door, ['::ffff:203.0.113.9']), 429);
  assert.equal(await sendThrough(door, ['203.0.113.10']), 200);
  assert.equal(await sendThrough(door, ['2001:db8:0:1:9:9:9:9']), 429);
  assert.equal(await sendThrough(door, ['2001:db8:0:2::1']), 200);
  for (const stream of streams) stream.destroy();
});
