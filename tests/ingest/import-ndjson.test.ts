import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { TributaryError } from '../../base/errors.ts';
import { LineJoiner } from '../../ingest/import-ndjson.ts';
import { type FrontDoor, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';

let door: FrontDoor;
before(async () => {
  door = await openFrontDoor();
});
after(() => door.server.close());

const joiner = new LineJoiner();

function batchOf(lines: string): string {
  const batch = joiner.join(Buffer.from(lines));
  return batch instanceof TributaryError ? batch.message : batch.bytes.toString();
}

test('every line becomes an event, blank lines become none', () => {
  assert.equal(batchOf('{"a":1}'), '{"batch":[{"a":1}]}');
  assert.equal(batchOf('{"a":1}\n{"b":2}\n'), '{"batch":[{"a":1}\n,{"b":2}\n]}');
  assert.equal(
    batchOf('\r\n \t\n{"a":1}\r\n\r\n  {"b":2}\r\n\n'),
    '{"batch":[{"a":1}\r\n,{"b":2}\r\n]}',
  );
  assert.equal(batchOf(''), '{"batch":[]}');
  assert.equal(batchOf('\n\n'), '{"batch":[]}');
});

test('a line that is no object is named', () => {
  for (const line of ['7', '[{}]', 'null', '{"a":', '"a"}', '],"sentAt":"x","y":[', '{"a":1},']) {
    assert.equal(batchOf(`{}\n\n${line}\n{}`), 'Line 3 of the body is not a JSON object.', line);
  }
});

test('a line end inside a string stays in it, where the decoder refuses it', () => {
  assert.match(batchOf('{"a":"}\n{"}'), /"}\n,{"/);
});

test('the lines of any objects are a batch of the same objects', () => {
  const objects = fc.array(fc.dictionary(fc.string(), fc.jsonValue()));
  fc.assert(
    fc.property(objects, fc.constantFrom('\n', '\r\n', '\n\n'), (events, lineEnd) => {
      const lines = events.map((event) => JSON.stringify(event)).join(lineEnd);
      const joined = joiner.join(Buffer.from(lines));
      assert.ok(!(joined instanceof TributaryError));
      const batch = JSON.parse(joined.bytes.toString());
      assert.deepEqual(batch, { batch: JSON.parse(JSON.stringify(events)) });
      assert.equal(joined.rows, events.length);
    }),
  );
});

test('a body of lines is stored as a batch, plain and compressed', async () => {
  const lines = '{"type":"page","userId":"a"}\n{"type":"page","userId":"b"}\n';
  const headers = { Authorization: `Bearer ${WRITE_KEY}`, 'Content-Type': 'application/x-ndjson' };
  const stored = '{"batch":[{"type":"page","userId":"a"}\n,{"type":"page","userId":"b"}\n]}';
  assert.equal((await door.post('/v1/batch', lines, headers)).status, 200);
  assert.equal(Buffer.from(door.writer.batches.at(-1)!.bytes).toString(), stored);
  const gzip = { ...headers, 'Content-Encoding': 'gzip' };
  assert.equal((await door.post('/v1/batch', gzipSync(lines), gzip)).status, 200);
  assert.equal(Buffer.from(door.writer.batches.at(-1)!.bytes).toString(), stored);

  const before = door.writer.batches.length;
  const refused = await door.post('/v1/batch', `${lines}7\n`, headers);
  assert.equal(refused.status, 400);
  const { error } = (await refused.json()) as { error: { code: string } };
  assert.equal(error.code, 'TRIBUTARY_INGEST_NDJSON_MALFORMED');
  assert.equal(door.writer.batches.length, before);
});
