/**
 * Watches the free space of the volume that holds the log, and refuses batches before it is full.
 *
 * Why before: a log that meets a full disk in the middle of a write is poisoned until a restart. Between two
 * looks an appliance can write about `DISK_POLL_MS` × the disk's speed, which the default reserve covers.
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
    try {
      this.#freeBytes = await this.#options.readFreeBytes();
      this.#isFailing = false;
    } catch (error) {
      if (this.#isFailing) return;
      this.#isFailing = true;
      this.#options.logger.log('error', 'the free disk space cannot be read', { error });
    }
  }

  /** TRIBUTARY_INGEST_DISK_LOW while there is too little room. */
  refusal(): TributaryError | undefined {
    const { freeBytesMin: limitBytes } = this.#options;
    if (this.#freeBytes >= limitBytes) return undefined;
    return new TributaryError('TRIBUTARY_INGEST_DISK_LOW', {
      freeBytes: this.#freeBytes,
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
