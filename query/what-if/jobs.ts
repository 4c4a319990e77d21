/**
 * The what-ifs of one tenant: started, watched, cancelled, and remembered for a while.
 *
 * - One runs at a time; another is refused meanwhile.
 * - The newest LIMITS.whatIfsKeptMax are remembered, in memory: a restart forgets them, and what they found
 *   was true of the moment they began.
 */
import type { Clock } from '../../base/clock.ts';
import { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { RandomSource } from '../../base/random.ts';
import type { WhatIfProgress, WhatIfReport } from '../../engine/what-if/report-format.ts';
import type { FileSystem } from '../../storage/file-system.ts';
import type { WhatIfOrder } from './order.ts';
import { type RunningWhatIf, startWhatIf } from './process.ts';

export type WhatIfState = 'running' | 'done' | 'failed' | 'cancelled';

/** As it is answered; `report` once it is done, `error` when it failed. */
export interface WhatIfJob {
  readonly id: string;
  readonly state: WhatIfState;
  readonly started_at: string;
  readonly elapsed_ms: number;
  readonly progress: WhatIfProgress;
  readonly report?: WhatIfReport;
  readonly error?: unknown;
}

export interface WhatIfJobsOptions {
  /** What an order says of the tenant as it is now. */
  readonly orderOf: (rules: unknown, examples: number) => WhatIfOrder;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: RandomSource;
}

interface Job {
  readonly id: string;
  readonly startedAtMicros: number;
  readonly startMs: number;
  elapsedMs: number | undefined;
  state: WhatIfState;
  progress: WhatIfProgress;
  report: WhatIfReport | undefined;
  error: TributaryError | undefined;
}

const NO_PROGRESS: WhatIfProgress = { events: 0, share: 0 };
const ID_BYTES = 8;

export class WhatIfJobs {
  readonly #options: WhatIfJobsOptions;
  /** Oldest first. */
  readonly #jobs: Job[] = [];
  #running:
    | { readonly job: Job; readonly process: RunningWhatIf; readonly over: Promise<void> }
    | undefined;
  #isClosed = false;

  constructor(options: WhatIfJobsOptions) {
    this.#options = options;
  }

  /**
   * Starts one. @param rules the JSON form of a rule set, not yet checked. @param examples from 1.
   * @throws TRIBUTARY_IDENTITY_RULES_INVALID, TRIBUTARY_IDENTITY_WHAT_IF_BUSY, TRIBUTARY_ENGINE_CLOSED
   */
  start(rules: unknown, examples: number): WhatIfJob {
    if (this.#isClosed) throw new TributaryError('TRIBUTARY_ENGINE_CLOSED');
    const { clock, orderOf, random } = this.#options;
    const order = orderOf(rules, examples);
    if (this.#running !== undefined) {
      throw new TributaryError('TRIBUTARY_IDENTITY_WHAT_IF_BUSY', { job: this.#running.job.id });
    }
    const job: Job = {
      id: Buffer.from(random.bytes(ID_BYTES)).toString('hex'),
      startedAtMicros: clock.nowMicros(),
      startMs: clock.monotonicMs(),
      elapsedMs: undefined,
      state: 'running',
      progress: NO_PROGRESS,
      report: undefined,
      error: undefined,
    };
    this.#jobs.push(job);
    if (this.#jobs.length > LIMITS.whatIfsKeptMax) this.#jobs.shift();
    const process = startWhatIf(order, this.#options.fileSystem, (progress) => {
      job.progress = progress;
    });
    this.#running = { job, process, over: this.#watch(job, process) };
    return this.#describe(job);
  }

  /** Newest first, without their reports. */
  list(): WhatIfJob[] {
    return this.#jobs.toReversed().map((job) => {
      const { report: _, ...head } = this.#describe(job);
      return head;
    });
  }

  /** @throws TRIBUTARY_IDENTITY_WHAT_IF_UNKNOWN */
  get(id: string): WhatIfJob {
    return this.#describe(this.#find(id));
  }

  /** Ends one that runs; of one that is over it changes nothing. @throws TRIBUTARY_IDENTITY_WHAT_IF_UNKNOWN */
  async cancel(id: string): Promise<WhatIfJob> {
    const job = this.#find(id);
    if (this.#running?.job === job) await this.#cancel();
    return this.#describe(job);
  }

  /** Ends what runs. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#cancel();
  }

  async #cancel(): Promise<void> {
    if (this.#running === undefined) return;
    const { job, process, over } = this.#running;
    if (job.state === 'running') job.state = 'cancelled';
    process.kill();
    await over;
  }

  async #watch(job: Job, process: RunningWhatIf): Promise<void> {
    try {
      const report = await process.report;
      if (job.state !== 'running') return;
      job.report = report;
      job.state = 'done';
    } catch (error) {
      if (job.state !== 'running') return;
      job.state = 'failed';
      job.error =
        error instanceof TributaryError
          ? error
          : new TributaryError(
              'TRIBUTARY_IDENTITY_WHAT_IF_FAILED',
              { reason: String(error) },
              error,
            );
    } finally {
      job.elapsedMs = this.#options.clock.monotonicMs() - job.startMs;
      this.#running = undefined;
    }
  }

  #find(id: string): Job {
    const job = this.#jobs.find((candidate) => candidate.id === id);
    if (job === undefined) {
      throw new TributaryError('TRIBUTARY_IDENTITY_WHAT_IF_UNKNOWN', { job: id });
    }
    return job;
  }

  #describe(job: Job): WhatIfJob {
    const { id, state, progress, report, error } = job;
    const elapsed = job.elapsedMs ?? this.#options.clock.monotonicMs() - job.startMs;
    return {
      id,
      state,
      started_at: new Date(job.startedAtMicros / 1000).toISOString(),
      elapsed_ms: Math.round(elapsed),
      progress,
      ...(report !== undefined && { report }),
      ...(error !== undefined && { error: error.toJSON() }),
    };
  }
}
