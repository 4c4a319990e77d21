/**
 * `npm run fuzz -- --cases 1000000 --seed 1`: the native decoder against JSON.parse.
 *
 * A difference ends the run with exit code 1, the payload in a file and the command that repeats the case.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fuzzDecoder } from './decoder-fuzz.ts';
import { payloadOracle } from './payload-oracle.ts';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
  },
});
const [cases, seed, first] = [Number(values.cases), Number(values.seed), Number(values.first)];
console.log(`fuzz: ${cases} cases from ${first}, seed ${seed}`);

const directory = mkdtempSync(join(tmpdir(), 'tributary-fuzz-'));
const startedAt = performance.now();
const rate = (done: number): string =>
  `${Math.round((done / (performance.now() - startedAt)) * 1000).toLocaleString('en')} cases/s`;
try {
  const report = fuzzDecoder({
    seed,
    first,
    cases,
    directory,
    oracle: payloadOracle,
    onProgress: (done) => console.log(`${done} cases, ${rate(done)}`),
  });
  const { failure } = report;
  if (failure !== undefined) {
    const file = join(tmpdir(), `tributary-fuzz-${seed}-${failure.index}.json`);
    writeFileSync(file, failure.payload);
    console.error(`case ${failure.index}: ${failure.difference}`);
    console.error(`payload of ${failure.payload.length} bytes in ${file}`);
    console.error(`again: npm run fuzz -- --seed ${seed} --first ${failure.index} --cases 1`);
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
