/**
 * SQL for one tenant: what the HTTP front calls. Ids, budgets and counters around the worker pool.
 *
 * A front gives a sink and gets back a handle. The order of calls on a sink is
 * `begin write* (end | fail)`, or `fail` alone; nothing follows `end` or `fail`.
 */
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import type { RandomSource } from '../base/random.ts';
import type { FileSystem } from '../storage/file-system.ts';
import { newQueryId } from './query-id.ts';
import { QueryLog } from './query-log.ts';
import { CONTENT_TYPES, type QueryStatistics } from './result-formats.ts';
import type { SqlRequest } from './sql-request.ts';
import { mayReadQueries } from './system-queries.ts';
import type { ReadTrait } from './trait-value.ts';
import { type FailedBody, type PooledQuery, WorkerPool } from './worker-pool.ts';
import type { WorkerSettings } from './worker-protocol.ts';

export interface SqlServiceOptions {
  readonly settings: WorkerSettings;
  readonly workerCount: number;
  /** Queries that may wait for a worker. */
  readonly queueMax: number;
  /** For requests that name no timeout; and the longest they may name. */
  readonly timeoutMs: number;
  readonly timeoutMsMax: number;
  /** One result. */
  readonly resultRowsMax: number;
  readonly resultBytesMax: number;
  /** The traits that are declared now; none unless given. */
  readonly declaredTraits?: () => readonly ReadTrait[];
}

export const SQL_SERVICE_DEFAULTS = Object.freeze({
  workerCount: 2,
  queueMax: 64,
  timeoutMs: 60_000,
  timeoutMsMax: LIMITS.sqlTimeoutMsMax,
  resultRowsMax: 1_000_000_000,
  resultBytesMax: 4 * 1024 ** 3,
});

export interface SqlServiceParts {
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly fileSystem: FileSystem;
  readonly logger: Logger;
}

export interface SqlSink {
  /** The statement runs: status 200 and headers. */
  begin(contentType: string, queryId: string): void;
  /** Takes the next bytes and owns them. @returns false to get no more until the `onDrain` callback. */
  write(bytes: Uint8Array): boolean;
  /** Called once, before anything else: `callback` is to be called when `write` may go on. */
  onDrain(callback: () => void): void;
  /** The result is complete. */
  end(statistics: QueryStatistics): void;
  /**
   * `none`: nothing was sent, answer with the error's status. `explained`: the body ends with the
   * error, end it. `broken`: the body stops anywhere, cut the connection.
   */
  fail(error: TributaryError, body: FailedBody): void;
}

export interface SqlQuery {
  readonly id: string;
  /** The client is gone. */
  cancel(): void;
}

/** Totals since the start; each query counts once as finished, failed, timed out or cancelled. */
export interface SqlCounters {
  queriesStarted: number;
  queriesFinished: number;
  queriesFailed: number;
  queriesTimedOut: number;
  queriesCancelled: number;
  queriesRefused: number;
  resultRows: number;
  resultBytes: number;
  segmentsScanned: number;
  segmentsSkipped: number;
  filesRead: number;
  filesSkipped: number;
  bytesRead: number;
  bytesSkipped: number;
  elapsedMs: number;
}

export class SqlService {
  readonly counters: SqlCounters = {
    queriesStarted: 0,
    queriesFinished: 0,
    queriesFailed: 0,
    queriesTimedOut: 0,
    queriesCancelled: 0,
    queriesRefused: 0,
    resultRows: 0,
    resultBytes: 0,
    segmentsScanned: 0,
    segmentsSkipped: 0,
    filesRead: 0,
    filesSkipped: 0,
    bytesRead: 0,
    bytesSkipped: 0,
    elapsedMs: 0,
  };
  readonly #options: SqlServiceOptions;
  readonly #parts: SqlServiceParts;
  readonly #pool: WorkerPool;
  readonly #log: QueryLog;

  private constructor(options: SqlServiceOptions, parts: SqlServiceParts, pool: WorkerPool) {
    this.#options = options;
    this.#parts = parts;
    this.#pool = pool;
    this.#log = new QueryLog(parts.clock);
  }

  static async open(options: SqlServiceOptions, parts: SqlServiceParts): Promise<SqlService> {
    const { fileSystem, logger } = parts;
    const { settings, workerCount, queueMax } = options;
    await fileSystem.makeDirectory(settings.temporaryDirectory);
    const pool = await WorkerPool.open({ settings, workerCount, queueMax, fileSystem, logger });
    return new SqlService(options, parts, pool);
  }

  /** Queries waiting and running, workers alive and lost: gauges for metrics. */
  get state(): { queued: number; running: number; workersStarted: number; workersLost: number } {
    const { workersStarted, workersLost } = this.#pool.counters;
    const { queuedCount: queued, runningCount: running } = this.#pool;
    return { queued, running, workersStarted, workersLost };
  }

  /** Process ids of the live workers, for metrics and operators. */
  get workerProcessIds(): number[] {
    return this.#pool.processIds;
  }

  /** For Retry-After: how long the queue takes at the pace so far, whole seconds, 1 to 60. */
  get retryAfterSeconds(): number {
    const { queriesFinished, elapsedMs } = this.counters;
    const eachMs = queriesFinished === 0 ? 1000 : elapsedMs / queriesFinished;
    const seconds = (eachMs * this.#pool.queuedCount) / this.#options.workerCount / 1000;
    return Math.min(60, Math.max(1, Math.ceil(seconds)));
  }

  /**
   * Starts a query; `fail` may be called before this returns.
   * @param keyId the admin key it came with; null for a statement of the appliance's own.
   */
  execute(request: SqlRequest, sink: SqlSink, keyId: string | null = null): SqlQuery {
    const id = newQueryId(this.#parts.clock, this.#parts.random);
    const timeoutMs = request.timeoutMs ?? this.#options.timeoutMs;
    if (timeoutMs > this.#options.timeoutMsMax) {
      const reason = `timeout_ms is ${timeoutMs}, limit ${this.#options.timeoutMsMax}`;
      sink.fail(new TributaryError('TRIBUTARY_QUERY_REQUEST_INVALID', { reason }), 'none');
      return { id, cancel() {} };
    }
    const bytes = Buffer.byteLength(request.sql, 'utf8');
    if (bytes > LIMITS.sqlBytesMax) {
      const parameters = { what: 'SQL', bytes, limitBytes: LIMITS.sqlBytesMax };
      sink.fail(new TributaryError('TRIBUTARY_QUERY_TEXT_TOO_LARGE', parameters), 'none');
      return { id, cancel() {} };
    }
    const query = this.#submit(request, timeoutMs, { id, keyId }, sink);
    if (query === null) return { id, cancel() {} };
    sink.onDrain(() => query.resume());
    return { id, cancel: () => query.cancel() };
  }

  /** Forgets what was asked, but not that it was: an erased person may be named in it. */
  forgetTexts(): void {
    this.#log.forgetTexts();
  }

  /** Refuses new queries, waits `graceMs` for the running ones, ends the workers. */
  close(graceMs = 2000): Promise<void> {
    return this.#pool.close(graceMs);
  }

  /** @returns null when the query was refused; the sink knows. */
  #submit(
    request: SqlRequest,
    timeoutMs: number,
    { id, keyId }: { readonly id: string; readonly keyId: string | null },
    sink: SqlSink,
  ): PooledQuery | null {
    const { sql, parameters, format } = request;
    const { resultRowsMax: rowsMax, resultBytesMax: bytesMax } = this.#options;
    const counters = this.counters;
    const logged = this.#log.begin(id, sql, keyId);
    try {
      const declaredTraits = this.#options.declaredTraits?.() ?? [];
      const limits = { rowsMax, bytesMax };
      const recentQueries = mayReadQueries(sql) ? this.#log.recent : [];
      const execute = { sql, parameters, format, ...limits, declaredTraits, recentQueries };
      const query = this.#pool.submit(execute, timeoutMs, {
        began: () => sink.begin(CONTENT_TYPES[format], id),
        data: (bytes) => sink.write(bytes),
        finished: (statistics) => {
          countFinished(counters, statistics);
          logged.finish(statistics);
          sink.end(statistics);
        },
        failed: (error, body, statistics) => {
          countFailed(counters, error);
          logged.fail(error.code, statistics);
          sink.fail(error, body);
        },
      });
      counters.queriesStarted += 1;
      return query;
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      counters.queriesRefused += 1;
      logged.fail(error.code, null);
      const isFull = error.code === 'TRIBUTARY_QUERY_QUEUE_FULL';
      sink.fail(isFull ? this.#queueFull() : error, 'none');
      return null;
    }
  }

  /** The pool's refusal with what only the service knows: when to come back. */
  #queueFull(): TributaryError {
    return new TributaryError('TRIBUTARY_QUERY_QUEUE_FULL', {
      queuedCount: this.#pool.queuedCount,
      limit: this.#options.queueMax,
      retryAfterSeconds: this.retryAfterSeconds,
    });
  }
}

function countFinished(counters: SqlCounters, statistics: QueryStatistics): void {
  counters.queriesFinished += 1;
  counters.resultRows += statistics.rows;
  counters.resultBytes += statistics.bytes;
  counters.segmentsScanned += statistics.segmentsScanned;
  counters.segmentsSkipped += statistics.segmentsSkipped;
  counters.filesRead += statistics.filesRead;
  counters.filesSkipped += statistics.filesSkipped;
  counters.bytesRead += statistics.bytesRead;
  counters.bytesSkipped += statistics.bytesSkipped;
  counters.elapsedMs += statistics.elapsedMs;
}

function countFailed(counters: SqlCounters, error: TributaryError): void {
  if (error.code === 'TRIBUTARY_QUERY_TIMEOUT') counters.queriesTimedOut += 1;
  else if (error.code === 'TRIBUTARY_QUERY_CANCELLED') counters.queriesCancelled += 1;
  else counters.queriesFailed += 1;
}
