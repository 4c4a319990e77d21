/**
 * `npm run sim -- --seeds 10000 --seed 1`: the write path under every crash the seeds can think of.
 *
 * `--share 0.2` starts over a fifth of the crash points only: more seeds in the same time.
 * SIGINT ends it after the seed under way, with what it came to so far. A violation ends the
 * run with exit code 1, the shortest run of its seed that still shows it, what led to it, and the command
 * that repeats it.
 */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Simulation } from './simulation.ts';
import { Tally } from './tally.ts';

const PROGRESS_MS = 10_000;
const TRACE_LINES = 60;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    seed: { type: 'string', default: '1' },
    lives: { type: 'string', default: '3' },
    batches: { type: 'string', default: '1000' },
    share: { type: 'string', default: '1' },
  },
});
const [seeds, first] = [Number(values.seeds), Number(values.seed)];
const [lives, batches] = [Number(values.lives), Number(values.batches)];
const judgedShare = Number(values.share);
const hotDirectory = mkdtempSync(
  join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tributary-sim-'),
);
const simulate = (seed: number, tally: Tally, livesMax: number, batchesMax: number) =>
  Simulation.run({ seed, hotDirectory, tally, livesMax, batchesMax, judgedShare });

/** The least that still goes wrong: fewer lives first, then fewer batches in each. */
async function shortest(seed: number): Promise<{ lives: number; batches: number; tally: Tally }> {
  for (let livesMax = 1; livesMax <= lives; livesMax += 1) {
    for (const batchesMax of [0, 1, 2, 3, 5, 8, batches]) {
      const tally = new Tally();
      await simulate(seed, tally, livesMax, batchesMax);
      if (tally.violations.length > 0) return { lives: livesMax, batches: batchesMax, tally };
    }
  }
  throw new Error(`seed ${seed} shows another result when it is run again`);
}

console.log(`simulation: ${seeds} seeds from ${first}`);
const startedAt = performance.now();
let shownAt = startedAt;
const tally = new Tally();
let isStopped = false;
process.once('SIGINT', () => {
  isStopped = true;
});
try {
  for (let seed = first; seed < first + seeds && !isStopped; seed += 1) {
    await simulate(seed, tally, lives, batches);
    if (tally.violations.length > 0) break;
    if (performance.now() - shownAt < PROGRESS_MS) continue;
    shownAt = performance.now();
    const rate = Math.round((tally.boots / (shownAt - startedAt)) * 60_000);
    console.log(`${tally.seeds} seeds, ${tally.boots} boots, ${rate} a minute`);
  }
  console.log(tally.describe());
  console.log(`${((performance.now() - startedAt) / 1000).toFixed(1)} s`);
  const failed = tally.violations[0];
  if (failed !== undefined) {
    const found = await shortest(failed.seed);
    for (const { where, what } of found.tally.violations.slice(0, 5)) {
      console.error(`seed ${failed.seed}, ${where}: ${what}`);
    }
    const { trace } = found.tally.violations[0]!;
    console.error(trace.slice(-TRACE_LINES).join('\n'));
    const flags = `--seeds 1 --seed ${failed.seed} --lives ${found.lives} --batches ${found.batches} --share ${judgedShare}`;
    console.error(`again: npm run sim -- ${flags}`);
    process.exitCode = 1;
  }
} finally {
  rmSync(hotDirectory, { recursive: true, force: true });
}
