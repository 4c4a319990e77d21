import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { KIB } from '../../base/units.ts';
import { ADMIN_KEY, type FrontDoor, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';

let door: FrontDoor;
before(async () => {
  door = await openFrontDoor();
});
after(() => door.server.close());

const EVENT = JSON.stringify({ type: 'track', event: 'Seen', userId: 'u1' });
const basic = (text: string) => ({
  Authorization: `Basic ${Buffer.from(text).toString('base64')}`,
});
const bearer = { Authorization: `Bearer ${WRITE_KEY}` };

interface ErrorBody {
  error: { code: string; message: string; retryable: boolean };
}

async function codeOf(response: Response): Promise<string> {
  return ((await response.json()) as ErrorBody).error.code;
}

test('each place that may carry the key lets a batch in', async () => {
  for (const [path, body, headers] of [
    ['/v1/track', EVENT, basic(`${WRITE_KEY}:`)],
    ['/v1/track', EVENT, basic(WRITE_KEY)],
    ['/v1/track', EVENT, bearer],
    ['/v1/track', EVENT, { 'X-Write-Key': WRITE_KEY }],
    ['/v1/track', JSON.stringify({ ...JSON.parse(EVENT), writeKey: WRITE_KEY }), {}],
    [`/v1/track?writeKey=${WRITE_KEY}`, EVENT, {}],
  ] as const) {
    const response = await door.post(path, body, headers);
    assert.equal(response.status, 200, `${path} ${JSON.stringify(headers)}`);
    const rejected: unknown[] = [];
    const counts = { received: 1, accepted: 1, duplicates: 0 };
    assert.deepEqual(await response.json(), { success: true, ok: true, ...counts, rejected });
  }
});

test('the Authorization header wins over the other places', async () => {
  const body = JSON.stringify({ ...JSON.parse(EVENT), writeKey: WRITE_KEY });
  const headers = { ...basic('another:'), 'X-Write-Key': WRITE_KEY };
  const response = await door.post(`/v1/track?writeKey=${WRITE_KEY}`, body, headers);
  assert.equal(response.status, 401);
  assert.equal(await codeOf(response), 'TRIBUTARY_ACCESS_KEY_UNKNOWN');
});

test('X-Write-Key wins over a masked key in the body', async () => {
  const body = JSON.stringify({ ...JSON.parse(EVENT), writeKey: 'wri:***' });
  assert.equal((await door.post('/v1/track', body, { 'X-Write-Key': WRITE_KEY })).status, 200);
});

test('a key with a second part is known by its first', async () => {
  for (const headers of [basic(`${WRITE_KEY}:anything`), { 'X-Write-Key': `${WRITE_KEY}:part` }]) {
    assert.equal((await door.post('/v1/track', EVENT, headers)).status, 200);
  }
});

test('no key, and the admin key, are refused', async () => {
  const missing = await door.post('/v1/batch', EVENT);
  assert.equal(missing.status, 401);
  assert.equal(await codeOf(missing), 'TRIBUTARY_ACCESS_KEY_MISSING');
  const admin = await door.post('/v1/batch', EVENT, { Authorization: `Bearer ${ADMIN_KEY}` });
  assert.equal(await codeOf(admin), 'TRIBUTARY_ACCESS_KEY_UNKNOWN');
});

test('the path gives its type to the event, and short paths mean the same', async () => {
  for (const [path, type] of [
    ['/v1/identify', 'identify'],
    ['/v1/i', 'identify'],
    ['/v1/a', 'alias'],
    ['/v1/batch', undefined],
    ['/v1/b', undefined],
    ['/batch', undefined],
    ['/b', undefined],
    ['/api/s/page', 'page'],
    ['/api/s/t', 'track'],
    ['/api/s/event', undefined],
    ['/api/s/s2s/g', 'group'],
    ['/api/s/s2s/batch', undefined],
    ['/beacon/v1/batch', undefined],
  ] as const) {
    assert.equal((await door.post(path, EVENT, bearer)).status, 200);
    assert.equal(door.writer.batches.at(-1)?.typeOfPath, type);
  }
});

test('the content type does not matter', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'image/png']) {
    const response = await door.post('/v1/track', EVENT, { ...bearer, 'Content-Type': type });
    assert.equal(response.status, 200);
  }
});

test('malformed JSON is answered 400', async () => {
  const response = await door.post('/v1/batch', '{"batch":[', bearer);
  assert.equal(response.status, 400);
  assert.equal(await codeOf(response), 'TRIBUTARY_INGEST_JSON_MALFORMED');
});

test('an empty body is answered 400', async () => {
  const response = await door.post('/v1/batch', '', bearer);
  assert.equal(response.status, 400);
  assert.equal(await codeOf(response), 'TRIBUTARY_INGEST_BODY_EMPTY');
});

test('rejected events are listed, and X-Strict-Mode makes them an error', async () => {
  const body = JSON.stringify({ batch: [{ userId: 'u1' }, { messageId: 'm7' }] });
  const lenient = await door.post('/v1/batch', body, bearer);
  assert.equal(lenient.status, 200);
  const { rejected } = (await lenient.json()) as { rejected: object[] };
  assert.equal(rejected.length, 1);
  assert.deepEqual(
    { ...rejected[0], message: '' },
    {
      index: 1,
      messageId: 'm7',
      code: 'TRIBUTARY_INGEST_REQUEST_INVALID',
      path: 'userId',
      message: '',
    },
  );
  const strict = await door.post('/v1/batch', body, { ...bearer, 'X-Strict-Mode': '1' });
  assert.equal(strict.status, 400);
  assert.equal(await codeOf(strict), 'TRIBUTARY_INGEST_STRICT_REJECTED');
});

test('a body at the limit is taken, one byte more is answered 413', async () => {
  const filler = LIMITS.batchBytesMax - '{"userId":"u1","filler":""}'.length;
  const body = `{"userId":"u1","filler":"${'x'.repeat(filler)}"}`;
  assert.equal((await door.post('/v1/track', body, bearer)).status, 200);
  const over = await door.post('/v1/track', `${body} `, bearer);
  assert.equal(over.status, 413);
  assert.equal(await codeOf(over), 'TRIBUTARY_INGEST_BODY_TOO_LARGE');
});

test('a body of unknown length is counted as it comes', async () => {
  const piece = new Uint8Array(KIB * KIB).fill(0x20);
  let pieces = 0;
  const stream = new ReadableStream<Uint8Array>({
    pull(controller) {
      pieces += 1;
      if (pieces > 5) controller.close();
      else controller.enqueue(piece);
    },
  });
  const init = { method: 'POST', body: stream, duplex: 'half', headers: bearer };
  const response = await fetch(`${door.url}/v1/track`, init as RequestInit).catch(() => undefined);
  assert.ok(response === undefined || response.status === 413);
  assert.equal((await door.post('/v1/track', EVENT, bearer)).status, 200);
});

test('a compressed body is inflated', async () => {
  for (const [encoding, body] of [
    ['gzip', gzipSync(EVENT)],
    ['X-GZIP', gzipSync(EVENT)],
    ['deflate', deflateSync(EVENT)],
    ['deflate', deflateRawSync(EVENT)],
    ['br', brotliCompressSync(EVENT)],
    ['identity', Buffer.from(EVENT)],
  ] as const) {
    const headers = { ...bearer, 'Content-Encoding': encoding };
    const response = await door.post('/v1/track', new Uint8Array(body), headers);
    assert.equal(response.status, 200, encoding);
    assert.equal(Buffer.from(door.writer.batches.at(-1)!.bytes).toString(), EVENT);
  }
});

test('a gzip bomb is refused', async () => {
  const headers = { ...bearer, 'Content-Encoding': 'gzip' };
  const bomb = new Uint8Array(gzipSync(Buffer.alloc(64 * KIB * KIB)));
  const response = await door.post('/v1/track', bomb, headers);
  assert.equal(response.status, 413);
});

test('what is not gzip is answered 400, an unknown encoding 415', async () => {
  const broken = await door.post('/v1/track', EVENT, { ...bearer, 'Content-Encoding': 'gzip' });
  assert.equal(broken.status, 400);
  assert.equal(await codeOf(broken), 'TRIBUTARY_INGEST_ENCODING_MALFORMED');
  const unknown = await door.post('/v1/track', EVENT, { ...bearer, 'Content-Encoding': 'lzw' });
  assert.equal(unknown.status, 415);
});

test('a full queue is answered 429 with whole seconds to wait', async () => {
  door.writer.failure = new TributaryError('TRIBUTARY_ENGINE_QUEUE_FULL');
  const response = await door.post('/v1/track', EVENT, bearer);
  door.writer.failure = undefined;
  assert.equal(response.status, 429);
  assert.match(response.headers.get('retry-after') ?? '', /^[1-9]\d*$/);
  assert.equal(((await response.json()) as ErrorBody).error.retryable, true);
});

test('an error that was not foreseen tells the client nothing of its inside', async () => {
  door.writer.failure = new Error('a secret path') as TributaryError;
  const response = await door.post('/v1/track', EVENT, bearer);
  door.writer.failure = undefined;
  assert.equal(response.status, 500);
  assert.doesNotMatch(await response.text(), /secret/);
});

test('an upload that breaks off leaves nothing behind', async () => {
  const before = door.writer.batches.length;
  const socket = connect(door.server.port, '127.0.0.1');
  const head = `POST /v1/track HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${WRITE_KEY}\r\n`;
  socket.write(`${head}Content-Length: 100000\r\n\r\n${'x'.repeat(5000)}`);
  await new Promise((resolve) => setTimeout(resolve, 50));
  socket.destroy();
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(door.writer.batches.length, before);
  const metrics = await (await fetch(`${door.url}/metrics`)).text();
  assert.match(metrics, /^tributary_ingest_in_flight_bytes 0$/m);
});

test('a browser may send from any page', async () => {
  const preflight = await fetch(`${door.url}/v1/batch`, {
    method: 'OPTIONS',
    headers: {
      Origin: 'https://shop.example',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,x-retry-count',
    },
  });
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers.get('access-control-allow-origin'), 'https://shop.example');
  const allowed = preflight.headers.get('access-control-allow-headers');
  assert.equal(allowed, 'authorization,x-retry-count');
  const headers = { ...bearer, Origin: 'https://shop.example' };
  const response = await door.post('/v1/t', EVENT, headers);
  assert.equal(response.headers.get('access-control-allow-origin'), 'https://shop.example');
  assert.match(response.headers.get('access-control-expose-headers') ?? '', /\bRetry-After\b/);
});

test('a preflight that names no headers is told of all that SDKs send', async () => {
  for (const path of ['/v1/t', '/api/s/s2s/track', '/v1/m', `/v1/projects/${WRITE_KEY}/settings`]) {
    const preflight = await fetch(door.url + path, { method: 'OPTIONS' });
    assert.equal(preflight.status, 204, path);
    const allowed = preflight.headers.get('access-control-allow-headers') ?? '';
    for (const name of ['authorization', 'content-type', 'x-retry-count', 'x-write-key']) {
      assert.ok(allowed.split(', ').includes(name), `${path} ${name}`);
    }
    assert.equal(preflight.headers.get('access-control-max-age'), '7200');
  }
});

test('the figures of the browser SDK are answered and dropped', async () => {
  const before = door.writer.batches.length;
  const response = await door.post('/v1/m', '{"series":[]}', { 'Content-Type': 'text/plain' });
  assert.deepEqual(await response.json(), { success: true });
  assert.equal(door.writer.batches.length, before);
});

test('unknown paths and wrong methods are told apart', async () => {
  const unknown = await door.post('/v1/nothing', EVENT);
  assert.equal(unknown.status, 404);
  const method = await fetch(`${door.url}/v1/batch`);
  assert.equal(method.status, 405);
  assert.equal(method.headers.get('allow'), 'POST, OPTIONS');
  assert.equal(await codeOf(method), 'TRIBUTARY_INGEST_METHOD_NOT_ALLOWED');
});

test('every route tells its methods, and a mistyped path the one that was meant', async () => {
  for (const [path, allowed] of [
    ['/v1/import', 'POST'],
    ['/v1/import/orders', 'GET, HEAD'],
    ['/v1/dead-letters', 'GET, HEAD'],
    ['/v1/dead-letters/replay', 'POST'],
    ['/v1/identity/resolve', 'GET, HEAD, POST'],
    ['/v1/lake/tasks', 'POST'],
    ['/v1/lake/tokens/x', 'DELETE'],
    ['/v1/profiles/x/graph', 'GET, HEAD'],
    ['/metrics', 'GET, HEAD'],
  ]) {
    const refused = await fetch(`${door.url}${path}`, { method: 'PATCH' });
    assert.deepEqual([refused.status, refused.headers.get('allow')], [405, allowed], path);
  }
  const mistyped = await door.post('/v1/trak', EVENT);
  assert.equal(mistyped.status, 404);
  assert.match(
    await mistyped.text(),
    /There is nothing at \/v1\/trak \(did you mean \/v1\/track\?\)/,
  );
  const other = await fetch(`${door.url}/${'x'.repeat(1000)}`);
  assert.doesNotMatch(await other.text(), /did you mean/);
  const plain = await fetch(`${door.url}/v1/stream`);
  assert.deepEqual([plain.status, plain.headers.get('upgrade')], [426, 'websocket']);
});

test('HEAD is answered as GET, without the body', async () => {
  const get = await fetch(`${door.url}/healthz`);
  const head = await fetch(`${door.url}/healthz`, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.headers.get('content-length'), get.headers.get('content-length'));
  assert.equal(await head.text(), '');
});

test('bytes in flight beyond the limit are answered 429', async () => {
  const small = await openFrontDoor({ inFlightBytesMax: EVENT.length + 1 });
  try {
    small.writer.hold();
    const first = small.post('/v1/track', EVENT, bearer);
    while (small.writer.batches.length === 0)
      await new Promise((resolve) => setTimeout(resolve, 5));
    const second = await small.post('/v1/track', EVENT, bearer);
    assert.equal(second.status, 429);
    assert.equal(await codeOf(second), 'TRIBUTARY_INGEST_IN_FLIGHT_FULL');
    small.writer.letGo();
    assert.equal((await first).status, 200);
    assert.equal((await small.post('/v1/track', EVENT, bearer)).status, 200);
  } finally {
    small.server.close();
  }
});

test('while a log takes no writes the appliance is alive, but not ready, and says why', async () => {
  const other = await openFrontDoor();
  try {
    const error = new TributaryError('TRIBUTARY_ENGINE_POISONED', { reason: 'ENOSPC' });
    other.server.setState({ ...other.ready, failure: () => error });
    const answer = await fetch(`${other.url}/readyz`);
    assert.equal(answer.status, 503);
    const body = (await answer.json()) as { phase: string; error: { code: string } };
    assert.deepEqual([body.phase, body.error.code], ['failed', 'TRIBUTARY_ENGINE_POISONED']);
    assert.equal((await fetch(`${other.url}/healthz`)).status, 200);
  } finally {
    other.server.close();
  }
});

test('before the appliance is ready, and while it stops, batches are answered 503', async () => {
  const other = await openFrontDoor();
  try {
    other.server.setState({ phase: 'starting', progress: '1 of 3 log files' });
    const starting = await other.post('/v1/track', EVENT, bearer);
    assert.equal(starting.status, 503);
    assert.equal(starting.headers.get('retry-after'), '1');
    const ready = await fetch(`${other.url}/readyz`);
    assert.equal(ready.status, 503);
    assert.match(await ready.text(), /1 of 3 log files/);
    assert.equal((await fetch(`${other.url}/healthz`)).status, 200);
    other.server.setState({ phase: 'stopping' });
    assert.equal((await other.post('/v1/track', EVENT, bearer)).status, 503);
  } finally {
    other.server.close();
  }
});
