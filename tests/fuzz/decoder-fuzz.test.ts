import assert from 'node:assert/strict';
import { test } from 'node:test';
import { temporaryHotDirectory } from '../support/hot-fixture.ts';
import { type FuzzReport, fuzzDecoder } from './decoder-fuzz.ts';
import type { Decoding } from './decoder-probe.ts';
import { fuzzMsgpack, msgpackCase } from './msgpack-fuzz.ts';
import { fuzzCase } from './payload-generator.ts';
import { type Oracle, payloadOracle } from './payload-oracle.ts';

const SEED = 1;
const CASES = 2000;

function run(directory: string, oracle: Oracle): FuzzReport {
  return fuzzDecoder({ seed: SEED, first: 0, cases: CASES, directory, oracle });
}

test(`the decoder agrees with JSON.parse on ${CASES} fuzzed payloads of seed ${SEED}`, (context) => {
  const { failure, accepted, rows, hiddenRows } = run(
    temporaryHotDirectory(context),
    payloadOracle,
  );
  const found = failure === undefined ? '' : `case ${failure.index}: ${failure.difference}`;
  assert.equal(found, '');
  assert.ok(accepted > CASES * 0.3 && accepted < CASES * 0.8, `${accepted} accepted`);
  assert.ok(rows - hiddenRows > CASES / 3, 'rows of accepted events are compared');
  assert.ok(hiddenRows > CASES / 10, 'rows of rejected events are compared');
});

test('the fuzzer finds a wrong verdict and a wrong cell', (context) => {
  const takesNoEscapes: Oracle = (payload, typeOfPath, decoding) =>
    payloadOracle(payload.includes('\\u') ? Buffer.from('[') : payload, typeOfPath, decoding);
  const losesZeros: Oracle = (payload, typeOfPath, decoding) =>
    payloadOracle(
      Buffer.from(payload.toString('latin1').replace('1.50', '1.5'), 'latin1'),
      typeOfPath,
      decoding,
    );
  for (const wrong of [takesNoEscapes, losesZeros]) {
    assert.ok(run(temporaryHotDirectory(context), wrong).failure !== undefined);
  }
});

test(`msgpack and its text give the same rows for ${CASES} fuzzed payloads of seed ${SEED}`, (context) => {
  const directory = temporaryHotDirectory(context);
  const report = fuzzMsgpack({ seed: SEED, first: 0, cases: CASES, directory });
  const { failure, accepted, rows, hiddenRows } = report;
  const found = failure === undefined ? '' : `case ${failure.index}: ${failure.difference}`;
  assert.equal(found, '');
  assert.ok(accepted > CASES * 0.3 && accepted < CASES * 0.8, `${accepted} accepted`);
  assert.ok(rows - hiddenRows > CASES / 6, 'rows of accepted events are compared');
  assert.ok(hiddenRows > CASES / 10, 'rows of rejected events are compared');
});

test('the msgpack fuzzer finds a rejection that is lost', (context) => {
  const directory = temporaryHotDirectory(context);
  const loses = (decoding: Decoding): Decoding => ({ ...decoding, rejections: [] });
  const { failure } = fuzzMsgpack({ seed: SEED, first: 0, cases: CASES, directory }, loses);
  assert.ok(failure !== undefined);
});

test('a case is made again from its seed and number', () => {
  for (const index of [0, 7, 1999]) {
    assert.deepEqual(fuzzCase(SEED, index), fuzzCase(SEED, index));
    assert.deepEqual(msgpackCase(SEED, index), msgpackCase(SEED, index));
  }
  assert.notDeepEqual(fuzzCase(SEED, 7), fuzzCase(SEED + 1, 7));
});
