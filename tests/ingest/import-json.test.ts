import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { TributaryError } from '../../base/errors.ts';
import { ArrayLines } from '../../engine/row-ends.ts';
import { JsonLines } from '../../ingest/import-json.ts';
import { linesOfArray } from '../support/reference-import-rows.ts';

/** Converts a body that arrives in pieces cut at `cuts`, and reads the lines. */
function read(body: string, cuts: readonly number[] = []): unknown[] {
  const bytes = Buffer.from(body);
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  const lines = new JsonLines();
  const pieces: Uint8Array[] = [];
  let start = 0;
  for (const end of ends) {
    pieces.push(lines.convert(bytes.subarray(start, end)));
    start = end;
  }
  lines.end();
  return Buffer.concat(pieces)
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line) as unknown);
}

function isRefused(body: string): boolean {
  try {
    read(body);
    return false;
  } catch (error) {
    return (
      error instanceof TributaryError && error.code === 'TRIBUTARY_INGEST_IMPORT_JSON_MALFORMED'
    );
  }
}

test('the events of an array are lines, however it is written and cut', () => {
  const event = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue());
  fc.assert(
    fc.property(
      fc.array(event),
      fc.boolean(),
      fc.nat(3),
      fc.array(fc.nat()),
      (events, isBatch, indent, cuts) => {
        const body = JSON.stringify(isBatch ? { batch: events } : events, null, indent);
        assert.deepEqual(read(body, cuts), JSON.parse(JSON.stringify(events)));
      },
    ),
    { numRuns: 300 },
  );
});

test('brackets, commas, quotes and line ends in strings are text', () => {
  const events = [{ a: '],[\\"}{', b: 'x\ny' }, { '",': ['\\'] }];
  assert.deepEqual(read(JSON.stringify(events, null, 2)), events);
});

test('a body that is no array, says more than its events or is cut off is refused', () => {
  assert.deepEqual(read(' [ ] \r\n'), []);
  for (const body of [
    '',
    '{}',
    '7',
    '[{}',
    '[{}]]',
    '[{}}',
    '[{}] x',
    '{"batch":[{}]',
    '{"batch":[{}],"sentAt":1}',
    '{"sentAt":1,"batch":[{}]}',
    '{"batch":{}}',
  ]) {
    assert.ok(isRefused(body), body);
  }
});

test('whatever is in an array, and wherever it is cut, its lines are those that a slow reader finds', () => {
  const text = fc.string({ unit: fc.constantFrom(...'"\\{}[],\n ax\u00e9') });
  fc.assert(
    fc.property(text, fc.array(fc.nat()), (array, cuts) => {
      const bytes = Buffer.from(array);
      const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length];
      const lines = new ArrayLines();
      let start = 0;
      for (const end of ends.sort((a, b) => a - b)) {
        const piece = bytes.subarray(start, end);
        const changed = lines.break(piece);
        if (changed === -1) return assert.equal(linesOfArray(array), undefined);
        if (lines.isOver) break;
        assert.equal(changed, piece.length);
        start = end;
      }
      assert.equal(bytes.toString('utf8'), linesOfArray(array));
    }),
    { numRuns: 2000 },
  );
});
