import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import fc from 'fast-check';
import { eventOfQuery } from '../../ingest/pixel-event.ts';
import { type FrontDoor, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';

let door: FrontDoor;
before(async () => {
  door = await openFrontDoor();
});
after(() => door.server.close());

const read = (query: string): unknown => JSON.parse(Buffer.from(eventOfQuery(query)).toString());

async function loadPixel(path: string): Promise<void> {
  const response = await fetch(door.url + path);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-type'), 'image/gif');
  assert.equal(response.headers.get('cache-control'), 'no-store');
  const bytes = Buffer.from(await response.arrayBuffer());
  assert.equal(bytes.toString('latin1', 0, 6), 'GIF89a');
}

test('a pixel sends its parameters as an event', async () => {
  const query = 'anonymousId=a1&userId=u1&event=Mail+Opened&properties.campaign.id=7';
  await loadPixel(`/pixel/v1/track?writeKey=${WRITE_KEY}&${query}`);
  const batch = door.writer.batches.at(-1)!;
  assert.equal(batch.typeOfPath, 'track');
  assert.deepEqual(JSON.parse(Buffer.from(batch.bytes).toString()), {
    anonymousId: 'a1',
    userId: 'u1',
    event: 'Mail Opened',
    properties: { campaign: { id: '7' } },
  });
});

test('a pixel sends the event in its data, with the key inside', async () => {
  const event = { writeKey: WRITE_KEY, userId: 'u1', name: 'Ünïcode ?>' };
  const data = Buffer.from(JSON.stringify(event)).toString('base64');
  await loadPixel(`/v1/pixel/page?data=${data}`);
  const batch = door.writer.batches.at(-1)!;
  assert.equal(batch.typeOfPath, 'page');
  assert.deepEqual(JSON.parse(Buffer.from(batch.bytes).toString()), event);
});

test('a refused pixel is the same picture, and nothing is stored', async () => {
  const before = door.writer.batches.length;
  await loadPixel('/pixel/v1/track?userId=u1&event=x');
  await loadPixel('/pixel/v1/track?writeKey=nobody&userId=u1&event=x');
  assert.equal(door.writer.batches.length, before);
});

test('what comes first keeps a name, and __proto__ is a name', () => {
  assert.deepEqual(read('a=1&a.b=2&a=3'), { a: '1' });
  assert.deepEqual(read('a.b=1&a=2&a.c=3'), { a: { b: '1', c: '3' } });
  const text = Buffer.from(eventOfQuery('__proto__.x=1')).toString();
  assert.equal(text, '{"__proto__":{"x":"1"}}');
  assert.equal(({} as Record<string, unknown>)['x'], undefined);
});

test('any query gives JSON', () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.string()), (parameters) => {
      const { data: _data, ...rest } = parameters;
      assert.equal(typeof read(new URLSearchParams(rest).toString()), 'object');
    }),
  );
});
