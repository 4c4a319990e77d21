import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { formatOf } from '../../ingest/import-formats.ts';
import { type FrontDoor, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';

let door: FrontDoor;
before(async () => {
  door = await openFrontDoor();
});
after(() => door.server.close());

test('Content-Type tells NDJSON and msgpack, under any of their names', () => {
  for (const name of ['x-ndjson', 'ndjson', 'jsonl', 'x-jsonlines', 'X-NDJSON; charset=utf-8']) {
    assert.equal(formatOf(`application/${name}`), 'ndjson', name);
  }
  for (const name of ['msgpack', 'x-msgpack', 'vnd.msgpack']) {
    assert.equal(formatOf(`application/${name}`), 'msgpack', name);
  }
  for (const type of [
    '',
    'application/json',
    'text/plain',
    'application/x-www-form-urlencoded',
    'application/x-ndjsonx',
  ]) {
    assert.equal(formatOf(type), 'json', type);
  }
});

test('the engine is told the format of the body', async () => {
  // Whatever the codec, the engine of this test reads JSON.
  const body = '{"batch":[{"type":"page","userId":"u"}]}';
  for (const [type, codec] of [
    ['application/msgpack', 'msgpack'],
    ['text/plain', 'json'],
  ] as const) {
    const headers = { 'Content-Type': type, 'X-Write-Key': WRITE_KEY };
    assert.equal((await door.post('/v1/batch', body, headers)).status, 200);
    assert.equal(door.writer.batches.at(-1)?.codec, codec);
  }
});

test('a key inside msgpack is not looked for', async () => {
  const body = JSON.stringify({ writeKey: WRITE_KEY, type: 'page', userId: 'u' });
  const response = await door.post('/v1/page', body, { 'Content-Type': 'application/msgpack' });
  assert.equal(response.status, 401);
});
