/**
 * How fast batches become durable while there are some, as a moving average: from it a refused client is
 * told how long what is queued before it will take.
 *
 * Time without work does not count: after a quiet night the first burst must not be told to wait as if the
 * disk were slow. Before anything became durable the answer is a second.
 */
import { LIMITS } from '../base/limits.ts';

/** Between two batches the writer was busy for at most this long; the rest was waiting for work. */
const BUSY_MS_MAX = 100;
/** Many batches become durable in one moment; each is counted as this long. */
const BUSY_MS_MIN = 1;
/** Weight of the newest batch in the average. */
const NEWEST_SHARE = 0.05;

export class DrainRate {
  #bytesPerSecond = 0;
  #updatedMs = 0;

  /** Counts bytes that became durable. */
  add(bytes: number, nowMs: number): void {
    const elapsedMs = Math.min(Math.max(nowMs - this.#updatedMs, BUSY_MS_MIN), BUSY_MS_MAX);
    const sample = (bytes / elapsedMs) * 1000;
    const change = (sample - this.#bytesPerSecond) * NEWEST_SHARE;
    this.#bytesPerSecond = this.#bytesPerSecond === 0 ? sample : this.#bytesPerSecond + change;
    this.#updatedMs = nowMs;
  }

  /** Whole seconds that `queuedBytes` need: 1 to `LIMITS.retryAfterSecondsMax`. */
  waitSeconds(queuedBytes: number): number {
    if (this.#bytesPerSecond === 0) return 1;
    const seconds = Math.ceil(queuedBytes / this.#bytesPerSecond);
    return Math.min(Math.max(seconds, 1), LIMITS.retryAfterSecondsMax);
  }
}
