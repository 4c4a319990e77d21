import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fuzzArrow } from './arrow-fuzz.ts';

const SEED = 1;
const CASES = 400;

test(`${CASES} damaged Arrow streams of seed ${SEED} give rows or errors, the same both ways`, async () => {
  const { failure, accepted, rows } = await fuzzArrow({ seed: SEED, first: 0, cases: CASES });
  assert.equal(failure === undefined ? '' : `case ${failure.index}: ${failure.difference}`, '');
  assert.ok(accepted > CASES * 0.1 && accepted < CASES * 0.9, `${accepted} accepted`);
  assert.ok(rows > CASES / 2, `${rows} rows are compared`);
});

test('the Arrow fuzzer finds a digit that is lost', async () => {
  const loses = (text: string): string => text.replace('1', '2');
  const { failure } = await fuzzArrow({ seed: SEED, first: 0, cases: CASES }, loses);
  assert.ok(failure !== undefined);
});
