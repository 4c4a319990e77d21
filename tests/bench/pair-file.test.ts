import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { PairFile } from '../../bench/pair-file.ts';
import { temporaryDirectory } from '../support/hot-fixture.ts';

const SEED = 5;
const BATCH_LINES = 1024;
/** More than a few buffers. */
const LINES = 40_000;

function read(context: TestContext, text: string): number[] {
  const path = join(temporaryDirectory(context), 'pairs.csv');
  writeFileSync(path, text);
  const file = new PairFile(path, BATCH_LINES);
  const pairs = new Uint32Array(2 * BATCH_LINES + 2);
  const numbers: number[] = [];
  for (let count = file.next(pairs); count > 0; count = file.next(pairs)) {
    assert.ok(count <= BATCH_LINES);
    numbers.push(...pairs.subarray(0, 2 * count));
  }
  assert.equal(file.next(pairs), 0);
  file.close();
  return numbers;
}

test('numbers of one to ten digits come out as they were written, however lines fall on the buffer', (context) => {
  const random = seededRandom(SEED);
  const numbers = Array.from({ length: 2 * LINES }, () =>
    Math.floor(random() * 2 ** Math.ceil(random() * 32)),
  );
  const lines = numbers.map((number, at) => `${number}${at % 2 === 0 ? ',' : '\n'}`);
  assert.deepEqual(read(context, lines.join('')), numbers, `seed ${SEED}`);
});

test('the longest lines there can be still come a whole batch at a time', (context) => {
  const numbers = new Array<number>(2 * LINES).fill(2 ** 32 - 1);
  assert.deepEqual(read(context, '4294967295,4294967295\n'.repeat(LINES)), numbers);
});

test('the last line may lack its line feed, and an empty file has none', (context) => {
  assert.deepEqual(read(context, '1,22\n333,4444'), [1, 22, 333, 4444]);
  assert.deepEqual(read(context, ''), []);
});
