/**
 * How fast batches become durable, as a decaying average: from it a refused client is told how long what
 * is queued before it will take.
 *
 * After a pause the average is too low and the wait too long; the limit bounds the mistake.
 */
import { LIMITS } from '../base/limits.ts';

/** The average looks back about this long. */
const WINDOW_SECONDS = 5;

export class DrainRate {
  #bytesPerSecond = 0;
  #updatedMs = 0;

  /** Counts bytes that became durable. */
  add(bytes: number, nowMs: number): void {
    this.#bytesPerSecond = this.#decayed(nowMs) + bytes / WINDOW_SECONDS;
    this.#updatedMs = nowMs;
  }

  /** Whole seconds that `queuedBytes` need: 1 to `LIMITS.retryAfterSecondsMax`. */
  waitSeconds(queuedBytes: number, nowMs: number): number {
    if (queuedBytes === 0) return 1;
    const seconds = Math.ceil(queuedBytes / this.#decayed(nowMs));
    return Math.min(Math.max(seconds, 1), LIMITS.retryAfterSecondsMax);
  }

  #decayed(nowMs: number): number {
    const elapsed = (nowMs - this.#updatedMs) / 1000;
    return this.#bytesPerSecond * Math.exp(-elapsed / WINDOW_SECONDS);
  }
}
