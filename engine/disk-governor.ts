/**
 * Watches how the volume of the data directory fills: how long the room lasts at the measured rate, and
 * whether it is short.
 *
 *     free bytes  |<-- ample -->| high mark |<-- short -->| low mark |<-- refusing -->| reserve | 0
 *
 * - Below the high mark room is short: a warning, no compaction, snapshots forgotten early
 *   (maintenance.ts). Below the low mark batches are refused; that is ingest/disk-watch.ts.
 * - The rate is an average that forgets with `RATE_MS`, of what vanished between two looks; files that
 *   are deleted count against it.
 * - The reserve is given back when less than itself is free, and taken again when room is ample.
 *
 * Failure: a look that fails leaves everything as it was, and is logged once in a row.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { DiskReserve } from '../storage/disk-reserve.ts';

export interface DiskGovernorOptions {
  readonly highMarkBytes: number;
  /** At which batches are refused: what counts as full. */
  readonly lowMarkBytes: number;
  readonly reserve: DiskReserve;
  readonly reserveBytes: number;
  readonly readFreeBytes: () => Promise<number>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const POLL_MS = 10_000;
const RATE_MS = 600_000;

export class DiskGovernor {
  readonly #options: DiskGovernorOptions;
  #freeBytes = Number.POSITIVE_INFINITY;
  #lookedAtMs: number | undefined;
  /** Bytes that vanish, per millisecond. */
  #rate = 0;
  #isFailing = false;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  constructor(options: DiskGovernorOptions) {
    this.#options = options;
  }

  /** At the last look; infinite before the first. */
  get freeBytes(): number {
    return this.#freeBytes;
  }

  get isShort(): boolean {
    return this.#freeBytes < this.#options.highMarkBytes;
  }

  /** Seconds until the low mark is reached at the measured rate; infinite while nothing vanishes. */
  get secondsToFull(): number {
    const left = Math.max(0, this.#freeBytes - this.#options.lowMarkBytes);
    return this.#rate <= 0 ? Number.POSITIVE_INFINITY : left / this.#rate / 1000;
  }

  /** From now on looks again and again; the first look is made here. */
  async start(): Promise<void> {
    this.#timer = setInterval(() => void this.look(), POLL_MS);
    this.#timer.unref();
    await this.look();
  }

  /** Looks once, unless a look is under way. Never rejects. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => {
      this.#looking = undefined;
    });
    return this.#looking;
  }

  /** Looks no more. Idempotent. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async #look(): Promise<void> {
    const { logger, readFreeBytes } = this.#options;
    try {
      const wasShort = this.isShort;
      this.#observe(await readFreeBytes());
      const fields = { free_bytes: this.#freeBytes, mark_bytes: this.#options.highMarkBytes };
      if (this.isShort && !wasShort) logger.log('warn', 'the disk is nearly full', fields);
      if (!this.isShort && wasShort) logger.log('info', 'the disk has room again', fields);
      await this.#tendReserve();
      this.#isFailing = false;
    } catch (error) {
      if (!this.#isFailing) logger.log('error', 'the disk cannot be looked after', { error });
      this.#isFailing = true;
    }
  }

  #observe(freeBytes: number): void {
    const nowMs = this.#options.clock.monotonicMs();
    if (this.#lookedAtMs !== undefined && nowMs > this.#lookedAtMs) {
      const elapsedMs = nowMs - this.#lookedAtMs;
      const weight = 1 - Math.exp(-elapsedMs / RATE_MS);
      this.#rate += weight * ((this.#freeBytes - freeBytes) / elapsedMs - this.#rate);
    }
    this.#freeBytes = freeBytes;
    this.#lookedAtMs = nowMs;
  }

  async #tendReserve(): Promise<void> {
    const { highMarkBytes, logger, reserve, reserveBytes } = this.#options;
    if (this.#freeBytes < reserveBytes) {
      if (await reserve.release()) logger.log('warn', 'the reserve on the disk is given back', {});
    } else if (this.#freeBytes >= highMarkBytes + reserveBytes) {
      await reserve.hold();
    }
  }
}
