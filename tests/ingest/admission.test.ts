import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { LIMITS } from '../../base/limits.ts';
import { silentLogger } from '../../base/log.ts';
import { AddressLimit } from '../../ingest/address-limit.ts';
import { DiskWatch } from '../../ingest/disk-watch.ts';
import { DrainRate } from '../../ingest/drain-rate.ts';
import {
  type FrontDoor,
  type FrontDoorOptions,
  openFrontDoor,
  WRITE_KEY,
} from '../support/front-door.ts';
import { StreamClient } from '../support/stream-client.ts';

const EVENT = JSON.stringify({ type: 'track', event: 'Seen', userId: 'u1' });
const bearer = { Authorization: `Bearer ${WRITE_KEY}` };
const NONE = { events: 0, bytes: 0 };

async function open(context: TestContext, options: FrontDoorOptions): Promise<FrontDoor> {
  const door = await openFrontDoor(options);
  context.after(() => door.server.close());
  return door;
}

async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as { error: { code: string } }).error.code;
}

async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await delay(5);
}

test('a key at its rate is taken, beyond it answered 429 with the wait in two headers', async (context) => {
  const door = await open(context, { rates: { key: { events: 1, bytes: 0 }, tenant: NONE } });
  const events = Array.from({ length: LIMITS.rateBurstSeconds + 3 }, () => ({ userId: 'u1' }));
  const first = await door.post('/v1/batch', JSON.stringify({ batch: events }), bearer);
  assert.equal(first.status, 200);
  const refused = await door.post('/v1/track', EVENT, bearer);
  assert.equal(refused.status, 429);
  assert.equal(await codeOf(refused), 'TRIBUTARY_INGEST_RATE_EXCEEDED');
  assert.equal(refused.headers.get('retry-after'), '4');
  const reset = Number(refused.headers.get('x-ratelimit-reset')) - performance.timeOrigin / 1000;
  assert.ok(reset > 0 && reset < 3600);
  assert.equal(door.writer.batches.length, 1);
});

test('a rate holds for keys in the body as well', async (context) => {
  const rates = { key: NONE, tenant: { events: 0, bytes: 10 } };
  const door = await open(context, { rates });
  const body = JSON.stringify({ ...JSON.parse(EVENT), writeKey: WRITE_KEY });
  assert.equal((await door.post('/v1/track', body)).status, 200);
  assert.equal((await door.post('/v1/track', body)).status, 429);
});

test('a batch that the engine refuses costs nothing', async (context) => {
  const door = await open(context, { rates: { key: { events: 1, bytes: 0 }, tenant: NONE } });
  for (let round = 0; round < 2 * LIMITS.rateBurstSeconds; round += 1) {
    assert.equal((await door.post('/v1/track', 'no JSON', bearer)).status, 400);
  }
  assert.equal((await door.post('/v1/track', EVENT, bearer)).status, 200);
});

test('a disk at its reserve takes batches, with one byte less none', async (context) => {
  let freeBytes = 1000;
  let looks = 0;
  const door = await open(context, {
    diskFreeBytesMin: 1000,
    readDiskFreeBytes: async () => {
      looks += 1;
      return freeBytes;
    },
  });
  const settle = async (bytes: number): Promise<void> => {
    freeBytes = bytes;
    const seen = looks;
    await until(() => looks > seen);
    await delay(5);
  };
  await settle(1000);
  assert.equal((await door.post('/v1/track', EVENT, bearer)).status, 200);
  await settle(999);
  const refused = await door.post('/v1/track', EVENT, bearer);
  assert.equal(refused.status, 503);
  assert.equal(await codeOf(refused), 'TRIBUTARY_INGEST_DISK_LOW');
  assert.equal(refused.headers.get('retry-after'), String(LIMITS.diskLowRetrySeconds));
  await settle(1000);
  assert.equal((await door.post('/v1/track', EVENT, bearer)).status, 200);
});

test('what was taken since the last look counts as written, until a look has seen it', async () => {
  let freeBytes = 100;
  const readFreeBytes = async (): Promise<number> => freeBytes;
  const disk = new DiskWatch({ freeBytesMin: 50, logger: silentLogger, readFreeBytes });
  await disk.look();
  disk.take(50);
  assert.equal(disk.refusal(), undefined);
  disk.take(1);
  assert.equal(disk.refusal()?.code, 'TRIBUTARY_INGEST_DISK_LOW');
  disk.settle(50);
  assert.notEqual(disk.refusal(), undefined, 'no look has seen it');
  freeBytes = 52;
  await disk.look();
  assert.equal(disk.refusal(), undefined, 'one byte is under way');
  freeBytes = 50;
  await disk.look();
  assert.notEqual(disk.refusal(), undefined);
  disk.settle(1);
  await disk.look();
  assert.equal(disk.refusal(), undefined);
});

test('a disk that cannot be looked at leaves the last answer', async () => {
  let answer: () => Promise<number> = async () => 10;
  const logger = silentLogger;
  const disk = new DiskWatch({ freeBytesMin: 11, logger, readFreeBytes: () => answer() });
  assert.equal(disk.refusal(), undefined);
  await disk.look();
  assert.equal(disk.refusal()?.code, 'TRIBUTARY_INGEST_DISK_LOW');
  answer = async () => Promise.reject(new Error('EIO'));
  await disk.look();
  assert.equal(disk.freeBytes, 10);
});

test('requests of one address at the limit are taken, one more is answered 429', async (context) => {
  const door = await open(context, { addressRequestsMax: 2 });
  door.writer.hold();
  const held = [door.post('/v1/track', EVENT, bearer), door.post('/v1/track', EVENT, bearer)];
  await until(() => door.writer.batches.length === 2);
  const refused = await door.post('/v1/track', EVENT, bearer);
  assert.equal(refused.status, 429);
  assert.equal(await codeOf(refused), 'TRIBUTARY_INGEST_ADDRESS_FULL');
  door.writer.letGo();
  for (const response of await Promise.all(held)) assert.equal(response.status, 200);
  assert.equal((await door.post('/v1/track', EVENT, bearer)).status, 200);
});

test('a client that goes away gives its place back', async (context) => {
  const door = await open(context, { addressRequestsMax: 1 });
  const socket = connect(door.server.port, '127.0.0.1');
  const head = `POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${WRITE_KEY}\r\n`;
  socket.write(`${head}Content-Length: 1000\r\n\r\n{`);
  await until(async () => (await door.post('/v1/track', EVENT, bearer)).status === 429);
  socket.destroy();
  await until(async () => (await door.post('/v1/track', EVENT, bearer)).status === 200);
});

test('an open stream takes a place of its address, and gives it back when it ends', async (context) => {
  const door = await open(context, { addressRequestsMax: 1 });
  const stream = await StreamClient.open(door.server.port, bearer);
  assert.equal((await door.post('/v1/track', EVENT, bearer)).status, 429);
  stream.destroy();
  await until(async () => (await door.post('/v1/track', EVENT, bearer)).status === 200);
  door.writer.hold();
  const held = door.post('/v1/track', EVENT, bearer);
  await until(() => door.writer.batches.length > 1);
  await assert.rejects(StreamClient.open(door.server.port, bearer), /429/);
  door.writer.letGo();
  assert.equal((await held).status, 200);
});

test('a place of one address is none of another', () => {
  const limit = new AddressLimit(1);
  assert.equal(limit.enter('a'), undefined);
  assert.equal(limit.enter('a')?.code, 'TRIBUTARY_INGEST_ADDRESS_FULL');
  assert.equal(limit.enter('b'), undefined);
  limit.leave('a');
  assert.equal(limit.enter('a'), undefined);
});

test('connections at the limit stay, one more is closed', async (context) => {
  const door = await open(context, { connectionsMax: 2 });
  const sockets: Socket[] = [];
  context.after(() => {
    for (const socket of sockets) socket.destroy();
  });
  const dial = (): Promise<string> => {
    const socket = connect(door.server.port, '127.0.0.1');
    sockets.push(socket);
    return new Promise((resolve) => {
      socket.on('data', (bytes) => resolve(bytes.toString('latin1', 0, 12)));
      socket.on('error', () => resolve('closed'));
      socket.on('close', () => resolve('closed'));
      socket.write('GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n');
    });
  };
  assert.equal(await dial(), 'HTTP/1.1 200');
  assert.equal(await dial(), 'HTTP/1.1 200');
  assert.equal(await dial(), 'closed');
  sockets[0]!.destroy();
  await until(async () => (await dial()) === 'HTTP/1.1 200');
});

test('a queue is waited for as long as it drains, within bounds', () => {
  const rate = new DrainRate();
  assert.equal(rate.waitSeconds(1_000_000), 1, 'nothing is known yet');
  rate.add(100, 0);
  for (let ms = 100; ms <= 20_000; ms += 100) rate.add(100, ms); // 1,000 bytes a second
  assert.equal(rate.waitSeconds(0), 1);
  assert.equal(rate.waitSeconds(900), 1);
  assert.equal(rate.waitSeconds(1900), 2);
  assert.equal(rate.waitSeconds(1_000_000), LIMITS.retryAfterSecondsMax);
  rate.add(100, 3_600_000);
  assert.equal(rate.waitSeconds(1900), 2, 'an hour without work says nothing about the disk');
});

test('a sender that dribbles is answered 408 and cut off', async (context) => {
  const door = await open(context, {});
  const socket = connect(door.server.port, '127.0.0.1');
  const head = `POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${WRITE_KEY}\r\n`;
  socket.write(`${head}Content-Length: 1000\r\n\r\n`);
  const timer = setInterval(() => socket.write('x'), 200);
  context.after(() => clearInterval(timer));
  let answer = '';
  socket.on('data', (bytes) => {
    answer += bytes.toString('latin1');
  });
  socket.on('error', () => {});
  await new Promise((resolve) => socket.on('close', resolve));
  assert.match(answer, /^HTTP\/1\.1 408 /);
  assert.match(answer, /TRIBUTARY_INGEST_BODY_TOO_SLOW/);
});

test('retries are counted by attempt', async (context) => {
  const door = await open(context, {});
  for (const count of ['0', '1', '2', '4', '5', '900', 'x', '-3']) {
    const headers = { ...bearer, 'X-Retry-Count': count };
    assert.equal((await door.post('/v1/track', EVENT, headers)).status, 200);
  }
  const metrics = await (await fetch(`${door.url}/metrics`)).text();
  for (const [attempt, value] of [
    ['1', 1],
    ['2-4', 2],
    ['5+', 2],
  ] as const) {
    assert.ok(metrics.includes(`tributary_ingest_retries_total{attempt="${attempt}"} ${value}\n`));
  }
});
