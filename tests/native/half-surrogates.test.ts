/**
 * Text that was cut in the middle of an emoji: JSON.stringify writes half a surrogate pair as an escape.
 * It has no UTF-8, so it is stored as U+FFFD, and the event is warned about.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDecoder } from '../support/decode-payload.ts';

const CUT = '😀'.slice(0, 1);

function warningOf(index: number, path: string, messageId: string): object {
  return { index, code: 'surrogate_replaced', path, messageId };
}

test('half a pair is replaced wherever it stands, and its field is named', (context) => {
  const decode = openDecoder(context);
  const event = { type: 'page', userId: 'u', messageId: 'm' };
  const cases: readonly (readonly [object, string, string, string])[] = [
    [{ properties: { bio: `hi ${CUT}` } }, 'properties', 'properties', '{"bio":"hi \\ufffd"}'],
    [{ traits: { [CUT]: 1 } }, 'traits', 'traits', '{"\\ufffd":1}'],
    [{ context: { a: [{ b: CUT }] } }, 'context', 'context', '{"a":[{"b":"\\ufffd"}]}'],
    [{ name: `${CUT}!` }, 'name', 'name', '\ufffd!'],
    [{ userId: CUT }, 'userId', 'user_id', '\ufffd'],
    [{ channel: CUT }, '', 'extra', '{"channel":"\\ufffd"}'],
    [{ [CUT]: 1 }, '', 'extra', '{"\\ufffd":1}'],
  ];
  for (const [changes, path, column, stored] of cases) {
    const payload = JSON.stringify({ batch: [event, { ...event, ...changes }, event] });
    const { staged, rows } = decode(payload);
    assert.deepEqual(staged.rejections, []);
    assert.deepEqual(staged.warnings, [warningOf(1, path, 'm')], payload);
    assert.equal(rows[1]![column], stored);
    assert.equal(rows[2]!['message_id'], 'm');
  }
  const { staged } = decode(JSON.stringify({ ...event, messageId: `m${CUT}` }));
  assert.deepEqual(staged.warnings, [warningOf(0, 'messageId', 'm\ufffd')]);
});

test('one event has one warning, however much of it was replaced', (context) => {
  const payload = JSON.stringify({
    ...{ type: 'page', userId: 'u', messageId: 'm' },
    ...{ traits: { a: CUT.repeat(100) }, context: { b: CUT } },
  });
  assert.deepEqual(openDecoder(context)(payload).staged.warnings, [warningOf(0, 'traits', 'm')]);
});

test('events that take half a pair from their batch are warned about, the others are not', (context) => {
  const event = (messageId: string, more: object = {}): object => {
    return { type: 'page', userId: 'u', messageId, ...more };
  };
  const payload = JSON.stringify({
    context: { title: CUT },
    batch: [event('a'), event('b', { context: { title: 'own' } }), event('c', { context: {} })],
    writeKey: CUT,
  });
  const { staged, rows } = openDecoder(context)(payload);
  assert.deepEqual(staged.warnings, [warningOf(0, 'context', 'a'), warningOf(2, 'context', 'c')]);
  assert.deepEqual(
    rows.map((row) => row['context']),
    ['{"title":"\\ufffd"}', '{"title":"own"}', '{"title":"\\ufffd"}'],
  );
});

test('an event that is rejected keeps its text in a form that can be read, and is warned about', (context) => {
  const decode = openDecoder(context);
  const { staged } = decode(`{"batch":[{"type":"page","properties":{"bio":"\\uD83D"}},"\\ud83d"]}`);
  assert.deepEqual(
    staged.rejections.map(({ text }) => text),
    ['{"type":"page","properties":{"bio":"\\ufffd"}}', '"\\ufffd"'],
  );
  assert.deepEqual(staged.warnings, [warningOf(0, 'properties', 'seq-1')]);
});

test('what stands behind half a pair is judged as without it', (context) => {
  const decode = openDecoder(context);
  const event = (value: string): string =>
    `{"type":"page","userId":"u","properties":{"a":"\\ud83d","b":${value}}}`;
  for (const [value, code] of [
    ['1e999', 'TRIBUTARY_INGEST_NUMBER_OUT_OF_RANGE'],
    ['"\\ud83d\\x"', 'TRIBUTARY_INGEST_JSON_MALFORMED'],
    ['"\\ud83', 'TRIBUTARY_INGEST_JSON_MALFORMED'],
    ['"\\', 'TRIBUTARY_INGEST_JSON_MALFORMED'],
    [`${'['.repeat(80)}${']'.repeat(80)}`, 'TRIBUTARY_INGEST_JSON_TOO_DEEP'],
  ] as const) {
    assert.throws(() => decode(event(value)), { code });
  }
});
