/**
 * A token bucket that may go into debt: whoever finds a token may spend many, and is refused until the
 * debt is paid back at the bucket's rate.
 *
 * Why debt: what a batch costs is known only when it was decoded, and a batch larger than the bucket must
 * not wait for ever. Over any time the spending is at most burst + rate × time + one batch.
 *
 * Invariant: tokens ≤ burst. Times are monotonic milliseconds.
 */
import { assert } from '../base/assert.ts';

export class TokenBucket {
  readonly perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #filledAtMs: number;

  /** A full bucket. @param perSecond tokens that come back each second. */
  constructor(perSecond: number, burst: number, nowMs: number) {
    assert(perSecond > 0 && burst >= 1, 'a bucket fills, and holds a token');
    this.perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
    this.#filledAtMs = nowMs;
  }

  /** Time until the next token, milliseconds; 0 when there is one. */
  waitMs(nowMs: number): number {
    this.#fill(nowMs);
    return this.#tokens > 0 ? 0 : ((1 - this.#tokens) / this.perSecond) * 1000;
  }

  /** Spends `count` tokens, there or not; a negative count gives them back. */
  spend(count: number, nowMs: number): void {
    this.#fill(nowMs);
    this.#tokens = Math.min(this.#tokens - count, this.#burst);
  }

  #fill(nowMs: number): void {
    const earned = ((nowMs - this.#filledAtMs) / 1000) * this.perSecond;
    this.#tokens = Math.min(this.#tokens + earned, this.#burst);
    this.#filledAtMs = nowMs;
  }
}
