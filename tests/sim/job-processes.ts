/**
 * Seeds on several processors: each process simulates one seed at a time. A process that ends, as one with a
 * broken invariant does, is a violation of the seed it had; another takes its place.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Job } from './job.ts';
import { Tally, type TallyReport } from './tally.ts';

const PROGRAM = fileURLToPath(new URL('./job.js', import.meta.url));

export class JobProcesses {
  readonly #idle: ChildProcess[] = [];

  /** Simulates one seed in a process of its own, or one that was used before. */
  async run(job: Job): Promise<TallyReport> {
    const process = this.#idle.pop() ?? fork(PROGRAM);
    const report = await answerOf(process, job);
    if (process.connected) this.#idle.push(process);
    return report;
  }

  /** Ends the processes; none is at work. */
  close(): void {
    for (const process of this.#idle.splice(0)) process.disconnect();
  }
}

function answerOf(process: ChildProcess, job: Job): Promise<TallyReport> {
  return new Promise((resolve) => {
    const settle = (report: TallyReport): void => {
      process.off('message', settle).off('exit', fail);
      resolve(report);
    };
    const fail = (code: number | null, signal: string | null): void => {
      const tally = new Tally();
      const what = `it ended with ${signal ?? `code ${code}`}`;
      tally.violations.push({ seed: job.seed, where: 'the process', what, trace: [] });
      settle(tally.report());
    };
    process.on('message', settle).on('exit', fail);
    process.send(job);
  });
}
