import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { joinLines, joinMaps } from '../../engine/joined-rows.ts';
import { joinedLines } from '../support/reference-import-rows.ts';

const PREFIX = Buffer.from('import-x-');
const FIRST_ROW = 2 ** 40;

const line = fc.oneof(
  fc.dictionary(fc.string(), fc.jsonValue()).map((value) => JSON.stringify(value)),
  fc.constantFrom(
    '',
    ' ',
    '\t\r',
    '{}',
    '{ }',
    ' {"a":1} ',
    '{',
    '}',
    '{"a":1},',
    '7',
    '"',
    '[{}]',
  ),
);
const text = fc
  .array(fc.tuple(line, fc.constantFrom('\n', '\r\n', '\n\n')))
  .map((lines) => lines.map(([words, end]) => words + end).join(''));

test('lines are joined as a slow reader joins them, with message ids and without', () => {
  fc.assert(
    fc.property(text, fc.boolean(), fc.nat(3), (lines, hasIds, cutOff) => {
      const source = Buffer.from(lines.slice(0, Math.max(lines.length - cutOff, 0)));
      const ids = hasIds ? { prefix: PREFIX, firstRow: FIRST_ROW } : undefined;
      const target = Buffer.alloc(source.length * 20 + 200);
      const limits = { isComplete: true, rowsMax: source.length };
      const { bytesWritten, ...found } = joinLines(source, target, limits, ids);
      const expected = joinedLines(
        source.toString(),
        hasIds ? (row) => `import-x-${FIRST_ROW + row}` : undefined,
      );
      assert.equal(target.subarray(0, bytesWritten).toString(), expected.rows.join(','));
      const { isMalformed, lines: read, rows } = found;
      assert.deepEqual(
        [rows, read, isMalformed],
        [expected.rows.length, expected.lines, expected.isMalformed],
      );
    }),
    { numRuns: 1000 },
  );
});

test('a line whose end has not come is left, and so is one that does not fit', () => {
  const source = Buffer.from('{"a":1}\n{"b":2}\n{"c":3}');
  const joined = (isComplete: boolean, rowsMax: number, room: number): (number | string)[] => {
    const target = Buffer.alloc(room);
    const found = joinLines(source, target, { isComplete, rowsMax });
    return [found.rows, found.bytesRead, target.toString('latin1', 0, found.bytesWritten)];
  };
  assert.deepEqual(joined(false, 9, 99), [2, 16, '{"a":1}\n,{"b":2}\n']);
  assert.deepEqual(joined(true, 9, 99), [3, 23, '{"a":1}\n,{"b":2}\n,{"c":3}']);
  assert.deepEqual(joined(true, 1, 99), [1, 8, '{"a":1}\n']);
  assert.deepEqual(joined(true, 9, 16), [1, 8, '{"a":1}\n'], 'a comma and a line do not fit');
  assert.deepEqual(joined(true, 9, 17), [2, 16, '{"a":1}\n,{"b":2}\n']);
  assert.deepEqual(joined(true, 9, 0), [0, 0, '']);
});

test('a map that ends elsewhere than it says, or does not fit, is named', () => {
  const maps = Buffer.from([0x81, 0xa1, 0x61, 1, 0x80, 0xde, 0, 1, 0xa1, 0x61, 2]);
  const ids = { prefix: PREFIX, firstRow: 7 };
  const written = (ends: readonly number[], room: number): number =>
    joinMaps(maps, Uint32Array.from(ends), ends.length, Buffer.alloc(room), ids);
  assert.ok(written([4, 5, 11], 999) > 0);
  assert.equal(written([4, 5, 7], 999), -3, 'a header that is cut off');
  assert.equal(written([4, 5, 99], 999) > 0, true, 'nothing is read beyond the source');
  assert.equal(written([3, 4, 5], 999), -2, 'a number');
  assert.equal(written([4, 4], 999), -2, 'nothing');
  assert.equal(written([4, 5, 11], 60), -2, 'no room');
  assert.equal(written([], 0), 0);
});
