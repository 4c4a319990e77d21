import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import type { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { StagedRows } from '../../engine/staged-rows.ts';
import { EVENT_TYPES } from '../../engine/types.ts';
import { DirectStaging } from '../support/direct-staging.ts';
import { temporaryHotStore } from '../support/hot-fixture.ts';
import { type Row, readRows } from '../support/read-rows.ts';
import { referenceRows } from '../support/reference-decoder.ts';

const RECEIVED_AT = Date.parse('2026-03-01T12:00:00.000Z') * 1000;
const NO_TYPE = EVENT_TYPES.length;

interface Decoder {
  decode(payload: string | Uint8Array, typeOfPath?: number): { staged: StagedRows; rows: Row[] };
  stagedRows(): number;
}

function openDecoder(context: TestContext): Decoder {
  const hot = temporaryHotStore(context);
  const staging = new DirectStaging(hot.events);
  let sequence = 1;
  return {
    stagedRows: () => hot.events.stagedRows,
    decode(payload, typeOfPath = NO_TYPE) {
      const bytes = Buffer.concat([Buffer.from(payload), Buffer.alloc(64)]);
      const staged = staging.stage('json', bytes, bytes.length - 64, {
        sequence,
        receivedAtMicros: RECEIVED_AT,
        sourceName: 'web',
        typeOfPath,
      });
      sequence += staged.count;
      const rows = readRows(staged.segment, staged.row);
      return { staged, rows };
    },
  };
}

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    return (error as TributaryError).code;
  }
  return 'accepted';
}

const track = { type: 'track', event: 'Order Completed', userId: 'u1', messageId: 'm1' };

test('an event becomes a row, its objects kept as the text that was sent', (context) => {
  const payload = `{"batch":[{"type":"track","event":"Order \\u00e9","userId":42,"anonymousId":null,
    "messageId":"m-1","timestamp":"2026-03-01T11:59:59.5Z","properties":{ "price" : 1.50, "big":1e2 } ,
    "context":{"ip":"203.0.113.9"},"channel":"web","writeKey":"secret","_metadata":{"a":[1,{}]}}],
    "sentAt":"2026-03-01T12:00:00.000Z"}`;
  const { rows, staged } = openDecoder(context).decode(payload);
  assert.deepEqual(staged.rejections, []);
  assert.deepEqual(rows, [
    {
      sequence: 1n,
      message_id: 'm-1',
      type: 'track',
      event: 'Order é',
      name: null,
      user_id: '42',
      anonymous_id: null,
      group_id: null,
      previous_id: null,
      anchor: 0,
      timestamp: BigInt(RECEIVED_AT) - 500_000n,
      original_timestamp: BigInt(RECEIVED_AT) - 500_000n,
      sent_at: BigInt(RECEIVED_AT),
      received_at: BigInt(RECEIVED_AT),
      source: 'web',
      properties: '{ "price" : 1.50, "big":1e2 }',
      traits: null,
      context: '{"ip":"203.0.113.9"}',
      integrations: null,
      extra: '{"channel":"web","_metadata":{"a":[1,{}]}}',
      hidden: false,
    },
  ]);
});

test('a payload that is refused as a whole leaves no row', (context) => {
  const decoder = openDecoder(context);
  const deep = (levels: number): string => {
    const inner = '['.repeat(levels - 2) + ']'.repeat(levels - 2);
    return JSON.stringify({ ...track, properties: 0 }).replace('0}', `{"a":${inner}}}`);
  };
  const many = (count: number): string =>
    JSON.stringify({ batch: Array.from({ length: count }, () => 0) });
  const cases: Readonly<Record<string, readonly [string | Uint8Array, string]>> = {
    empty: ['', 'TRIBUTARY_INGEST_JSON_MALFORMED'],
    'cut off': ['{"batch":[{"type":"track"', 'TRIBUTARY_INGEST_JSON_MALFORMED'],
    'a trailing comma': ['{"type":"track",}', 'TRIBUTARY_INGEST_JSON_MALFORMED'],
    'text behind the end': ['{} {}', 'TRIBUTARY_INGEST_JSON_MALFORMED'],
    'one level too deep': [deep(LIMITS.jsonDepthMax + 1), 'TRIBUTARY_INGEST_JSON_TOO_DEEP'],
    'a number beyond 64 bits': [
      '{"type":"track","n":123456789012345678901}',
      'TRIBUTARY_INGEST_NUMBER_OUT_OF_RANGE',
    ],
    'bad UTF-8': [Buffer.from('{"type":"\xff"}', 'latin1'), 'TRIBUTARY_INGEST_UTF8_INVALID'],
    'an array': ['[]', 'TRIBUTARY_INGEST_NOT_AN_EVENT'],
    'a batch that is no array': ['{"batch":{}}', 'TRIBUTARY_INGEST_NOT_AN_EVENT'],
    'one event too many': [
      many(LIMITS.batchEventsMax + 1),
      'TRIBUTARY_INGEST_BATCH_TOO_MANY_EVENTS',
    ],
  };
  for (const [name, [payload, code]] of Object.entries(cases)) {
    assert.equal(
      codeOf(() => decoder.decode(payload)),
      code,
      name,
    );
    assert.equal(decoder.stagedRows(), 0, name);
  }
  assert.equal(decoder.decode(deep(LIMITS.jsonDepthMax)).rows.length, 1);
  assert.equal(decoder.decode(many(LIMITS.batchEventsMax)).rows.length, LIMITS.batchEventsMax);
});

test('an event that breaks a rule is rejected with code and path, the others are kept', (context) => {
  const bad: Readonly<Record<string, readonly [unknown, string, string]>> = {
    'not an object': [7, 'TRIBUTARY_INGEST_EVENT_NOT_OBJECT', ''],
    'no type': [{ userId: 'u' }, 'TRIBUTARY_INGEST_TYPE_UNKNOWN', 'type'],
    'a type of its own': [{ ...track, type: 'purchase' }, 'TRIBUTARY_INGEST_TYPE_UNKNOWN', 'type'],
    'no event name': [{ ...track, event: '' }, 'TRIBUTARY_INGEST_FIELD_MISSING', 'event'],
    'a user that is an object': [{ ...track, userId: {} }, 'TRIBUTARY_INGEST_FIELD_TYPE', 'userId'],
    'traits that are text': [{ ...track, traits: 'x' }, 'TRIBUTARY_INGEST_FIELD_TYPE', 'traits'],
    'a bad timestamp': [
      { ...track, timestamp: '2026-02-30T00:00:00Z' },
      'TRIBUTARY_INGEST_TIMESTAMP_INVALID',
      'timestamp',
    ],
    'a long messageId': [
      { ...track, messageId: 'm'.repeat(LIMITS.messageIdBytesMax + 1) },
      'TRIBUTARY_INGEST_FIELD_TOO_LONG',
      'messageId',
    ],
    'a long userId': [
      { ...track, userId: 'u'.repeat(LIMITS.identifierBytesMax + 1) },
      'TRIBUTARY_INGEST_FIELD_TOO_LONG',
      'userId',
    ],
    nobody: [{ type: 'page', userId: null }, 'TRIBUTARY_INGEST_NOT_IDENTIFIABLE', 'userId'],
    'a group without id': [{ type: 'group' }, 'TRIBUTARY_INGEST_FIELD_MISSING', 'groupId'],
    'an alias of nothing': [{ type: 'alias' }, 'TRIBUTARY_INGEST_FIELD_MISSING', 'previousId'],
    'a large event': [
      { ...track, properties: { text: 'x'.repeat(LIMITS.eventBytesMax) } },
      'TRIBUTARY_INGEST_EVENT_TOO_LARGE',
      '',
    ],
  };
  const decoder = openDecoder(context);
  let sequence = 1n;
  for (const [name, [event, code, path]] of Object.entries(bad)) {
    const { staged, rows } = decoder.decode(JSON.stringify({ batch: [track, event, track] }));
    const sent = (event as { messageId?: string }).messageId;
    const messageId = sent !== undefined && sent.length <= LIMITS.messageIdBytesMax ? sent : null;
    const text = JSON.stringify(event);
    assert.deepEqual(staged.rejections, [{ index: 1, code, path, messageId, text }], name);
    assert.deepEqual(
      rows.map((row) => row.hidden),
      [false, true, false],
      name,
    );
    assert.deepEqual(
      rows.map((row) => row['sequence']),
      [sequence, sequence + 1n, sequence + 2n],
      name,
    );
    sequence += 3n;
  }
});

test('an event at each limit is accepted', (context) => {
  const decoder = openDecoder(context);
  const edge = {
    ...track,
    messageId: 'm'.repeat(LIMITS.messageIdBytesMax),
    userId: 'u'.repeat(LIMITS.identifierBytesMax),
    event: 'e'.repeat(LIMITS.eventNameBytesMax),
  };
  const room = LIMITS.eventBytesMax - JSON.stringify({ ...edge, properties: { t: '' } }).length;
  const full = JSON.stringify({ ...edge, properties: { t: 'x'.repeat(room) } });
  assert.equal(full.length, LIMITS.eventBytesMax);
  assert.deepEqual(decoder.decode(full).staged.rejections, []);
});

test('the type of the path overrides the type in the body', (context) => {
  const { rows } = openDecoder(context).decode(
    JSON.stringify({ ...track, type: 'page' }),
    EVENT_TYPES.indexOf('track'),
  );
  assert.equal(rows[0]!['type'], 'track');
});

test('a key named __proto__ is data like any other', (context) => {
  const { rows } = openDecoder(context).decode(
    '{"type":"page","userId":"u","__proto__":{"polluted":1},"properties":{"__proto__":{"x":1}}}',
  );
  assert.equal(rows[0]!['extra'], '{"__proto__":{"polluted":1}}');
  assert.equal(rows[0]!['properties'], '{"__proto__":{"x":1}}');
  assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
});

test('of a repeated key the last value counts, as in JSON.parse', (context) => {
  const { rows } = openDecoder(context).decode(
    '{"type":"page","userId":"a","userId":"b","properties":{"n":1},"properties":null}',
  );
  assert.equal(rows[0]!['user_id'], 'b');
  assert.equal(rows[0]!['properties'], null);
});

test('timestamps: offsets, fractions, skew and the future', (context) => {
  const decoder = openDecoder(context);
  const at = (event: object, envelope: object = {}): unknown => {
    const payload = JSON.stringify({ batch: [{ ...track, ...event }], ...envelope });
    const { rows, staged } = decoder.decode(payload);
    return (
      staged.rejections[0]?.code ?? new Date(Number(rows[0]!['timestamp']) / 1000).toISOString()
    );
  };
  const invalid = 'TRIBUTARY_INGEST_TIMESTAMP_INVALID';
  assert.equal(at({}), '2026-03-01T12:00:00.000Z');
  assert.equal(at({ timestamp: '2026-02-28' }), '2026-02-28T00:00:00.000Z');
  assert.equal(at({ timestamp: '2024-02-29T23:59:60Z' }), '2024-03-01T00:00:00.000Z');
  assert.equal(
    at({ timestamp: '2026-03-01T10:00:00.123456789+02:00' }),
    '2026-03-01T08:00:00.123Z',
  );
  assert.equal(at({ timestamp: '1969-12-31T23:00:00-0130' }), '1970-01-01T00:30:00.000Z');
  assert.equal(at({ timestamp: '0001-01-01T00:00:00Z' }), '0001-01-01T00:00:00.000Z');
  for (const bad of [
    '2026-13-01',
    '2026-03-01T24:00:00Z',
    '2026-03-01T10',
    'today',
    '1772366400',
    '2026-03-01T10:00:00+2',
    '2026-03-01T10:00:00.Z',
  ]) {
    assert.equal(at({ timestamp: bad }), invalid, bad);
  }
  // A device clock ten minutes behind: sentAt tells, and the event is moved by as much.
  const behind = { timestamp: '2026-03-01T11:49:00.000Z' };
  assert.equal(at(behind, { sentAt: '2026-03-01T11:50:00.000Z' }), '2026-03-01T11:59:00.000Z');
  assert.equal(at(behind, { sentAt: '2026-03-01T11:59:30.000Z' }), '2026-03-01T11:49:00.000Z');
  // A user-set time beside originalTimestamp is not corrected.
  const imported = { timestamp: '2020-01-01T00:00:00Z', originalTimestamp: '2026-03-01T11:50:00Z' };
  assert.equal(at(imported, { sentAt: '2026-03-01T11:50:00Z' }), '2020-01-01T00:00:00.000Z');
  assert.equal(at({ timestamp: '2026-03-02T12:00:00Z' }), '2026-03-02T12:00:00.000Z');
  assert.equal(at({ timestamp: '2026-03-02T12:00:01Z' }), '2026-03-01T12:00:00.000Z');
});

test('a batch that finds a dictionary full goes to the next segment as a whole', (context) => {
  const hot = temporaryHotStore(context);
  const staging = new DirectStaging(hot.events);
  const batchOf = (start: number): string =>
    JSON.stringify({
      batch: Array.from({ length: LIMITS.batchEventsMax }, (_, index) => ({
        type: 'track',
        event: `event ${start + index}`,
        // A column that only the batch which does not fit has values for.
        ...(start >= 60_000 ? { userId: `u${index}`, groupId: 'g' } : { anonymousId: 'x' }),
      })),
    });
  const stage = (text: string, sequence: number): StagedRows => {
    const bytes = Buffer.concat([Buffer.from(text), Buffer.alloc(64)]);
    return staging.stage('json', bytes, bytes.length - 64, {
      sequence,
      receivedAtMicros: RECEIVED_AT,
      sourceName: 'web',
      typeOfPath: NO_TYPE,
    });
  };
  for (let start = 0; start < 60_000; start += LIMITS.batchEventsMax) {
    assert.equal(stage(batchOf(start), start + 1).segment, hot.events.segments[0]);
  }
  const staged = stage(batchOf(60_000), 60_001);
  assert.equal(hot.events.segments[0]!.stagedRows, 60_000);
  assert.equal(staged.segment, hot.events.segments[1]);
  assert.equal(staged.row, 0);
  const [first, last] = [readRows(staged.segment)[0]!, readRows(staged.segment, 9_999)[0]!];
  assert.deepEqual([first['event'], first['user_id']], ['event 60000', 'u0']);
  assert.deepEqual([last['event'], last['sequence']], ['event 69999', 70_000n]);
  const before = readRows(hot.events.segments[0]!, 59_999)[0]!;
  assert.deepEqual(
    [before['event'], before['user_id'], before['group_id'], before['anonymous_id']],
    ['event 59999', null, null, 'x'],
  );
});

// ── against the reference ────────────────────────────────────────────────────────────────────────

const scalar = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
);
const object = fc.dictionary(
  fc.string({ maxLength: 8 }),
  fc.oneof(
    scalar,
    fc.array(scalar, { maxLength: 3 }),
    fc.dictionary(fc.string({ maxLength: 4 }), scalar, { maxKeys: 3 }),
  ),
  { maxKeys: 5 },
);
const isoTime = fc
  .date({ min: new Date('1970-01-01'), max: new Date('2027-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString());
const anyId = fc.oneof(
  { weight: 6, arbitrary: fc.string({ unit: 'grapheme', maxLength: 30 }) },
  { weight: 1, arbitrary: fc.integer() },
  { weight: 1, arbitrary: scalar },
);
const anyEvent = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record(
      {
        type: fc.oneof(
          { weight: 12, arbitrary: fc.constantFrom(...EVENT_TYPES) },
          { weight: 1, arbitrary: scalar },
        ),
        event: anyId,
        name: anyId,
        userId: anyId,
        anonymousId: anyId,
        groupId: anyId,
        previousId: anyId,
        messageId: fc.option(fc.uuid()),
        timestamp: fc.oneof({ weight: 8, arbitrary: isoTime }, { weight: 1, arbitrary: scalar }),
        originalTimestamp: fc.option(isoTime),
        sentAt: fc.option(isoTime),
        properties: fc.oneof({ weight: 8, arbitrary: object }, { weight: 1, arbitrary: scalar }),
        traits: fc.oneof({ weight: 8, arbitrary: object }, { weight: 1, arbitrary: scalar }),
        context: object,
        integrations: object,
        channel: scalar,
        writeKey: fc.string(),
      },
      { requiredKeys: ['type'] },
    ),
  },
  { weight: 1, arbitrary: scalar },
);
const anyPayload = fc.oneof(
  fc.record({ batch: fc.array(anyEvent, { maxLength: 8 }) }),
  fc.record({ batch: fc.array(anyEvent, { maxLength: 8 }), sentAt: isoTime }),
  fc.record({
    sentAt: isoTime,
    batch: fc.array(anyEvent, { maxLength: 8 }),
    writeKey: fc.string(),
  }),
  fc.record(
    {
      context: fc.oneof({ weight: 8, arbitrary: object }, { weight: 1, arbitrary: scalar }),
      batch: fc.array(anyEvent, { maxLength: 8 }),
      integrations: object,
    },
    { requiredKeys: ['batch'] },
  ),
  anyEvent.filter((event) => typeof event === 'object' && event !== null),
);
const space = fc.constantFrom(undefined, 1, '\t', '\r\n ');

test('the native decoder and the reference decoder give the same rows', (context) => {
  const decoder = openDecoder(context);
  const cases = Number(process.env['TRIBUTARY_FUZZ_CASES'] ?? 1500);
  let sequence = 1;
  fc.assert(
    fc.property(anyPayload, space, (payload, indent) => {
      const text = JSON.stringify(payload, null, indent);
      const { rows, staged } = decoder.decode(text);
      const expected = referenceRows(text, sequence, RECEIVED_AT, 'web');
      sequence += rows.length;
      assert.deepEqual(rows.map(parseJsonColumns), expected);
      const rejected = expected.flatMap((row, index) => (row.hidden ? [index] : []));
      assert.deepEqual(
        staged.rejections.map((rejection) => rejection.index),
        rejected,
      );
    }),
    { numRuns: cases },
  );
});

function parseJsonColumns(row: Row): Record<string, unknown> {
  const parsed: Record<string, unknown> = { ...row };
  for (const column of ['properties', 'traits', 'context', 'integrations', 'extra']) {
    if (typeof parsed[column] === 'string') parsed[column] = JSON.parse(parsed[column]);
  }
  return parsed;
}
