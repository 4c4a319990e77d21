import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { seededRandomSource } from '../../base/random.ts';
import { AvroReader, AvroWriter } from '../../storage/lake/avro-codec.ts';
import { decodeAvroFile, encodeAvroFile } from '../../storage/lake/avro-file.ts';
import { AvroError, type AvroRecord, parseAvroSchema } from '../../storage/lake/avro-schema.ts';

const random = seededRandomSource(1);

const SCHEMA: AvroRecord = {
  type: 'record',
  name: 'row',
  fields: [
    { name: 'id', type: 'long', 'field-id': 1 },
    { name: 'count', type: 'int', 'field-id': 2 },
    { name: 'flag', type: 'boolean' },
    { name: 'ratio', type: 'double' },
    { name: 'text', type: ['null', 'string'], default: null, 'field-id': 3 },
    { name: 'bytes', type: ['null', 'bytes'], default: null },
    { name: 'fixed', type: { type: 'fixed', name: 'four', size: 4 } },
    { name: 'map', type: { type: 'map', values: 'long' } },
    {
      name: 'pairs',
      type: {
        type: 'array',
        logicalType: 'map',
        'element-id': 7,
        items: {
          type: 'record',
          name: 'pair',
          fields: [
            { name: 'key', type: 'int', 'field-id': 117 },
            { name: 'value', type: 'long', 'field-id': 118 },
          ],
        },
      },
    },
  ],
};

const int64 = fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
const plain = { noNullPrototype: true } as const;
const pair = fc.record({ key: fc.integer(), value: int64 }, plain);
const fields = {
  id: int64,
  count: fc.integer(),
  flag: fc.boolean(),
  ratio: fc.double({ noNaN: true }),
  text: fc.option(fc.string({ unit: 'binary' })),
  bytes: fc.option(fc.uint8Array()),
  fixed: fc.uint8Array({ minLength: 4, maxLength: 4 }),
  map: fc.dictionary(fc.string(), int64, plain),
  pairs: fc.array(pair),
};
const row = fc.record(fields, plain);

describe('Avro container files', () => {
  it('records are read back as they were written, all 64 bits of a long', () => {
    fc.assert(
      fc.property(fc.array(row, { maxLength: 5 }), (rows) => {
        const file = decodeAvroFile(
          encodeAvroFile(SCHEMA, rows, { 'format-version': '2' }, random),
        );
        assert.equal(JSON.stringify(file.schema), JSON.stringify(SCHEMA));
        assert.deepEqual(file.header, { 'format-version': '2' });
        assert.deepEqual(file.records, rows);
      }),
    );
  });

  it('longs have the encoding of the specification', () => {
    const examples: readonly [bigint, number[]][] = [
      [0n, [0]],
      [-1n, [1]],
      [1n, [2]],
      [-64n, [0x7f]],
      [64n, [0x80, 0x01]],
      [2n ** 63n - 1n, [0xfe, 255, 255, 255, 255, 255, 255, 255, 255, 1]],
      [-(2n ** 63n), [255, 255, 255, 255, 255, 255, 255, 255, 255, 1]],
    ];
    for (const [value, bytes] of examples) {
      const writer = new AvroWriter();
      writer.writeLong(value);
      assert.deepEqual([...writer.bytes], bytes);
      assert.equal(new AvroReader(writer.bytes).readLong(), value);
    }
  });

  it('a file cut anywhere, or with any byte changed, is refused or reads the same', () => {
    const rows = fc.sample(row, { numRuns: 3, seed: 7 });
    const whole = encodeAvroFile(SCHEMA, rows, {}, random);
    for (let length = 0; length < whole.length; length += 1) {
      assert.equal(outcome(whole.subarray(0, length)), 'refused', `cut at ${length}`);
    }
    let refused = 0;
    for (let position = 0; position < whole.length; position += 1) {
      const changed = whole.slice();
      changed[position]! ^= 0x55;
      // The name of the checksum itself may be hit, and then all the rest is sound.
      const found = outcome(changed);
      if (found !== 'refused') assert.deepEqual(found, rows, `changed at ${position}`);
      else refused += 1;
    }
    assert.ok(refused >= whole.length - 'tributary.crc32c'.length);
  });

  it('blocks of other writers: uncompressed, several, with the bytes of array blocks', () => {
    const schema = {
      type: 'record',
      name: 'r',
      fields: [{ name: 'a', type: { type: 'array', items: 'int' } }],
    };
    const writer = new AvroWriter();
    writer.writeFixed(Uint8Array.of(0x4f, 0x62, 0x6a, 1));
    writer.writeLong(1);
    writer.writeText('avro.schema');
    writer.writeText(JSON.stringify(schema));
    writer.writeLong(0);
    const sync = new Uint8Array(16).fill(9);
    writer.writeFixed(sync);
    for (const numbers of [[1, 2], [3]]) {
      const block = new AvroWriter();
      block.writeLong(-numbers.length);
      block.writeLong(numbers.length);
      for (const number of numbers) block.writeLong(number);
      block.writeLong(0);
      writer.writeLong(1);
      writer.writeBytes(block.bytes);
      writer.writeFixed(sync);
    }
    const { records } = decodeAvroFile(writer.bytes);
    assert.deepEqual(
      records.map(({ a }) => a),
      [[1, 2], [3]],
    );
  });

  it('a schema that names an unknown type, or itself, is refused', () => {
    for (const schema of [
      'unknown',
      { type: 'record', name: 'r', fields: [{ name: 'self', type: 'r' }] },
      { type: 'enum', name: 'e', symbols: [] },
      { type: 'record', name: 'r', fields: [{}] },
      null,
    ]) {
      assert.throws(() => parseAvroSchema(schema), AvroError);
    }
    let deep: unknown = 'int';
    for (let level = 0; level < 40; level += 1) deep = { type: 'array', items: deep };
    assert.throws(() => parseAvroSchema(deep), AvroError);
  });
});

function outcome(bytes: Uint8Array): readonly unknown[] | 'refused' {
  try {
    return decodeAvroFile(bytes).records;
  } catch (error) {
    assert.ok(error instanceof AvroError, String(error));
    return 'refused';
  }
}
