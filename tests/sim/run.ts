/**
 * `npm run sim -- --seeds 10000 --seed 1`: the write path under every crash the seeds can think of.
 *
 * Few of the crash points of a seed are started over unless told (`--share`): thirty seeds find more than one of
 * them started over at every point.
 *
 * SIGINT ends it after the seeds under way, with what it came to so far. A violation ends the run with exit
 * code 1, the shortest run of its seed that still shows it, what led to it, and the command that repeats it.
 */
import { availableParallelism } from 'node:os';
import { proofFlags } from '../support/proof-flags.ts';
import { JobProcesses } from './job-processes.ts';
import { Tally, type TallyReport } from './tally.ts';

const PROGRESS_MS = 10_000;
const TRACE_LINES = 60;

const {
  seeds,
  seed: first,
  lives,
  batches,
  share: judgedShare,
  jobs,
} = proofFlags(
  'sim',
  'Simulates the write path over a disk that crashes and fails, and judges every start over what is left.',
  {
    seeds: { about: 'how many', value: 100 },
    seed: { about: 'the first of them', value: 1 },
    lives: { about: 'of a seed, at most', value: 3, least: 1 },
    batches: { about: 'of a life, at most', value: 1000 },
    share: { about: 'of the crash points, that are started over', value: 0.03 },
    jobs: { about: 'seeds at once', value: availableParallelism(), least: 1 },
  },
);
const startedAt = performance.now();
const tally = new Tally();
const processes = new JobProcesses();
let nextSeed = first;
let shownAt = startedAt;
let isStopped = false;

function simulate(seed: number, livesMax: number, batchesMax: number): Promise<TallyReport> {
  return processes.run({ seed, livesMax, batchesMax, judgedShare });
}

/** Takes one seed after another, until there are no more or a violation was found. */
async function takeSeeds(): Promise<void> {
  while (nextSeed < first + seeds && !isStopped && tally.violations.length === 0) {
    const seed = nextSeed;
    nextSeed += 1;
    tally.add(await simulate(seed, lives, batches));
    if (performance.now() - shownAt >= PROGRESS_MS) showProgress();
  }
}

function showProgress(): void {
  shownAt = performance.now();
  const minutes = (shownAt - startedAt) / 60_000;
  const { seeds: done, boots } = tally.counts;
  const left = ((seeds - done) * minutes) / done;
  const rates = `${Math.round(done / minutes)} seeds and ${Math.round(boots / minutes)} boots a minute`;
  console.log(`${done} of ${seeds} seeds, ${rates}, ${left.toFixed(1)} minutes left`);
}

/** The least that still goes wrong: fewer lives first, then fewer batches in each. */
async function reportShortest(seed: number): Promise<void> {
  for (let livesMax = 1; livesMax <= lives; livesMax += 1) {
    for (const batchesMax of [0, 1, 2, 3, 5, 8, batches]) {
      const { violations } = await simulate(seed, livesMax, batchesMax);
      if (violations.length === 0) continue;
      for (const { where, what } of violations.slice(0, 5)) {
        console.error(`seed ${seed}, ${where}: ${what}`);
      }
      console.error(violations[0]!.trace.slice(-TRACE_LINES).join('\n'));
      const flags = `--seed ${seed} --lives ${livesMax} --batches ${batchesMax} --share ${judgedShare}`;
      console.error(`again: npm run sim -- --seeds 1 ${flags}`);
      return;
    }
  }
  console.error(`seed ${seed} shows another result when it is run again`);
}

process.once('SIGINT', () => {
  isStopped = true;
});
console.log(`simulation: ${seeds} seeds from ${first}, ${jobs} at once`);
await Promise.all(Array.from({ length: jobs }, takeSeeds));
console.log(tally.describe());
console.log(`${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
const failed = tally.violations[0];
if (failed !== undefined) {
  for (const { where, what } of tally.violations.slice(0, 5)) {
    console.error(`seed ${failed.seed}, ${where}: ${what}`);
  }
  await reportShortest(failed.seed);
  process.exitCode = 1;
}
processes.close();
