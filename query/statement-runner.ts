/**
 * Runs one statement in a worker, from SQL text to the last byte of its result.
 *
 * The order: parse and gate, decide what is read (statement-reads.ts), prepare, bind, stream.
 *
 * - Nothing runs that the gate did not pass, and DuckDB must agree that it is a SELECT or an EXPLAIN.
 * - Each statement has a connection of its own; rolling it back frees whatever a half-read result held.
 * - Scan bounds and snapshots are of this statement only, and let go whatever happens.
 * - The next chunk is fetched only once the last one was taken: a slow reader stops the query.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Catalog } from './catalog.ts';
import { withDeclaredTraits } from './declared-columns.ts';
import {
  type Connection,
  type Database,
  type DataChunk,
  type Parameter,
  type Result,
  readProblem,
  type Statement,
  StreamBrokenError,
} from './duckdb.ts';
import { readsRow } from './explain-reads.ts';
import { type Failure, failure, failureFromProblem } from './failures.ts';
import type { ReadMeter } from './read-meter.ts';
import { type QueryStatistics, type ResultWriter, writerOf } from './result-formats.ts';
import type { ParsedStatement, StatementParser } from './statement-parser.ts';
import { StatementReads } from './statement-reads.ts';
import { withRecentQueries } from './system-queries.ts';
import { type TableReads, type TableSnapshots, totalReads } from './table-snapshots.ts';
import type { ExecuteRequest, QueryOutcome } from './worker-protocol.ts';

export type ScanCounts = Pick<
  QueryStatistics,
  'segmentsScanned' | 'segmentsSkipped' | 'rowsScanned'
>;

/** The part of the native addon that guides scans. */
export interface ScanControl {
  setScanBound(table: string, column: string, min: bigint, max: bigint): void;
  clearScanBounds(): void;
  /** Since it was last called. */
  takeScanCounts(): ScanCounts;
}

/** Where the bytes of a result go. */
export interface ResultChannel {
  /** Called once, before the first byte. */
  begin(): void;
  /** @returns null when more may come at once, else what to wait for; it settles on cancel too. */
  send(bytes: Buffer): Promise<void> | null;
}

export interface RunnerParts {
  readonly database: Database;
  readonly parser: StatementParser;
  readonly catalog: Catalog;
  readonly scans: ScanControl;
  /** Null for a catalogue that scans no tables of the appliance. */
  readonly snapshots: TableSnapshots | null;
  /** Null where nobody counts what a process reads. */
  readonly meter: ReadMeter | null;
  readonly clock: Clock;
  readonly memoryLimitBytes: number;
}

/** Thrown inside this module to leave it early; it never escapes `run`. */
class StatementFailure extends Error {
  readonly failure: Failure;
  constructor(cause: Failure) {
    super(cause.code);
    this.failure = cause;
  }
}

export class StatementRunner {
  readonly #parts: RunnerParts;
  #connection: Connection | null = null;
  #cancelled: Failure | null = null;
  #reads: StatementReads | null = null;

  constructor(parts: RunnerParts) {
    this.#parts = parts;
  }

  /** Ends the running statement soon, with `reason` as its failure; without one it does nothing. */
  cancel(reason: Failure): void {
    this.#cancelled = reason;
    this.#connection?.interrupt();
  }

  get #tables(): readonly TableReads[] {
    return this.#reads?.tables ?? [];
  }

  /** Never rejects: what goes wrong is in the outcome. */
  async run(request: ExecuteRequest, channel: ResultChannel): Promise<QueryOutcome> {
    const { clock, scans } = this.#parts;
    const startedMs = clock.monotonicMs();
    const progress = new Progress(request, channel);
    this.#cancelled = null;
    this.#reads = null;
    scans.takeScanCounts();
    const countScans = scanCounter(scans);
    const { meter } = this.#parts;
    const readBytesBefore = (await meter?.readBytes()) ?? 0;
    const statistics = async (): Promise<QueryStatistics> => ({
      elapsedMs: Math.round(clock.monotonicMs() - startedMs),
      rows: progress.rows,
      bytes: progress.bytes,
      ...countScans(),
      ...totalReads(this.#tables),
      bytesFetched: meter === null ? null : (await meter.readBytes()) - readBytesBefore,
    });
    let outcome: QueryOutcome;
    let writer: ResultWriter | null = null;
    let parsed: ParsedStatement | null = null;
    try {
      parsed = await this.#parse(request.sql);
      this.#connection = await this.#parts.database.connect();
      const reads = new StatementReads(this.#parts, this.#connection);
      this.#reads = reads;
      const result = await this.#start(parsed, request, this.#connection, reads);
      writer = writerOf(request.format, result);
      await this.#stream(result, writer, progress);
      if (parsed.explained) {
        const sql = readsRow(this.#tables, parsed.analyzed ? await statistics() : null);
        const row = await (await this.#connection.prepare(sql)).stream();
        await this.#streamRows(await row.nextChunk(), row, writer, progress);
      }
      await reads.keep();
      outcome = { statistics: await statistics(), failure: null };
      writer.end(outcome.statistics, progress.frame);
      await progress.flush();
    } catch (error) {
      const failed =
        error instanceof StreamBrokenError && parsed !== null
          ? await this.#repeat(parsed, request)
          : this.#failureOf(error, request.sql);
      outcome = { statistics: await statistics(), failure: failed };
      if (writer !== null && progress.begun) {
        writer.fail(new TributaryError(failed.code, failed.parameters).toJSON(), progress.frame);
      }
    } finally {
      scans.clearScanBounds();
      await this.#disconnect();
      this.#parts.snapshots?.release();
    }
    return outcome;
  }

  async #parse(sql: string): Promise<ParsedStatement> {
    const parsed = await this.#parts.parser.parse(sql);
    if ('code' in parsed) throw new StatementFailure(parsed);
    return parsed;
  }

  async #start(
    parsed: ParsedStatement,
    { declaredTraits = [], recentQueries = [], parameters }: ExecuteRequest,
    connection: Connection,
    reads: StatementReads,
  ): Promise<Result> {
    const declared = withDeclaredTraits(this.#parts.catalog, declaredTraits, parsed.root);
    const catalog = withRecentQueries(declared, recentQueries);
    await reads.make(parsed, catalog, parameters);
    this.#stopIfCancelled();
    const statement = await connection.prepare(parsed.sql);
    if (statement.kind !== (parsed.explained ? 'explain' : 'select')) {
      const what = 'This statement';
      throw new StatementFailure(failure('TRIBUTARY_QUERY_STATEMENT_DENIED', { what }));
    }
    bindParameters(statement, parameters);
    this.#stopIfCancelled();
    return statement.stream();
  }

  async #stream(result: Result, writer: ResultWriter, progress: Progress): Promise<void> {
    const first = await result.nextChunk();
    this.#stopIfCancelled();
    progress.begin();
    writer.begin(progress.frame);
    await this.#streamRows(first, result, writer, progress);
  }

  async #streamRows(
    first: DataChunk | null,
    result: Result,
    writer: ResultWriter,
    progress: Progress,
  ): Promise<void> {
    let chunk = first;
    while (chunk !== null) {
      progress.countRows(chunk.rowCount);
      writer.rows(chunk, progress.data);
      await progress.flush();
      this.#stopIfCancelled();
      chunk = await result.nextChunk();
      this.#stopIfCancelled();
    }
  }

  /**
   * Finds the error that broke a stream: the binding does not tell it, so the statement runs again,
   * for its error only. EXPLAIN ANALYZE computes all rows and keeps none.
   */
  async #repeat(parsed: ParsedStatement, request: ExecuteRequest): Promise<Failure> {
    const prefix = parsed.explained ? '' : 'EXPLAIN ANALYZE ';
    try {
      this.#stopIfCancelled();
      assert(this.#connection !== null, 'a broken stream still has its connection');
      await this.#reads?.makeAgain();
      const statement = await this.#connection.prepare(prefix + parsed.sql);
      bindParameters(statement, request.parameters);
      this.#stopIfCancelled();
      await statement.run();
    } catch (error) {
      return this.#failureOf(error, request.sql, prefix.length);
    }
    return failure('TRIBUTARY_QUERY_FAILED', { reason: 'it failed once, but not again' });
  }

  /**
   * Ends what the statement has open. Closing alone does not: a result that was not read to its end keeps the
   * transaction for as long as JavaScript has not collected it, and the views of the transaction with it.
   */
  async #disconnect(): Promise<void> {
    const connection = this.#connection;
    this.#connection = null;
    await connection?.rollBack();
    connection?.close();
  }

  #stopIfCancelled(): void {
    if (this.#cancelled !== null) throw new StatementFailure(this.#cancelled);
  }

  /** @param prefixBytes what stood before `sql` in the text that failed. */
  #failureOf(error: unknown, sql: string, prefixBytes = 0): Failure {
    if (error instanceof StatementFailure) return error.failure;
    if (this.#cancelled !== null) return this.#cancelled;
    if (isTooLong(error)) {
      return failure('TRIBUTARY_QUERY_RESULT_TOO_LARGE', { limit: 'a value may be', unit: 'long' });
    }
    const problem = readProblem(error);
    const position = problem.position === null ? null : problem.position - prefixBytes;
    return failureFromProblem({ ...problem, position }, sql, this.#parts.memoryLimitBytes);
  }
}

/** Counts what is scanned from now on: each call tells all of it. */
function scanCounter(scans: ScanControl): () => ScanCounts {
  const counts = { segmentsScanned: 0, segmentsSkipped: 0, rowsScanned: 0 };
  return () => {
    const more = scans.takeScanCounts();
    counts.segmentsScanned += more.segmentsScanned;
    counts.segmentsSkipped += more.segmentsSkipped;
    counts.rowsScanned += more.rowsScanned;
    return { ...counts };
  };
}

/** Sends text, counts it, and holds it to the budgets of the request. */
class Progress {
  rows = 0;
  bytes = 0;
  begun = false;
  readonly #request: ExecuteRequest;
  readonly #channel: ResultChannel;
  #wait: Promise<void> | null = null;

  constructor(request: ExecuteRequest, channel: ResultChannel) {
    this.#request = request;
    this.#channel = channel;
  }

  begin(): void {
    this.begun = true;
    this.#channel.begin();
  }

  countRows(count: number): void {
    this.rows += count;
    const limit = this.#request.rowsMax;
    if (this.rows > limit) throw tooLarge(limit, 'rows');
  }

  /** Text of rows. */
  readonly data = (text: string): void => {
    const bytes = Buffer.from(text, 'utf8');
    this.bytes += bytes.length;
    const limit = this.#request.bytesMax;
    if (this.bytes > limit) throw tooLarge(limit, 'bytes');
    this.#wait = this.#channel.send(bytes);
  };

  /** Text around the rows: not counted, so that a result over budget can still say so. */
  readonly frame = (text: string): void => {
    this.#wait = this.#channel.send(Buffer.from(text, 'utf8'));
  };

  /** Waits until the reader takes more. */
  async flush(): Promise<void> {
    if (this.#wait !== null) await this.#wait;
    this.#wait = null;
  }
}

function bindParameters(statement: Statement, parameters: readonly Parameter[]): void {
  const names = statement.parameterNames;
  const invalid = (reason: string): StatementFailure =>
    new StatementFailure(failure('TRIBUTARY_QUERY_PARAMETERS_INVALID', { reason }));
  if (names === undefined) throw invalid('their numbers leave one out; use $1, $2, … without gaps');
  if (names.length > LIMITS.sqlParametersMax) {
    throw invalid(`${names.length} parameters, limit ${LIMITS.sqlParametersMax}`);
  }
  const named = names.find((name) => !/^\d+$/.test(name));
  if (named !== undefined) throw invalid(`$${named} has a name; use $1, $2, … or ?`);
  const highest = names.reduce((most, name) => Math.max(most, Number(name)), 0);
  if (highest !== parameters.length) {
    throw invalid(`the statement takes ${highest}, the request gives ${parameters.length}`);
  }
  names.forEach((name, index) => {
    statement.bind(index + 1, parameters[Number(name) - 1] ?? null);
  });
}

function tooLarge(limit: number, unit: string): StatementFailure {
  return new StatementFailure(failure('TRIBUTARY_QUERY_RESULT_TOO_LARGE', { limit, unit }));
}

/** V8 holds no string above half a gigabyte, and no buffer above a few. */
function isTooLong(error: unknown): boolean {
  const code = (error as { readonly code?: unknown } | null)?.code;
  return error instanceof RangeError || code === 'ERR_STRING_TOO_LONG';
}
