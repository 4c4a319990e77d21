/**
 * Makes checkpoints of one tenant: when the log has grown by `logBytes` since the last one, and by twice what that
 * one takes, a process of its own (checkpoint-worker.ts) folds the log up to what the lake has.
 *
 * - A checkpoint reads and writes the whole state, so a log of twice as many bytes lies between two: what is done
 *   for checkpoints stays in proportion to what is logged, however large the state has grown.
 * - One process runs at a time, with bounded memory. The write path knows nothing of it.
 * - It has the lowest priority while that is enough. Beside ingest that never rests it would get nothing: one
 *   that the log overtakes, by as much again as made it due, is ended and begun again at the priority
 *   of the write path, and so are those that follow, until the load lets up. So a start replays little
 *   more than twice what lies between two checkpoints, whatever the load.
 * - Once a checkpoint is made, what it makes unneeded goes (log-trim.ts).
 *
 * Failure: logged, and tried again after a growing pause. The checkpoints there are stay, and so does the log.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { GIB } from '../base/units.ts';
import { removeHotDirectory } from '../storage/hot-directory.ts';
import type { CheckpointAnswer, CheckpointOrder } from './checkpoint-order.ts';
import {
  type CheckpointRun,
  type StartCheckpoint,
  startCheckpointProcess,
} from './checkpoint-process.ts';

export interface CheckpointerOptions {
  readonly order: Omit<CheckpointOrder, 'sequence' | 'dataBytesMax'>;
  /** Memory of the state a checkpoint is made of, bytes. */
  readonly stateBytes: () => number;
  /** Removes what a new checkpoint makes unneeded; undefined when somebody holds it. */
  readonly trim: (answer: CheckpointAnswer) => Promise<number | undefined>;
  /** How much the log grows between two checkpoints at least, bytes of payloads. */
  readonly logBytes: number;
  /** Payload bytes behind the checkpoint of the start, and all that was logged since. */
  readonly loggedBytes: () => number;
  /** The last sequence whose rows are in the lake. */
  readonly flushedSequence: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** {@link startCheckpointProcess} unless given. */
  readonly startProcess?: StartCheckpoint;
}

/** Totals since the start. */
export interface CheckpointStatistics {
  readonly checkpoints: number;
  readonly failures: number;
  /** How often one was ended because the log had overtaken it, and begun again. */
  readonly overtaken: number;
  /** Files of the log that were removed. */
  readonly removedLogFiles: number;
  /** Of the last one that was made, bytes; 0 before. */
  readonly bytes: number;
  readonly elapsedMs: number;
}

/** RLIMIT_DATA: the heap, buffers, stacks and code, and tables that grow with the log that is replayed. */
const DATA_BYTES = GIB;
const DATA_BYTES_PER_STATE_BYTE = 3;
const NICENESS_MAX = 19;
/** Reading and writing a state takes the time in which half as many bytes of log are replayed. */
const LOG_BYTES_PER_STATE_BYTE = 2;
/**
 * The load has let up when the log grows by less than this share of what makes a checkpoint due while one is
 * made at full priority. At the lowest it would take longer, and not be overtaken even so.
 */
const CALM_SHARE = 1 / 8;
const POLL_MS = 1000;
const RETRY_MS = 60_000;
const RETRY_MS_MAX = 3_600_000;

/** A checkpoint that is being made at the lowest priority, or at that of the write path. */
interface Attempt {
  readonly run: CheckpointRun;
  readonly niceness: number;
  /** Of `flushedSequence` and `loggedBytes`, when it was begun. */
  readonly sequence: number;
  readonly coveredBytes: number;
  isOvertaken: boolean;
}

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  readonly #statistics = {
    checkpoints: 0,
    failures: 0,
    overtaken: 0,
    removedLogFiles: 0,
    bytes: 0,
    elapsedMs: 0,
  };
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #attempt: Attempt | undefined;
  /** Whether checkpoints are made at the priority of the write path. */
  #isHurried = false;
  /** Of `loggedBytes`, when the last checkpoint was begun. */
  #coveredBytes = 0;
  #sequence = 0;
  #failuresInRow = 0;
  #pausedUntilMs = 0;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    removeHotDirectory(options.order.hotDirectory);
  }

  get statistics(): CheckpointStatistics {
    return this.#statistics;
  }

  /** What all checkpoints of the tenant have in common. */
  get order(): Omit<CheckpointOrder, 'sequence' | 'dataBytesMax'> {
    return this.#options.order;
  }

  /** The process that works; undefined while none does. */
  get processId(): number | undefined {
    return this.#attempt?.run.processId;
  }

  /** Settles when the checkpoint that is being made has ended, however it did; undefined while none is. */
  get checkpointing(): Promise<void> | undefined {
    return this.#running;
  }

  /** From now on makes a checkpoint when it is due. */
  start(): void {
    this.#timer = setInterval(() => this.poll(), POLL_MS);
    this.#timer.unref();
  }

  /** Makes a checkpoint of all that is flushed, unless one is being made. Never rejects. */
  checkpoint(): Promise<void> {
    this.#running ??= this.#checkpoint().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  /** Ends the process that runs. Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#pausedUntilMs = Number.POSITIVE_INFINITY;
    this.#attempt?.run.end();
    await this.#running;
  }

  /** Begins a checkpoint when it is due and none is being made, and hurries one that is overdue. */
  poll(): void {
    const { loggedBytes, clock, flushedSequence } = this.#options;
    const attempt = this.#attempt;
    if (attempt !== undefined) {
      if (attempt.niceness > 0 && loggedBytes() - attempt.coveredBytes >= this.#dueBytes) {
        attempt.isOvertaken = true;
        attempt.run.end();
      }
      return;
    }
    if (loggedBytes() - this.#coveredBytes < this.#dueBytes) return;
    if (clock.monotonicMs() < this.#pausedUntilMs || flushedSequence() <= this.#sequence) return;
    void this.checkpoint();
  }

  /** How much log makes a checkpoint due. */
  get #dueBytes(): number {
    const { logBytes } = this.#options;
    return Math.max(logBytes, LOG_BYTES_PER_STATE_BYTE * this.#statistics.bytes);
  }

  async #checkpoint(): Promise<void> {
    const { order, loggedBytes, clock, logger } = this.#options;
    const tenant = order.tenantId;
    const startMs = clock.monotonicMs();
    try {
      const { sequence, coveredBytes, answer } = await this.#make();
      this.#coveredBytes = coveredBytes;
      this.#sequence = sequence;
      this.#failuresInRow = 0;
      this.#statistics.checkpoints += 1;
      this.#statistics.bytes = answer.bytes;
      if (loggedBytes() - coveredBytes < CALM_SHARE * this.#dueBytes) this.#isHurried = false;
      logger.log('info', 'a checkpoint was made', { tenant, sequence, ...answer });
      await this.#trim(answer);
    } catch (error) {
      this.#statistics.failures += 1;
      const pauseMs = Math.min(RETRY_MS * 2 ** this.#failuresInRow, RETRY_MS_MAX);
      this.#pausedUntilMs = Math.max(this.#pausedUntilMs, clock.monotonicMs() + pauseMs);
      this.#failuresInRow += 1;
      if (!this.#isClosing)
        logger.log('error', 'a checkpoint could not be made', { tenant, error });
    } finally {
      this.#statistics.elapsedMs += clock.monotonicMs() - startMs;
    }
  }

  get #isClosing(): boolean {
    return this.#pausedUntilMs === Number.POSITIVE_INFINITY;
  }

  /** Begins again when the log overtakes it; at full priority that is left to go on. */
  async #make(): Promise<
    Pick<Attempt, 'sequence' | 'coveredBytes'> & { answer: CheckpointAnswer }
  > {
    const { order, stateBytes, loggedBytes, flushedSequence, logger } = this.#options;
    for (;;) {
      const [sequence, coveredBytes] = [flushedSequence(), loggedBytes()];
      const dataBytesMax = DATA_BYTES + DATA_BYTES_PER_STATE_BYTE * stateBytes();
      const niceness = this.#isHurried ? 0 : NICENESS_MAX;
      const startProcess = this.#options.startProcess ?? startCheckpointProcess;
      const run = startProcess({ ...order, sequence, dataBytesMax }, niceness);
      const attempt = { run, niceness, sequence, coveredBytes, isOvertaken: false };
      this.#attempt = attempt;
      try {
        return { sequence, coveredBytes, answer: await run.answer };
      } catch (error) {
        if (!attempt.isOvertaken || this.#isClosing) throw error;
        this.#isHurried = true;
        this.#statistics.overtaken += 1;
        const words = 'the log has overtaken a checkpoint, which is begun again at full priority';
        logger.log('info', words, { tenant: order.tenantId });
      } finally {
        this.#attempt = undefined;
        removeHotDirectory(order.hotDirectory);
      }
    }
  }

  /** What cannot be removed now is in nobody's way, and goes the next time. */
  async #trim(answer: CheckpointAnswer): Promise<void> {
    const { order, trim, logger } = this.#options;
    const tenant = order.tenantId;
    try {
      const files = await trim(answer);
      if (files === undefined) logger.log('info', 'the log is held and is kept', { tenant });
      this.#statistics.removedLogFiles += files ?? 0;
    } catch (error) {
      logger.log('warn', 'log below a checkpoint could not be removed', { tenant, error });
    }
  }
}
