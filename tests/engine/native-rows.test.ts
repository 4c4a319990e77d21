/** The native writer of rows against the one in JavaScript, which is its oracle. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as arrow from 'apache-arrow';
import fc from 'fast-check';
import { eventWriterOf } from '../../engine/event-columns.ts';
import { JsonWriter } from '../../engine/json-writer.ts';
import { nativeRowsOf } from '../../engine/native-columns.ts';
import { textOfRows } from '../support/column-rows.ts';

const ROWS = 20;

/** Rows by the oracle, each as its own text. */
function slowly(batch: arrow.RecordBatch): string[] {
  const write = eventWriterOf(batch);
  return Array.from({ length: batch.numRows }, (_, row) => {
    const out = new JsonWriter();
    write(out, row, `import-x-${7 + row}`);
    return out.take().toString('utf8');
  });
}

function natively(batch: arrow.RecordBatch, bytesMax: number): string[] {
  const rows = nativeRowsOf(batch);
  assert.ok(rows !== undefined, 'of types that are written natively');
  const texts: string[] = [];
  for (let row = 0; row < batch.numRows; ) {
    const count = rows.write(row, 'import-x-', 7 + row, bytesMax, 6);
    assert.ok(count > 0 && count <= 6);
    texts.push(textOfRows(rows));
    row += count;
  }
  return texts;
}

/** Numbers keep their digits, and escapes may be written in either way. */
function sameRows(batch: arrow.RecordBatch, bytesMax: number): void {
  const parsed = (text: string): unknown =>
    JSON.parse(text.replace(/:(-?\d{16,})([,}])/g, ':"digits $1"$2'));
  assert.deepEqual(
    parsed(`[${natively(batch, bytesMax).join(',')}]`),
    parsed(`[${slowly(batch).join(',')}]`),
  );
}

function batchOf(columns: Record<string, arrow.Vector>): arrow.RecordBatch {
  return new arrow.Table(columns).batches[0]!;
}

function someOf<Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<(Value | null)[]> {
  return fc.array(fc.option(value, { freq: 4 }), { minLength: ROWS, maxLength: ROWS });
}

function vector(type: arrow.DataType, values: readonly unknown[]): arrow.Vector {
  return arrow.vectorFromArray(values as unknown[], type);
}

const text = fc.string({ unit: 'grapheme', maxLength: 40 });
/**
 * JSON that is an object, JSON that is something else, and what is no JSON. Integers beyond 64 bits are left
 * out: natively their text is no object, since the decoder would refuse the batch for them.
 */
const objectText = fc
  .oneof(
    fc.dictionary(text, fc.jsonValue({ depthSize: 'small' })).map((value) => JSON.stringify(value)),
    fc.dictionary(text, fc.double()).map((value) => ` ${JSON.stringify(value, null, 1)}\n`),
    fc.constantFrom('{}', '{ }', ' null ', '[1]', '3', '"x"', '', '{', '{"a":1}}', '{"a":}'),
    fc.constantFrom(
      '{"half":"\\ud83d"}',
      '{"whole":"\\ud83d\\ude00"}',
      '{"a":1},"userId":{}',
      '\ufeff{}',
    ),
  )
  .filter((json) => !/\d{19}/.test(json));

test('random columns of every native type give the rows of the oracle', () => {
  const scalar = arrow.Float64;
  const columns = fc.record({
    userId: someOf(text),
    event: someOf(fc.constantFrom('Bought', 'Seen "twice"', '')),
    at: someOf(fc.bigInt({ min: -(10n ** 19n) / 2n, max: 10n ** 19n / 2n })),
    timestamp: someOf(fc.bigInt({ min: -(10n ** 17n), max: 3n * 10n ** 17n })),
    properties: someOf(objectText),
    traits: someOf(objectText),
    price: someOf(fc.double()),
    ratio: someOf(fc.float()),
    small: someOf(fc.integer({ min: -128, max: 127 })),
    unsigned: someOf(fc.nat(65535)),
    big: someOf(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
    flag: someOf(fc.boolean()),
  });
  fc.assert(
    fc.property(columns, fc.nat(2000), (some, bytesMax) => {
      const words = (values: readonly (bigint | null)[]): arrow.Vector<arrow.Int64> =>
        vector(new arrow.Int64(), values) as arrow.Vector<arrow.Int64>;
      const timeOf = (type: arrow.Timestamp, values: readonly (bigint | null)[]): arrow.Vector => {
        const { nullBitmap, nullCount, values: data } = words(values).data[0]!;
        return arrow.makeVector(
          arrow.makeData({ type, length: ROWS, nullCount, nullBitmap, data }),
        );
      };
      const batch = batchOf({
        user_id: vector(new arrow.Utf8(), some.userId),
        event: vector(new arrow.Dictionary(new arrow.Utf8(), new arrow.Int32()), some.event),
        at: timeOf(new arrow.TimestampNanosecond(), some.at),
        timestamp: timeOf(new arrow.TimestampMicrosecond('UTC'), some.timestamp),
        seconds: timeOf(new arrow.TimestampSecond(), some.timestamp),
        properties: vector(new arrow.Utf8(), some.properties),
        traits: vector(new arrow.LargeUtf8(), some.traits),
        price: vector(new scalar(), some.price),
        ratio: vector(new arrow.Float32(), some.ratio),
        small: vector(new arrow.Int8(), some.small),
        unsigned: vector(new arrow.Uint16(), some.unsigned),
        big: words(some.big),
        flag: vector(new arrow.Bool(), some.flag),
      });
      sameRows(batch, bytesMax);
    }),
    { numRuns: 200 },
  );
});

test('structs, nested and null, are objects', () => {
  const inner = new arrow.Struct([new arrow.Field('name', new arrow.Utf8(), true)]);
  const type = new arrow.Struct([
    new arrow.Field('library', inner, true),
    new arrow.Field('count', new arrow.Int32(), true),
  ]);
  const values = [
    { library: { name: 'a' }, count: 1 },
    { library: null, count: 2 },
    null,
    { library: { name: null }, count: null },
  ];
  sameRows(
    batchOf({
      context: vector(type, values),
      properties: vector(type, values),
      x: vector(type, values),
    }),
    1000,
  );
});

test('what contradicts itself is refused before a row is written', () => {
  const utf8 = new arrow.Utf8();
  const data = Buffer.from('abcdef');
  const offsets = [
    [0, 3, 7],
    [0, 4, 3],
    [-1, 3, 6],
    [0, 3],
  ];
  for (const some of offsets) {
    const valueOffsets = new Int32Array(some);
    const column = arrow.makeVector(arrow.makeData({ type: utf8, length: 2, valueOffsets, data }));
    assert.throws(() => nativeRowsOf(batchOf({ userId: column })), RangeError, String(some));
  }
  const short = arrow.makeData({ type: new arrow.Int32(), length: 2, data: new Int32Array(1) });
  assert.throws(() => nativeRowsOf(batchOf({ count: arrow.makeVector(short) })), RangeError);
  const dictionary = vector(utf8, ['a', 'b']) as arrow.Vector<arrow.Utf8>;
  const type = new arrow.Dictionary(utf8, new arrow.Int32());
  const indices = new Int32Array([0, 2]);
  const coded = arrow.makeData({ type, length: 2, data: indices, dictionary });
  assert.throws(() => nativeRowsOf(batchOf({ event: arrow.makeVector(coded) })), RangeError);
});

test('a type that is not written natively is left to the oracle', () => {
  assert.equal(
    nativeRowsOf(batchOf({ day: vector(new arrow.DateDay(), [new Date(0)]) })),
    undefined,
  );
});
