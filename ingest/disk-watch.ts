/**
 * Watches the free space of the volume that holds the log, and refuses batches before it is full.
 *
 * Why before: a log that meets a full disk in the middle of a write is poisoned until a restart. What was taken since
 * the last look counts as written, so that no rate of ingest outruns the looks; flushes and checkpoints, which write a
 * fraction of it, have the room that `freeBytesMin` keeps.
 *
 * - A look that fails leaves the answer as it was, and is logged once in a row.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';

const DISK_POLL_MS = 500;

export interface DiskWatchOptions {
  /** Batches are refused while fewer bytes are free; 0 never refuses. */
  readonly freeBytesMin: number;
  readonly logger: Logger;
  /** Bytes that can still be written. */
  readFreeBytes(): Promise<number>;
}

export class DiskWatch {
  readonly #options: DiskWatchOptions;
  #freeBytes = Number.POSITIVE_INFINITY;
  /** Of batches: taken and perhaps not yet seen by a look; and of those, not yet decided. */
  #unseenBytes = 0;
  #underWayBytes = 0;
  #isFailing = false;
  #timer: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(options: DiskWatchOptions) {
    this.#options = options;
  }

  /** Free bytes at the last look; infinite before the first. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  /** Looks now, and then again and again until `close`. */
  start(): void {
    void this.look().then(() => {
      if (this.#isClosed) return;
      this.#timer = setTimeout(() => this.start(), DISK_POLL_MS);
      this.#timer.unref();
    });
  }

  /** Looks once. Never rejects. */
  async look(): Promise<void> {
    const seenBytes = this.#unseenBytes - this.#underWayBytes;
    try {
      this.#freeBytes = await this.#options.readFreeBytes();
      this.#unseenBytes -= seenBytes;
      this.#isFailing = false;
    } catch (error) {
      if (this.#isFailing) return;
      this.#isFailing = true;
      this.#options.logger.log('error', 'the free disk space cannot be read', { error });
    }
  }

  /** A batch is about to be written. */
  take(bytes: number): void {
    this.#unseenBytes += bytes;
    this.#underWayBytes += bytes;
  }

  /** It is written, or refused; the next look sees which. */
  settle(bytes: number): void {
    this.#underWayBytes -= bytes;
  }

  /** TRIBUTARY_INGEST_DISK_LOW while there is too little room. */
  refusal(): TributaryError | undefined {
    const { freeBytesMin: limitBytes } = this.#options;
    const freeBytes = this.#freeBytes - this.#unseenBytes;
    if (freeBytes >= limitBytes || limitBytes === 0) return undefined;
    return new TributaryError('TRIBUTARY_INGEST_DISK_LOW', {
      freeBytes: Math.max(0, freeBytes),
      limitBytes,
      retryAfterSeconds: LIMITS.diskLowRetrySeconds,
    });
  }

  /** Idempotent. */
  close(): void {
    this.#isClosed = true;
    clearTimeout(this.#timer);
  }
}
