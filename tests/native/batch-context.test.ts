/** What a batch says once for all of its events: `context` and `integrations` beside `batch`. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Packr } from 'msgpackr';
import type { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { openDecoder } from '../support/decode-payload.ts';

const page = '"type":"page","userId":"u"';

test('an event takes from its batch what it does not say itself, as text', (context) => {
  const decode = openDecoder(context);
  const contextOf = (own: string, ofBatch: string): unknown => {
    const event = own === '' ? `{${page}}` : `{${page},"context":${own}}`;
    return decode(`{"batch":[${event}],"context":${ofBatch}}`).rows[0]!['context'];
  };
  assert.equal(contextOf('', '{ "ip" : 1.50 }'), '{ "ip" : 1.50 }');
  assert.equal(contextOf('null', '{"ip":1}'), '{"ip":1}');
  assert.equal(contextOf('{"ip":2}', '{"ip":1}'), '{"ip":2}');
  assert.equal(contextOf('{"ip":null}', '{"ip":1}'), '{"ip":null}');
  assert.equal(
    contextOf('{ "os": {"name":"x"} }', '{"ip":1e2}'),
    '{"ip":1e2, "os": {"name":"x"} }',
  );
  assert.equal(contextOf('{ }', '{"ip":1}'), '{"ip":1}');
  assert.equal(contextOf('{"a":1}', '{ }'), '{"a":1}');
  // One level deep: an object is taken or left as a whole.
  assert.equal(contextOf('{"os":{"name":"x"}}', '{"os":{"version":9}}'), '{"os":{"name":"x"}}');
  // Keys are compared unescaped; of a repeated one the last counts.
  assert.equal(contextOf('{"\\u0069p":2}', '{"ip":1}'), '{"\\u0069p":2}');
  assert.equal(contextOf('{"b":1}', '{"a":1,"a":2}'), '{"a":2,"b":1}');
  // What is no object says nothing.
  assert.equal(contextOf('', '"text"'), null);
  assert.equal(contextOf('', 'null'), null);
});

test('both objects are inherited by every event, wherever they stand in the batch', (context) => {
  const decode = openDecoder(context);
  const events = `"batch":[{${page}},{${page},"integrations":{"All":true}}]`;
  for (const payload of [
    `{"context":{"ip":1},"integrations":{"All":false},${events}}`,
    `{${events},"integrations":{"All":false},"context":{"ip":1}}`,
    `{"integrations":{"x":{}},"context":{"x":[]},${events},"context":{"ip":1},"integrations":{"All":false}}`,
  ]) {
    assert.deepEqual(
      decode(payload).rows.map((row) => [row['context'], row['integrations']]),
      [
        ['{"ip":1}', '{"All":false}'],
        ['{"ip":1}', '{"All":true}'],
      ],
    );
  }
  // Nothing of it is left for the next batch, and the context of a single event is its own.
  assert.equal(decode(`{"batch":[{${page}}]}`).rows[0]!['context'], null);
  assert.equal(decode(`{${page},"context":{"ip":3}}`).rows[0]!['context'], '{"ip":3}');
});

test('a context or integrations that is no object is warned about, once a batch', (context) => {
  const decode = openDecoder(context);
  const warnings = (members: string, events = `{${page},"messageId":"first"},{${page}}`): unknown =>
    decode(`{"batch":[${events}],${members}}`).staged.warnings;
  const ignored = (path: string): object => {
    return { index: 0, code: 'batch_member_ignored', path, messageId: 'first' };
  };
  assert.deepEqual(warnings('"context":"text"'), [ignored('context')]);
  assert.deepEqual(warnings('"integrations":[1],"context":7'), [
    ignored('context'),
    ignored('integrations'),
  ]);
  assert.deepEqual(warnings('"context":null,"integrations":{}'), []);
  // Of a repeated key the last counts.
  assert.deepEqual(warnings('"context":7,"context":{}'), []);
  assert.deepEqual(warnings('"context":7', ''), []);
  assert.deepEqual(decode(`{${page},"context":null}`).staged.warnings, []);
});

test('an event is measured with what it inherits', (context) => {
  const decode = openDecoder(context);
  const batch = (bytes: number): string =>
    `{"context":{"t":"${'x'.repeat(bytes - 8)}"},"batch":[{${page}}]}`;
  const room = LIMITS.eventBytesMax - `{${page}}`.length;
  assert.deepEqual(decode(batch(room)).staged.rejections, []);
  assert.equal(
    decode(batch(room + 1)).staged.rejections[0]?.code,
    'TRIBUTARY_INGEST_EVENT_TOO_LARGE',
  );
});

test('a context that many events would multiply beyond the limit refuses the batch', (context) => {
  const decode = openDecoder(context);
  const count = 1024;
  const bytes = LIMITS.batchInheritedBytesMax / count;
  const batch = (contextBytes: number): string => {
    const events = Array.from({ length: count }, () => `{${page}}`).join(',');
    return `{"context":{"t":"${'x'.repeat(contextBytes - 8)}"},"batch":[${events}]}`;
  };
  assert.equal(decode(batch(bytes)).staged.count, count);
  assert.throws(
    () => decode(batch(bytes + 1)),
    (error: TributaryError) => error.code === 'TRIBUTARY_INGEST_BATCH_CONTEXT_TOO_LARGE',
  );
});

test('what stands beside a msgpack batch is inherited as in JSON, before and behind it', (context) => {
  const decode = openDecoder(context);
  const packr = new Packr({ useRecords: false });
  const event = { type: 'page', userId: 'u', context: { os: { name: 'x' }, ip: 1 } };
  const bare = { type: 'page', userId: 'u' };
  for (const batch of [
    { batch: [event, bare], context: { ip: 2, locale: 'de' }, integrations: { All: true } },
    { context: { ip: 2, locale: 'de' }, batch: [event, bare] },
    { batch: [event, bare], context: 'text' },
    { ...event, integrations: { All: false } },
  ]) {
    const { rows } = decode(packr.pack(batch), {}, 'msgpack');
    assert.deepEqual(rows, decode(JSON.stringify(batch)).rows);
  }
});
