/**
 * The flusher of one tenant: decides when hot rows go to the lake, and moves those of all tables up to one
 * sequence.
 *
 * A flush begins with a cut: the last sequence that is applied and how many rows of each table are
 * published, read in one turn of the event loop, where they belong together. Tables go one after
 * another, `events` last: once the events of a sequence are in the lake, so is all that came of them, and
 * the log up to it is no longer needed for rows.
 *
 * - It is due when unflushed rows take `flushBytes`, or some have waited for `flushAgeMs`.
 * - A flush that begins late is urgent: encoding then takes its full share of the processors.
 * - Files that flushed segments left behind, and that nobody needed for long, are given up (SpareSegments).
 * - One flush runs at a time. The write path goes on meanwhile; encoding has a process of its own.
 *
 * Failure: rows stay hot, the error is logged, and the next attempt comes after a growing pause. While hot
 * storage is full, batches are refused with TRIBUTARY_STORAGE_HOT_FULL.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { HotTable } from '../storage/hot-table.ts';
import type { ColdTable } from './cold-table.ts';

/** What is published at one moment. */
export interface FlushCut {
  /** Of the last record that is applied. */
  readonly sequence: number;
  /** Of each table, in the order of the flusher's. */
  readonly rows: readonly number[];
}

export interface FlushLimits {
  /** Memory that unflushed rows may take before they are flushed, bytes. */
  readonly flushBytes: number;
  /** Time the oldest unflushed row may wait, milliseconds. */
  readonly flushAgeMs: number;
}

export interface FlusherOptions extends FlushLimits {
  readonly tenantId: string;
  /** `events` last. */
  readonly tables: readonly ColdTable[];
  /** The last sequence of the log that is published, now. */
  readonly appliedSequence: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Totals since the start. */
export interface FlushStatistics {
  readonly flushes: number;
  readonly failures: number;
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
  readonly elapsedMs: number;
}

/** A flush that begins with so many times the rows that make one due follows on one that was too slow. */
const URGENT_FACTOR = 1.5;
const POLL_MS = 250;
const RETRY_MS = 1000;
const RETRY_MS_MAX = 60_000;

export class Flusher {
  readonly #options: FlusherOptions;
  readonly #statistics = { flushes: 0, failures: 0, rows: 0, files: 0, bytes: 0, elapsedMs: 0 };
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  /** When a row was first seen unflushed, by the monotonic clock. */
  #waitingSinceMs: number | undefined;
  #failuresInRow = 0;
  #pausedUntilMs = 0;
  #stopped = false;

  constructor(options: FlusherOptions) {
    this.#options = options;
  }

  get statistics(): FlushStatistics {
    return this.#statistics;
  }

  get unflushedBytes(): number {
    return this.#options.tables.reduce((sum, table) => sum + table.unflushedBytes, 0);
  }

  /** Settles when the flush that runs has ended, however it did; undefined while none runs. */
  get flushing(): Promise<void> | undefined {
    return this.#running?.catch(() => {});
  }

  /** How long the oldest unflushed row has waited, milliseconds. */
  get lagMs(): number {
    if (this.#waitingSinceMs === undefined) return 0;
    return this.#options.clock.monotonicMs() - this.#waitingSinceMs;
  }

  /** From now on flushes when it is due. */
  start(): void {
    this.#timer = setInterval(() => this.poll(), POLL_MS);
    this.#timer.unref();
  }

  /** Begins a flush when it is due and none runs. */
  poll(): void {
    const { clock, flushBytes, flushAgeMs, logger, tenantId } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const { hot } of this.#options.tables) hot.spares.giveUpIdle(nowMs);
    if (!this.#hasRows()) this.#waitingSinceMs = undefined;
    else this.#waitingSinceMs ??= nowMs;
    if (this.#stopped || this.#running !== undefined || nowMs < this.#pausedUntilMs) return;
    if (this.#waitingSinceMs === undefined) return;
    if (nowMs - this.#waitingSinceMs < flushAgeMs && this.unflushedBytes < flushBytes) return;
    this.flush().catch((error: unknown) => {
      if (this.#stopped) return;
      logger.log('error', 'hot rows could not be flushed', { tenant: tenantId, error });
    });
  }

  /** Flushes all that is published, now or after the flush that runs. */
  flush(): Promise<void> {
    return this.#flushNext(() => this.#hasRows());
  }

  /** The same; where no rows are left to flush, the lake is told at least how far it goes. */
  flushMark(): Promise<void> {
    const { appliedSequence, tables } = this.#options;
    return this.#flushNext(() => this.#hasRows() || tables.at(-1)!.watermark < appliedSequence());
  }

  async #flushNext(isDue: () => boolean): Promise<void> {
    while (this.#running !== undefined) await this.flushing;
    if (!isDue()) return;
    this.#running = this.#flush();
    try {
      await this.#running;
    } finally {
      this.#running = undefined;
    }
  }

  /** Begins no more flushes; one that fails from now on does so in silence. Idempotent. */
  stop(): void {
    clearInterval(this.#timer);
    this.#stopped = true;
  }

  /** Stops, and waits for the flush that runs. Idempotent. */
  async close(): Promise<void> {
    this.stop();
    await this.flushing;
  }

  async #flush(): Promise<void> {
    const { clock, tables, flushBytes } = this.#options;
    const isUrgent = this.unflushedBytes > URGENT_FACTOR * flushBytes;
    const startMs = clock.monotonicMs();
    const cut = this.#cut();
    this.#waitingSinceMs = undefined;
    try {
      for (const [index, table] of tables.entries()) {
        const { rows, files, bytes } = await table.flush({
          toRow: cut.rows[index]!,
          sequence: cut.sequence,
          commits: index === tables.length - 1,
          isUrgent,
        });
        this.#statistics.rows += rows;
        this.#statistics.files += files;
        this.#statistics.bytes += bytes;
      }
      this.#statistics.flushes += 1;
      this.#failuresInRow = 0;
    } catch (error) {
      this.#statistics.failures += 1;
      this.#waitingSinceMs = startMs;
      this.#pausedUntilMs =
        clock.monotonicMs() + Math.min(RETRY_MS * 2 ** this.#failuresInRow, RETRY_MS_MAX);
      this.#failuresInRow += 1;
      throw error;
    } finally {
      this.#statistics.elapsedMs += clock.monotonicMs() - startMs;
    }
  }

  #cut(): FlushCut {
    const { tables, appliedSequence } = this.#options;
    return { sequence: appliedSequence(), rows: tables.map(({ hot }) => hot.publishedRows) };
  }

  #hasRows(): boolean {
    return this.#options.tables.some(({ hot }) => isUnflushed(hot));
  }
}

function isUnflushed({ floorRow, publishedRows }: HotTable): boolean {
  return floorRow < publishedRows;
}
