/**
 * `npm run fuzz -- --cases 1000000 --seed 1`: the native decoder against JSON.parse, and with
 * `--codec msgpack` its reading of msgpack against its reading of the same payload's text; `--codec arrow`
 * the readers of damaged Arrow streams against each other.
 *
 * A difference ends the run with exit code 1, the payload in a file and the command that repeats the case.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { proofFlags } from '../support/proof-flags.ts';
import { fuzzArrow } from './arrow-fuzz.ts';
import { type FuzzReport, fuzzDecoder } from './decoder-fuzz.ts';
import { fuzzMsgpack } from './msgpack-fuzz.ts';
import { payloadOracle } from './payload-oracle.ts';

const { cases, seed, first, codec } = proofFlags(
  'fuzz',
  'Decodes made-up payloads natively and by something slower, and compares.',
  {
    cases: { about: 'how many', value: 1_000_000 },
    seed: { about: 'of the cases', value: 1 },
    first: { about: 'the number of the first case', value: 0 },
    codec: { about: 'json, msgpack or arrow', value: ['json', 'msgpack', 'arrow'] },
  },
);
console.log(`fuzz: ${cases} cases of ${codec} from ${first}, seed ${seed}`);

const directory = mkdtempSync(join(tmpdir(), 'tributary-fuzz-'));
const startedAt = performance.now();
const rate = (done: number): string =>
  `${Math.round((done / (performance.now() - startedAt)) * 1000).toLocaleString('en')} cases/s`;
try {
  const onProgress = (done: number): void => console.log(`${done} cases, ${rate(done)}`);
  const options = { seed, first, cases, directory, onProgress };
  let report: FuzzReport;
  if (codec === 'json') report = fuzzDecoder({ ...options, oracle: payloadOracle });
  else if (codec === 'msgpack') report = fuzzMsgpack(options);
  else report = await fuzzArrow(options);
  const { failure } = report;
  if (failure !== undefined) {
    const file = join(tmpdir(), `tributary-fuzz-${seed}-${failure.index}.${codec}`);
    writeFileSync(file, failure.payload);
    console.error(`case ${failure.index}: ${failure.difference}`);
    console.error(`payload of ${failure.payload.length} bytes in ${file}`);
    console.error(
      `again: npm run fuzz -- --codec ${codec} --seed ${seed} --first ${failure.index} --cases 1`,
    );
    process.exitCode = 1;
  } else {
    console.log(
      `${report.cases} cases, ${report.accepted} accepted, ${report.rows} rows ` +
        `(${report.hiddenRows} rejected), ${rate(report.cases)}, no difference`,
    );
  }
} finally {
  rmSync(directory, { recursive: true, force: true });
}
