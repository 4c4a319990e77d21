/**
 * The decoder's verdict on every class of JSON text, held against RFC 8259 and JSON.parse. Each text is
 * tried as a whole body, as a value in an event's properties, and in the middle of a batch, where a walk
 * that got out of step would show in the next event.
 *
 * Where the decoder and JSON.parse differ, it is by intent: numbers that fit neither 64 bits nor a
 * double and texts nested too deeply are refused, for no reader of the stored rows could be given what
 * was sent; half surrogate pairs are replaced. Each has its test here.
 */
import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { type TestContext, test } from 'node:test';
import { LIMITS } from '../../base/limits.ts';
import { DecoderProbe, type Decoding } from '../fuzz/decoder-probe.ts';
import {
  BYTE_ORDER_MARK,
  INVALID,
  type JsonText,
  LONE_SURROGATES,
  NOT_UTF8,
  NUMBERS_OUT_OF_RANGE,
  NUMBERS_ROUNDED,
  nested,
  UTF_16,
  VALID,
} from '../fuzz/json-cases.ts';
import { temporaryHotDirectory } from '../support/hot-fixture.ts';

const MALFORMED = 'TRIBUTARY_INGEST_JSON_MALFORMED';
const OUT_OF_RANGE = 'TRIBUTARY_INGEST_NUMBER_OUT_OF_RANGE';
const TOO_DEEP = 'TRIBUTARY_INGEST_JSON_TOO_DEEP';
const INVALID_UTF8 = 'TRIBUTARY_INGEST_UTF8_INVALID';
const NOT_AN_EVENT = 'TRIBUTARY_INGEST_NOT_AN_EVENT';

const BEFORE = '{"batch":[{"type":"page","userId":"a","properties":{"v":';
const BEHIND = '}},{"type":"page","userId":"b","name":"next","properties":{"n":[1]}}]}';

function openProbe(context: TestContext): DecoderProbe {
  const probe = new DecoderProbe(temporaryHotDirectory(context));
  context.after(() => probe.close());
  return probe;
}

function asBytes(text: JsonText): Buffer {
  return typeof text === 'string' ? Buffer.from(text) : text;
}

function asProperty(text: JsonText): Buffer {
  return Buffer.concat([Buffer.from(BEFORE), asBytes(text), Buffer.from(BEHIND)]);
}

function show(text: JsonText): string {
  return JSON.stringify(asBytes(text).subarray(0, 80).toString('latin1'));
}

function parses(bytes: Buffer): boolean {
  if (!isUtf8(bytes)) return false;
  try {
    JSON.parse(bytes.toString('utf8'));
    return true;
  } catch {
    return false;
  }
}

/** As a whole body: valid JSON that is no event is refused for that, and for nothing else. */
function isJson({ code }: Decoding): boolean {
  return code === '' || code === NOT_AN_EVENT;
}

function assertKeptAsSent(probe: DecoderProbe, text: JsonText): void {
  const { code, rows } = probe.decode(asProperty(text));
  assert.equal(code, '', show(text));
  assert.equal(rows.length, 2, show(text));
  assert.equal(rows[0]!['properties'], `{"v":${asBytes(text)}}`, show(text));
  assert.equal(rows[1]!['name'], 'next', show(text));
  assert.equal(rows[1]!['properties'], '{"n":[1]}', show(text));
}

/** Refused with `code`, in a body of its own and within an event. */
function assertRefused(probe: DecoderProbe, text: JsonText, code: string): void {
  assert.equal(probe.decode(asBytes(text)).code, code, show(text));
  assert.equal(probe.decode(asProperty(text)).code, code, show(text));
}

test('every valid text is accepted and kept to the letter', (context) => {
  const probe = openProbe(context);
  for (const text of VALID) {
    assert.ok(parses(asBytes(text)), `JSON.parse reads ${show(text)}`);
    assert.ok(isJson(probe.decode(asBytes(text))), show(text));
    assertKeptAsSent(probe, text);
  }
});

test('every invalid text is refused, as a body and inside an event', (context) => {
  const probe = openProbe(context);
  for (const text of INVALID) {
    assert.ok(!parses(asBytes(text)), `JSON.parse refuses ${show(text)}`);
    const { code } = probe.decode(asBytes(text));
    assert.ok(
      code !== '' && code !== NOT_AN_EVENT && code !== OUT_OF_RANGE,
      `${code}: ${show(text)}`,
    );
    // A few, like `1}`, close what they stand in: then the text around them decides.
    const inside = asProperty(text);
    assert.equal(isJson(probe.decode(inside)), parses(inside), show(text));
  }
});

test('a number that fits neither 64 bits nor a double is refused, where JSON.parse rounds', (context) => {
  const probe = openProbe(context);
  for (const text of NUMBERS_OUT_OF_RANGE) {
    assert.ok(parses(asBytes(text)));
    assertRefused(probe, text, OUT_OF_RANGE);
  }
});

test('a number too close to zero for a double is kept to the letter', (context) => {
  const probe = openProbe(context);
  for (const text of NUMBERS_ROUNDED) assertKeptAsSent(probe, text);
});

test('half a surrogate pair, which JSON.parse lets pass, becomes U+FFFD with a warning', (context) => {
  const probe = openProbe(context);
  for (const [sent, stored] of LONE_SURROGATES) {
    assert.ok(parses(asBytes(sent)));
    const { code, rows, repaired } = probe.decode(asProperty(sent));
    assert.equal(code, '', sent);
    assert.deepEqual(
      rows.map((row) => row['properties']),
      [`{"v":${stored}}`, '{"n":[1]}'],
    );
    assert.deepEqual(repaired, [0], sent);
    assert.deepEqual(probe.decode(asProperty(stored)).repaired, [], stored);
  }
});

test('bytes that are not UTF-8 are refused, not replaced', (context) => {
  const probe = openProbe(context);
  for (const text of NOT_UTF8) assertRefused(probe, text, INVALID_UTF8);
});

test('UTF-16 is refused', (context) => {
  const probe = openProbe(context);
  for (const text of UTF_16) assertRefused(probe, text, MALFORMED);
});

test('a byte order mark is refused, as JSON.parse does', (context) => {
  const probe = openProbe(context);
  for (const text of BYTE_ORDER_MARK) {
    assert.ok(!parses(asBytes(text)));
    assertRefused(probe, text, MALFORMED);
  }
});

test('nesting is limited; JSON.parse goes to the end of its stack', (context) => {
  const probe = openProbe(context);
  // Every value counts as a level, the innermost too. Around these stand body, batch, event, properties.
  const levels = LIMITS.jsonDepthMax - 5;
  assertKeptAsSent(probe, nested(levels));
  assert.equal(probe.decode(asProperty(nested(levels + 1))).code, TOO_DEEP);
  for (const text of [nested(LIMITS.jsonDepthMax + 1), nested(500), nested(100_000)]) {
    assertRefused(probe, text, TOO_DEEP);
  }
});
