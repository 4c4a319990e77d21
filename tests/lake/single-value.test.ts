import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  decodeSingleValue,
  encodeLowerBound,
  encodeSingleValue,
  encodeUpperBound,
} from '../../storage/lake/single-value.ts';

const utf8 = (text: string) => new TextEncoder().encode(text);
const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex');

describe('single values', () => {
  it('have the bytes of the specification', () => {
    assert.equal(hex(encodeSingleValue('boolean', true)), '01');
    assert.equal(hex(encodeSingleValue('int', -2)), 'feffffff');
    assert.equal(hex(encodeSingleValue('date', 20_000)), '204e0000');
    assert.equal(hex(encodeSingleValue('long', 2n ** 40n)), '0000000000010000');
    assert.equal(hex(encodeSingleValue('timestamptz', -1n)), 'ffffffffffffffff');
    assert.equal(hex(encodeSingleValue('float', 1.5)), '0000c03f');
    assert.equal(hex(encodeSingleValue('double', 1.5)), '000000000000f83f');
    assert.equal(hex(encodeSingleValue('string', 'é')), 'c3a9');
  });

  it('are read back, also after the column was widened', () => {
    assert.equal(decodeSingleValue('long', encodeSingleValue('int', -5)), -5n);
    assert.equal(decodeSingleValue('double', encodeSingleValue('float', 1.5)), 1.5);
    assert.equal(decodeSingleValue('timestamptz', encodeSingleValue('timestamptz', 7n)), 7n);
    assert.equal(decodeSingleValue('string', utf8('\ufeffa')), '\ufeffa');
    assert.equal(decodeSingleValue('int', new Uint8Array(3)), undefined);
    assert.equal(decodeSingleValue('string', Uint8Array.of(0xff)), undefined);
  });
});

describe('bounds', () => {
  it('of any string enclose it, in the order of bytes, and have at most 16 code points', () => {
    const nearTheEdges = fc.string({
      unit: fc.constantFrom('a', 'é', '\ud7ff', '\ue000', '\uffff', '😀', '\u{10ffff}'),
      maxLength: 20,
    });
    fc.assert(
      fc.property(fc.oneof(nearTheEdges, fc.string({ unit: 'binary', maxLength: 40 })), (text) => {
        const lower = encodeLowerBound('string', text);
        const upper = encodeUpperBound('string', text);
        assert.ok(Buffer.compare(lower, utf8(text)) <= 0);
        assert.ok([...(decodeSingleValue('string', lower) as string)].length <= 16);
        if (upper === undefined) {
          assert.ok([...text].slice(0, 16).every((character) => character === '\u{10ffff}'));
          return;
        }
        assert.ok(Buffer.compare(upper, utf8(text)) >= 0);
        assert.ok([...(decodeSingleValue('string', upper) as string)].length <= 16);
      }),
    );
  });

  it('of any bytes enclose them', () => {
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 30 }),
      fc.constant(new Uint8Array(20).fill(255)),
    );
    fc.assert(
      fc.property(bytes, (value) => {
        assert.ok(Buffer.compare(encodeLowerBound('binary', value), value) <= 0);
        const upper = encodeUpperBound('binary', value);
        if (upper !== undefined) assert.ok(Buffer.compare(upper, value) >= 0);
        else assert.ok(value.every((byte) => byte === 255));
      }),
    );
  });

  it('a zero is written as the sign that encloses both', () => {
    assert.equal(hex(encodeLowerBound('double', 0)), '0000000000000080');
    assert.equal(hex(encodeUpperBound('double', -0)), '0000000000000000');
    assert.equal(hex(encodeLowerBound('int', 0)), '00000000');
  });
});
