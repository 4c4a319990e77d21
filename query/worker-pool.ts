/**
 * The worker processes of one tenant, and the queue before them.
 *
 * Why: analysts must never hurt ingestion, nor each other. A query has a process to itself while it
 * runs; whatever it does to that process, only it fails, and another process takes its place.
 *
 * - Workers are started ahead; a query waits for a process only when all are busy.
 * - At most `queueMax` queries wait; one more is refused at once.
 * - A query ends in time: at its timeout it is interrupted, and KILL_AFTER_MS later its worker killed.
 * - Each query is told exactly one end, `finished` or `failed`.
 * - A consumer that answers `data` with false is sent no more until `resume`; then the worker waits.
 * - The temporary files of a worker that ended are removed before its successor starts.
 *
 * Failure: a worker that dies takes its query with it. Workers that die while starting are tried
 * again after a growing pause; after START_FAILURES_MAX in a row the queue is refused until one lives.
 */
import { TributaryError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { FileSystem } from '../storage/file-system.ts';
import { type Failure, failure } from './failures.ts';
import { QueryWorker } from './query-worker.ts';
import type { QueryStatistics } from './result-formats.ts';
import type { ExecuteRequest, QueryOutcome, WorkerSettings } from './worker-protocol.ts';

export interface WorkerPoolOptions {
  /** Of every worker; each gets a directory of its own below `temporaryDirectory`, which exists. */
  readonly settings: WorkerSettings;
  readonly workerCount: number;
  readonly queueMax: number;
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
}

/**
 * What a failed query's consumer has got so far: nothing; bytes that end with the error; or bytes that
 * end anywhere, so that the connection has to be cut.
 */
export type FailedBody = 'none' | 'explained' | 'broken';

export interface QueryConsumer {
  began(): void;
  /** Owns `bytes` from then on. @returns false to get no more until `resume`. */
  data(bytes: Uint8Array): boolean;
  finished(statistics: QueryStatistics): void;
  /** @param statistics null when no worker is left to tell. */
  failed(error: TributaryError, body: FailedBody, statistics: QueryStatistics | null): void;
}

export interface PooledQuery {
  /** Ends it, queued or running. Its consumer hears of it, unless it has ended already. */
  cancel(): void;
  /** More `data` is welcome again. */
  resume(): void;
}

/** Totals since the start, for metrics. */
export interface PoolCounters {
  workersStarted: number;
  workersLost: number;
  queriesRefused: number;
}

const KILL_AFTER_MS = 1000;
const START_FAILURES_MAX = 3;
const RESTART_PAUSE_MS = 100;
const RESTART_PAUSE_MS_MAX = 5000;

interface Slot {
  readonly settings: WorkerSettings;
  worker: QueryWorker | null;
  query: RunningQuery | null;
  restart: NodeJS.Timeout | null;
}

export class WorkerPool {
  readonly counters: PoolCounters = { workersStarted: 0, workersLost: 0, queriesRefused: 0 };
  readonly #options: WorkerPoolOptions;
  readonly #slots: Slot[];
  readonly #queue: RunningQuery[] = [];
  #startFailures = 0;
  #closed = false;
  #onIdle: (() => void) | null = null;

  private constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#slots = Array.from({ length: options.workerCount }, (_, index) => ({
      settings: {
        ...options.settings,
        temporaryDirectory: `${options.settings.temporaryDirectory}/worker-${index}`,
      },
      worker: null,
      query: null,
      restart: null,
    }));
  }

  /** Starts the workers; queries may be submitted before they are ready. */
  static async open(options: WorkerPoolOptions): Promise<WorkerPool> {
    const pool = new WorkerPool(options);
    for (const slot of pool.#slots) {
      await options.fileSystem.makeDirectory(slot.settings.temporaryDirectory);
      await pool.#start(slot);
    }
    return pool;
  }

  get queuedCount(): number {
    return this.#queue.length;
  }

  get runningCount(): number {
    return this.#slots.filter((slot) => slot.query !== null).length;
  }

  /** Of the live workers. */
  get processIds(): number[] {
    return this.#slots.flatMap((slot) => (slot.worker === null ? [] : [slot.worker.processId]));
  }

  /**
   * Runs a query once a worker is free. The timeout counts from then.
   * @throws TributaryError when it cannot wait: the queue is full, or the pool closed or without hope.
   */
  submit(request: ExecuteRequest, timeoutMs: number, consumer: QueryConsumer): PooledQuery {
    if (this.#closed) throw new TributaryError('TRIBUTARY_QUERY_CLOSED');
    const queuedCount = this.#queue.length;
    if (queuedCount >= this.#options.queueMax) {
      this.counters.queriesRefused += 1;
      const limit = this.#options.queueMax;
      throw new TributaryError('TRIBUTARY_QUERY_QUEUE_FULL', { queuedCount, limit });
    }
    if (this.#startFailures >= START_FAILURES_MAX) throw this.#unavailable();
    const query = new RunningQuery(request, timeoutMs, consumer);
    this.#queue.push(query);
    this.#dispatch();
    return {
      cancel: () => this.#cancel(query),
      resume: () => query.worker?.resume(),
    };
  }

  /** Refuses what waits, gives what runs `graceMs` to end, then ends the workers. */
  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    for (const query of this.#queue.splice(0)) {
      query.fail(new TributaryError('TRIBUTARY_QUERY_CLOSED'), 'none');
    }
    this.#kill((slot) => slot.query === null);
    const grace = setTimeout(() => this.#kill(() => true), graceMs);
    await this.#allGone();
    clearTimeout(grace);
  }

  #dispatch(): void {
    for (const slot of this.#slots) {
      if (slot.worker === null || !slot.worker.isIdle) continue;
      const query = this.#queue.shift();
      if (query === undefined) return;
      slot.query = query;
      query.run(slot.worker, (outcome) => this.#finished(slot, outcome));
    }
  }

  #finished(slot: Slot, outcome: QueryOutcome): void {
    slot.query = null;
    if (outcome.failure?.retire || this.#closed) slot.worker?.kill();
    this.#dispatch();
  }

  #cancel(query: RunningQuery): void {
    const position = this.#queue.indexOf(query);
    if (position < 0) query.stop(failure('TRIBUTARY_QUERY_CANCELLED'));
    else {
      this.#queue.splice(position, 1);
      query.fail(new TributaryError('TRIBUTARY_QUERY_CANCELLED'), 'none');
    }
  }

  async #start(slot: Slot): Promise<void> {
    slot.restart = null;
    await this.#removeTemporaryFiles(slot.settings.temporaryDirectory);
    if (this.#closed) return;
    this.counters.workersStarted += 1;
    slot.worker = new QueryWorker(slot.settings, {
      ready: () => {
        this.#startFailures = 0;
        this.#dispatch();
      },
      gone: (worker, reason) => this.#gone(slot, worker, reason),
    });
  }

  #gone(slot: Slot, worker: QueryWorker, reason: string): void {
    slot.worker = null;
    const query = slot.query;
    slot.query = null;
    query?.lost(reason);
    if (this.#closed) {
      this.#noteGone();
      return;
    }
    this.counters.workersLost += 1;
    this.#startFailures = worker.wasReady ? 0 : this.#startFailures + 1;
    const fields = { processId: worker.processId, reason, output: worker.lastWords };
    this.#options.logger.log('warn', 'a query worker ended', fields);
    if (this.#startFailures >= START_FAILURES_MAX) {
      for (const waiting of this.#queue.splice(0)) waiting.fail(this.#unavailable(), 'none');
    }
    const pause = worker.wasReady ? 0 : RESTART_PAUSE_MS * 2 ** this.#startFailures;
    slot.restart = setTimeout(
      () => {
        this.#start(slot).catch((error: unknown) => {
          this.#options.logger.log('error', 'a query worker could not be started', { error });
        });
      },
      Math.min(pause, RESTART_PAUSE_MS_MAX),
    );
  }

  async #removeTemporaryFiles(directory: string): Promise<void> {
    const { fileSystem, logger } = this.#options;
    try {
      for (const name of await fileSystem.list(directory)) {
        await fileSystem.unlink(`${directory}/${name}`);
      }
    } catch (error) {
      logger.log('warn', 'temporary files of a query worker were not removed', { error });
    }
  }

  #unavailable(): TributaryError {
    const reason = `the last ${this.#startFailures} ended while starting`;
    return new TributaryError('TRIBUTARY_QUERY_UNAVAILABLE', { reason });
  }

  #kill(isChosen: (slot: Slot) => boolean): void {
    for (const slot of this.#slots.filter(isChosen)) {
      if (slot.restart !== null) clearTimeout(slot.restart);
      slot.restart = null;
      slot.worker?.kill();
    }
  }

  async #allGone(): Promise<void> {
    while (this.#slots.some((slot) => slot.worker !== null)) {
      await new Promise<void>((resolve) => {
        this.#onIdle = resolve;
      });
    }
  }

  #noteGone(): void {
    this.#onIdle?.();
    this.#onIdle = null;
  }
}

/** A query from `submit` to its one end. */
class RunningQuery {
  worker: QueryWorker | null = null;
  readonly #request: ExecuteRequest;
  readonly #timeoutMs: number;
  readonly #consumer: QueryConsumer;
  #begun = false;
  #ended = false;
  /** Why it is being stopped, once it is. */
  #stopping: Failure | null = null;
  #timeout: NodeJS.Timeout | null = null;
  #kill: NodeJS.Timeout | null = null;

  constructor(request: ExecuteRequest, timeoutMs: number, consumer: QueryConsumer) {
    this.#request = request;
    this.#timeoutMs = timeoutMs;
    this.#consumer = consumer;
  }

  run(worker: QueryWorker, onFinished: (outcome: QueryOutcome) => void): void {
    this.worker = worker;
    const limitMs = this.#timeoutMs;
    this.#timeout = setTimeout(() => {
      this.stop(failure('TRIBUTARY_QUERY_TIMEOUT', { elapsedMs: limitMs, limitMs }));
    }, limitMs);
    worker.execute(this.#request, {
      began: () => {
        this.#begun = true;
        this.#consumer.began();
      },
      data: (bytes) => {
        if (!this.#consumer.data(bytes) && this.#stopping === null) worker.pause();
      },
      finished: (outcome) => {
        this.#finish(outcome);
        onFinished(outcome);
      },
    });
  }

  /** Has the worker end it with `reason`, or ends the worker. */
  stop(reason: Failure): void {
    const worker = this.worker;
    if (worker === null || this.#ended || this.#stopping !== null) return;
    this.#stopping = reason;
    worker.cancel(reason);
    this.#kill = setTimeout(() => worker.kill(), KILL_AFTER_MS);
  }

  /** The worker ended under it. */
  lost(reason: string): void {
    const cause = this.#stopping ?? failure('TRIBUTARY_QUERY_WORKER_LOST', { reason });
    const error = new TributaryError(cause.code, cause.parameters);
    this.fail(error, this.#begun ? 'broken' : 'none');
  }

  fail(error: TributaryError, body: FailedBody, statistics: QueryStatistics | null = null): void {
    if (!this.#end()) return;
    this.#consumer.failed(error, body, statistics);
  }

  #finish(outcome: QueryOutcome): void {
    if (outcome.failure !== null) {
      const { code, parameters } = outcome.failure;
      const body = this.#begun ? 'explained' : 'none';
      this.fail(new TributaryError(code, parameters), body, outcome.statistics);
    } else if (this.#end()) this.#consumer.finished(outcome.statistics);
  }

  #end(): boolean {
    if (this.#ended) return false;
    this.#ended = true;
    if (this.#timeout !== null) clearTimeout(this.#timeout);
    if (this.#kill !== null) clearTimeout(this.#kill);
    this.worker = null;
    return true;
  }
}
