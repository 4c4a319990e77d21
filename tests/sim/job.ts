/** A process that simulates seeds: it is told one at a time, and answers with what it came to. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Simulation } from './simulation.ts';
import { Tally, type TallyReport } from './tally.ts';

/** A seed, and how much of it. */
export interface Job {
  readonly seed: number;
  readonly livesMax: number;
  readonly batchesMax: number;
  readonly judgedShare: number;
}

const hotDirectory = mkdtempSync(
  join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'tributary-sim-'),
);
process.once('exit', () => rmSync(hotDirectory, { recursive: true, force: true }));
// Whoever gives the jobs decides what an interruption means.
process.on('SIGINT', () => {});

async function carryOut(job: Job): Promise<TallyReport> {
  const tally = new Tally();
  try {
    await Simulation.run({ ...job, hotDirectory, tally });
  } catch (error) {
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    tally.violations.push({ seed: job.seed, where: 'the run itself', what, trace: [] });
  }
  return tally.report();
}

process.on('message', (job: Job) => {
  void carryOut(job).then((report) => process.send?.(report));
});
process.once('disconnect', () => process.exit());
