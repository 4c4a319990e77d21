/**
 * Makes checkpoints of one tenant: when the log has grown by `logBytes` since the last one, and by as much as that
 * one takes, a process of its own (checkpoint-worker.ts) folds the log up to what the lake has.
 *
 * - A checkpoint reads and writes the whole state, so a log of as many bytes lies between two: what is written
 *   for checkpoints stays in proportion to what is logged, however large the state has grown.
 * - One process runs at a time, at the lowest priority and with bounded memory. The write path knows nothing
 *   of it.
 * - Once a checkpoint is made, what it makes unneeded goes (log-trim.ts).
 *
 * Failure: logged, and tried again after a growing pause. The checkpoints there are stay, and so does the log.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { GIB } from '../base/units.ts';
import { removeHotDirectory } from '../storage/hot-directory.ts';
import type { CheckpointAnswer, CheckpointOrder } from './checkpoint-order.ts';

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
}

/** Totals since the start. */
export interface CheckpointStatistics {
  readonly checkpoints: number;
  readonly failures: number;
  /** Files of the log that were removed. */
  readonly removedLogFiles: number;
  /** Of the last one that was made, bytes; 0 before. */
  readonly bytes: number;
  readonly elapsedMs: number;
}

const PROGRAM = fileURLToPath(new URL('./checkpoint-worker.js', import.meta.url));
const HEAP_MEBIBYTES_MAX = 256;
/** RLIMIT_DATA: the heap, buffers, stacks and code, and tables that double: the old one beside the new. */
const DATA_BYTES = GIB;
const DATA_BYTES_PER_STATE_BYTE = 3;
const PRIORITY_LOWEST = 19;
const POLL_MS = 1000;
const RETRY_MS = 60_000;
const RETRY_MS_MAX = 3_600_000;
const LAST_WORDS_CHARACTERS_MAX = 500;

export class Checkpointer {
  readonly #options: CheckpointerOptions;
  readonly #statistics = {
    checkpoints: 0,
    failures: 0,
    removedLogFiles: 0,
    bytes: 0,
    elapsedMs: 0,
  };
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> | undefined;
  #worker: ChildProcess | undefined;
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
    return this.#worker?.pid;
  }

  /** From now on makes a checkpoint when it is due. */
  start(): void {
    this.#timer = setInterval(() => this.#poll(), POLL_MS);
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
    this.#worker?.kill('SIGKILL');
    await this.#running;
  }

  #poll(): void {
    const { logBytes, loggedBytes, clock, flushedSequence } = this.#options;
    const dueBytes = Math.max(logBytes, this.#statistics.bytes);
    if (loggedBytes() - this.#coveredBytes < dueBytes) return;
    if (clock.monotonicMs() < this.#pausedUntilMs || flushedSequence() <= this.#sequence) return;
    void this.checkpoint();
  }

  async #checkpoint(): Promise<void> {
    const { order, stateBytes, loggedBytes, flushedSequence, clock, logger } = this.#options;
    const tenant = order.tenantId;
    const startMs = clock.monotonicMs();
    const sequence = flushedSequence();
    const covered = loggedBytes();
    try {
      const dataBytesMax = DATA_BYTES + DATA_BYTES_PER_STATE_BYTE * stateBytes();
      const answer = await this.#run({ ...order, sequence, dataBytesMax });
      this.#coveredBytes = covered;
      this.#sequence = sequence;
      this.#failuresInRow = 0;
      this.#statistics.checkpoints += 1;
      this.#statistics.bytes = answer.bytes;
      logger.log('info', 'a checkpoint was made', { tenant, sequence, ...answer });
      await this.#trim(answer);
    } catch (error) {
      this.#statistics.failures += 1;
      const pauseMs = Math.min(RETRY_MS * 2 ** this.#failuresInRow, RETRY_MS_MAX);
      this.#pausedUntilMs = Math.max(this.#pausedUntilMs, clock.monotonicMs() + pauseMs);
      this.#failuresInRow += 1;
      const isClosing = this.#pausedUntilMs === Number.POSITIVE_INFINITY;
      if (!isClosing) logger.log('error', 'a checkpoint could not be made', { tenant, error });
    } finally {
      removeHotDirectory(order.hotDirectory);
      this.#statistics.elapsedMs += clock.monotonicMs() - startMs;
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

  async #run(order: CheckpointOrder): Promise<CheckpointAnswer> {
    const worker = spawn(
      process.execPath,
      [`--max-old-space-size=${HEAP_MEBIBYTES_MAX}`, PROGRAM],
      { stdio: ['pipe', 'pipe', 'pipe'], env: {} },
    );
    this.#worker = worker;
    try {
      if (worker.pid !== undefined) setPriority(worker.pid, PRIORITY_LOWEST);
    } catch {
      // It is gone already; its end tells.
    }
    worker.stdin.on('error', () => {}); // Its end tells.
    worker.stdin.write(`${JSON.stringify(order)}\n`);
    try {
      return JSON.parse(await outputOf(worker)) as CheckpointAnswer;
    } finally {
      this.#worker = undefined;
    }
  }
}

/** What the process wrote. @throws TRIBUTARY_ENGINE_CHECKPOINT_FAILED when it did not end well. */
function outputOf(worker: ChildProcess): Promise<string> {
  let output = '';
  let words = '';
  worker.stdout?.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  worker.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-LAST_WORDS_CHARACTERS_MAX);
  });
  return new Promise((resolve, reject) => {
    const fail = (how: string): void => {
      const reason = words.trim() === '' ? how : words.trim();
      reject(new TributaryError('TRIBUTARY_ENGINE_CHECKPOINT_FAILED', { reason }));
    };
    worker.on('error', ({ message }) => fail(message));
    worker.on('close', (code, signal) => {
      if (code === 0) resolve(output);
      else fail(signal ?? `code ${code}`);
    });
  });
}
