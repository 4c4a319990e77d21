/**
 * Files of pairs read by a thread of its own, ahead of the one that takes them. It stays for the next file, with its
 * code compiled.
 */
import { Worker } from 'node:worker_threads';

const WORKER = new URL('./pair-worker.js', import.meta.url);
const PATIENCE_MS = 60_000;
/** Instead of a count of lines. */
export const FAILED = -1;

export interface PairWorkerData {
  /** Twice the lines read so far, and one more when they are all. */
  readonly progress: Int32Array;
  /** Of line i at 2i and 2i + 1. */
  readonly pairs: Uint32Array;
}

export class PairReader {
  /** Of line i at 2i and 2i + 1, below what {@link PairReader.linesBeyond} has told. */
  readonly pairs: Uint32Array;
  readonly #progress = new Int32Array(new SharedArrayBuffer(4));
  readonly #worker: Worker;

  /** @param linesMax of a file. */
  constructor(linesMax: number) {
    this.pairs = new Uint32Array(new SharedArrayBuffer(8 * linesMax));
    const workerData: PairWorkerData = { progress: this.#progress, pairs: this.pairs };
    this.#worker = new Worker(WORKER, { workerData });
    // Whoever waits for lines has been told by then.
    this.#worker.on('error', () => {});
  }

  /** Begins with a file; the one before is read. */
  read(path: string): void {
    Atomics.store(this.#progress, 0, 0);
    this.#worker.postMessage(path);
  }

  /**
   * Waits until more than `taken` lines are read.
   * @returns how many are; `taken` when the file has no more. @throws Error when it cannot be read.
   */
  linesBeyond(taken: number): number {
    for (;;) {
      const progress = Atomics.load(this.#progress, 0);
      if (progress === FAILED) throw new Error('the file of pairs cannot be read');
      const lines = progress >> 1;
      if (lines > taken || (progress & 1) === 1) return lines;
      const woken = Atomics.wait(this.#progress, 0, progress, PATIENCE_MS);
      if (woken === 'timed-out') throw new Error('the file of pairs is not read on');
    }
  }

  async close(): Promise<void> {
    await this.#worker.terminate();
  }
}
