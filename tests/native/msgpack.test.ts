import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import type { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { msgpackToJson } from '../../engine/msgpack.ts';
import { referenceJson } from '../support/reference-msgpack.ts';

function textOf(payload: Uint8Array): string {
  const { bytes, length } = msgpackToJson(payload);
  return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString();
}

/** The text, or the code of the error. */
function resultOf(payload: Uint8Array): string {
  try {
    return textOf(payload);
  } catch (error) {
    return (error as TributaryError).code;
  }
}

function hex(text: string): Uint8Array {
  return Buffer.from(text.replaceAll(' ', ''), 'hex');
}

const MALFORMED = 'TRIBUTARY_INGEST_MSGPACK_MALFORMED';
const INVALID_UTF8 = 'TRIBUTARY_INGEST_UTF8_INVALID';
const TOO_LARGE = 'TRIBUTARY_INGEST_MSGPACK_TOO_LARGE';

test('each type of msgpack has its text', () => {
  const cases: Readonly<Record<string, string>> = {
    '00': '0',
    '7f': '127',
    e0: '-32',
    'cc ff': '255',
    'cd ffff': '65535',
    'ce ffffffff': '4294967295',
    'cf 001fffffffffffff': '9007199254740991',
    'cf 0020000000000000': '"9007199254740992"',
    'cf ffffffffffffffff': '"18446744073709551615"',
    'd0 80': '-128',
    'd1 8000': '-32768',
    'd2 80000000': '-2147483648',
    'd3 ffe0000000000001': '-9007199254740991',
    'd3 ffe0000000000000': '"-9007199254740992"',
    'd3 8000000000000000': '"-9223372036854775808"',
    'd3 0000000000000007': '7',
    'ca 3fc00000': '1.5',
    'cb 8000000000000000': '0',
    'cb 7ff8000000000000': 'null',
    'cb fff0000000000000': 'null',
    c0: 'null',
    c2: 'false',
    c3: 'true',
    a0: '""',
    'd9 01 61': '"a"',
    'da 0001 61': '"a"',
    'db 00000001 61': '"a"',
    'c4 00': '""',
    'c4 01 ff': '"/w=="',
    'c5 0002 ffff': '"//8="',
    'c6 00000003 000102': '"AAEC"',
    '90': '[]',
    'dc 0001 01': '[1]',
    'dd 00000002 01 02': '[1,2]',
    '80': '{}',
    'de 0001 a161 01': '{"a":1}',
    'df 00000002 a161 01 a162 90': '{"a":1,"b":[]}',
    'd6 ff 00000000': '"1970-01-01T00:00:00.000Z"',
    'd7 ff 77359400 00000001': '"1970-01-01T00:00:01.500Z"',
    'c7 0c ff 00000000 ffffffffffffffff': '"1969-12-31T23:59:59.000Z"',
    'c7 0c ff 00000000 0000003afff44180': '"+010000-01-01T00:00:00.000Z"',
    'c7 0c ff 00000000 fffffff184aa5080': '"-000001-01-01T00:00:00.000Z"',
    'c7 0c ff 00000000 7fffffffffffffff': 'null',
    // msgpackr's invalid Date
    'd4 ff ff': 'null',
    // undefined: left out of maps, null in arrays
    '92 d40000 01': '[null,1]',
    '83 a161 d40000 a162 01 a163 d40000': '{"b":1}',
    // keys that are numbers, booleans or nil
    '84 05 01 c0 01 c3 01 cf ffffffffffffffff 01':
      '{"5":1,"null":1,"true":1,"18446744073709551615":1}',
  };
  for (const [payload, text] of Object.entries(cases)) {
    assert.equal(resultOf(hex(payload)), text, payload);
  }
});

test('strings are escaped as JSON.stringify does', () => {
  const packr = new Packr();
  const all = String.fromCharCode(...Array.from({ length: 0x180 }, (_, code) => code));
  for (let start = 0; start < all.length; start += 1) {
    for (const length of [1, 7, 8, 9, 40]) {
      const text = all.slice(start, start + length);
      assert.equal(textOf(packr.pack(text)), JSON.stringify(text));
    }
  }
});

/** Whether JSON's reader takes the text: an integer of 64 bits, or a number with point or exponent. */
function isReadable(value: number): boolean {
  return !(Math.abs(value) < 1e21 && (value >= 2 ** 64 || value <= -(2 ** 63)));
}

test('numbers are written as JavaScript writes them', () => {
  const packr = new Packr();
  const edges = [1e21, 2 ** 62, 1e-6, 1e-7, 1.5e-7, 5e-324, 1.7976931348623157e308];
  for (const edge of edges) {
    for (const value of [edge, -edge]) assert.equal(textOf(packr.pack(value)), String(value));
  }
  fc.assert(
    fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }).filter(isReadable), (value) => {
      assert.equal(textOf(packr.pack(value)), JSON.stringify(value));
    }),
  );
  // Prices and the like: few decimals, and doubles just beside them.
  const parts = fc.tuple(fc.maxSafeInteger(), fc.nat(9), fc.integer({ min: -1, max: 1 }));
  fc.assert(
    fc.property(parts, ([digits, decimals, beside]) => {
      const value = (digits / 10 ** decimals) * (1 + beside * Number.EPSILON);
      assert.equal(textOf(packr.pack(value)), JSON.stringify(value));
    }),
  );
});

test('a double that JSON would take for an integer beyond 64 bits is refused as in JSON', () => {
  const packr = new Packr();
  const largest = 2 ** 64 - 2048;
  assert.equal(textOf(packr.pack(largest)), String(largest));
  assert.equal(textOf(packr.pack(-(2 ** 63) + 1024)), String(-(2 ** 63) + 1024));
  for (const value of ['cb 43f0000000000000', 'cb c3e0000000000000', 'cb 4415af1d78b58c40']) {
    assert.equal(resultOf(hex(value)), 'TRIBUTARY_INGEST_NUMBER_OUT_OF_RANGE', value);
  }
});

test('a payload that is no msgpack is refused', () => {
  const refused: Readonly<Record<string, string>> = {
    nothing: '',
    'a token of no type': 'c1',
    'a value behind the value': '01 01',
    'an array of more than there is': 'dd ffffffff 01',
    'a map of more than there is': 'df ffffffff a161 01',
    'a string of more than there is': 'db ffffffff 61',
    'bytes of more than there are': 'c6 ffffffff 61',
    'an extension of more than there is': 'c9 ffffffff ff 61',
    'an extension of an unknown type': 'd4 05 00',
    'a map as a key': '81 80 01',
    'bytes as a key': '81 c40161 01',
    'undefined alone': 'd4 00 00',
    'a record without keys': 'd4 72 40',
    'a record whose keys are no array': 'd4 72 40 a161 01',
    'a record with a key that is no text': 'd4 72 40 91 01 01',
    'a record without its values': 'd4 72 40 91 a161',
    'a record as a key': '92 d47240 91a161 01 81 4001 01',
    'a second byte behind a low id': 'd5 72 41 00 91 a161 01',
    'a second byte that was not defined': '92 d5 72 60 00 91 a161 01 60 07 01',
  };
  for (const [name, payload] of Object.entries(refused)) {
    assert.equal(resultOf(hex(payload)), MALFORMED, name);
  }
});

test('a payload that is cut off anywhere is refused', () => {
  const event = {
    at: new Date(0),
    bytes: Buffer.alloc(300),
    n: 1.5,
    big: 2 ** 40,
    text: 'é'.repeat(99),
  };
  for (const useRecords of [false, true]) {
    const payload = new Packr({ useRecords }).pack({
      batch: [event, event, { ...event, more: null }],
    });
    assert.equal(textOf(payload), referenceJson(payload));
    for (let length = 0; length < payload.length; length += 1) {
      assert.equal(resultOf(payload.subarray(0, length)), MALFORMED, `${length} bytes`);
    }
  }
});

test('a record that ends within its keys is refused, whatever lies behind the payload', () => {
  const memory = Buffer.concat([hex('d4 72 40 95 a474797065'), Buffer.alloc(64, '}],"')]);
  const payload = new Uint8Array(memory.buffer, memory.byteOffset, 9);
  assert.equal(resultOf(payload), MALFORMED);
  const string = Buffer.concat([hex('d4 72 40 92 a161'), Buffer.alloc(64, 0xa1)]);
  assert.equal(resultOf(new Uint8Array(string.buffer, string.byteOffset, 6)), MALFORMED);
});

test('records are understood where they are defined, and forgotten after the payload', () => {
  // {"a":1} defines 0x40; then the record again, and the same id with other keys.
  const define = 'd4 72 40 91 a161 01';
  assert.equal(
    resultOf(hex(`94 ${define} 40 02 d4 72 40 91 a162 03 40 04`)),
    '[{"a":1},{"a":2},{"b":3},{"b":4}]',
  );
  assert.equal(resultOf(hex('40')), '64');
  // A record inside that takes the id of the one around it.
  assert.equal(
    resultOf(hex('d4 72 40 92 a161 a162 d4 72 40 91 a163 01 02')),
    '{"a":{"c":1},"b":2}',
  );
  assert.equal(resultOf(hex('92 d4 72 41 90 41')), '[{},{}]');
});

test('thousands of record shapes take ids of two bytes', () => {
  const packr = new Packr({ useRecords: true, maxOwnStructures: 8000 });
  const shapes = Array.from({ length: 3000 }, (_, index) => ({ [`k${index}`]: index, same: true }));
  const payload = packr.pack([...shapes, ...shapes]);
  assert.ok(payload.includes(Buffer.from([0xd5, 0x72])), 'ids of two bytes are in use');
  assert.equal(textOf(payload), referenceJson(payload));
});

test('nesting is limited as in JSON: every value is a level, the innermost too', () => {
  for (const opening of ['91', '81a161', 'd4724091a161']) {
    const nested = (levels: number): Uint8Array => hex(`${opening.repeat(levels - 1)}c0`);
    assert.match(resultOf(nested(LIMITS.jsonDepthMax)), /null/);
    assert.equal(resultOf(nested(LIMITS.jsonDepthMax + 1)), 'TRIBUTARY_INGEST_JSON_TOO_DEEP');
    assert.equal(resultOf(nested(100_000)), 'TRIBUTARY_INGEST_JSON_TOO_DEEP');
  }
});

test('strings that are not UTF-8 refuse the payload', () => {
  for (const payload of ['a1 ff', 'a2 c3a9 c3', 'a3 eda0bd', '81 a1ff 01', 'd4 72 40 91 a1ff 01']) {
    const bytes = hex(payload);
    const expected = payload === 'a2 c3a9 c3' ? MALFORMED : INVALID_UTF8;
    assert.equal(resultOf(bytes), expected, payload);
  }
  assert.equal(resultOf(hex('92 a1c3 a1a9')), INVALID_UTF8, 'half a character in each of two');
});

test('records that multiply their keys end at the limit of the text', () => {
  const key = Buffer.alloc(60_000, 'k');
  const records = 279;
  // An array of `{"k…":1},` once for each record, and a string.
  const used = 2 + records * (key.length + 7) + 2;
  const payload = (textBytes: number): Uint8Array =>
    Buffer.concat([
      hex('dc 0118 d4 72 40 91 da ea60'),
      key,
      hex('01'),
      Buffer.alloc((records - 1) * 2, hex('4001')),
      hex(`da ${textBytes.toString(16).padStart(4, '0')}`),
      Buffer.alloc(textBytes, 'x'),
    ]);
  const room = LIMITS.msgpackTextBytesMax - used;
  assert.equal(resultOf(payload(room)).length, LIMITS.msgpackTextBytesMax);
  assert.equal(resultOf(payload(room + 1)), TOO_LARGE);
});

// ── against msgpackr ─────────────────────────────────────────────────────────────────────────────

const cases = Number(process.env['TRIBUTARY_FUZZ_CASES'] ?? 1500);
const anyValue = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthSize: 'small' },
    fc.string({ unit: 'grapheme', maxLength: 40 }),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double().filter(isReadable),
    fc.float().filter(isReadable),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }),
    fc.boolean(),
    fc.constantFrom(null, undefined),
    fc.date(),
    fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes)),
    fc.array(tie('value'), { maxLength: 20 }),
    fc.dictionary(
      fc.string({ maxLength: 20 }).filter((key) => key !== '__proto__'),
      tie('value'),
      {
        maxKeys: 20,
      },
    ),
  ),
})).value;
const anyPackr = fc.constantFrom(
  new Packr({ useRecords: false }),
  new Packr({ useRecords: true }),
  new Packr({ useRecords: true, maxOwnStructures: 500 }),
  new Packr({ useRecords: false, variableMapSize: true, useFloat32: 1 }),
);

test('the parser and msgpackr give the same text', () => {
  fc.assert(
    fc.property(fc.array(anyValue, { maxLength: 8 }), anyPackr, (values, packr) => {
      const payload = packr.pack(values.concat(values));
      assert.equal(textOf(payload), referenceJson(payload));
    }),
    { numRuns: cases },
  );
});

test('damaged payloads are refused or give JSON, and do no harm', () => {
  const damage = fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(anyValue, anyPackr, damage, (value, packr, changes) => {
      const payload = Buffer.from(packr.pack([value, value]));
      for (const [at, byte] of changes) payload[at % payload.length] = byte;
      const result = resultOf(payload);
      if (!result.startsWith('TRIBUTARY_')) JSON.parse(result);
    }),
    { numRuns: cases },
  );
});
