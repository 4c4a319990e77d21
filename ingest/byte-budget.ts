/**
 * A bound on bytes held by many at once: what cannot be had at once is refused, never waited for.
 *
 * Invariant: 0 ≤ used ≤ limit.
 */
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';

export class ByteBudget {
  readonly limit: number;
  #used = 0;

  constructor(limit: number) {
    assert(limit > 0, 'a budget has room');
    this.limit = limit;
  }

  get used(): number {
    return this.#used;
  }

  /** @returns false, and takes nothing, when the rest is smaller than `bytes`. */
  tryTake(bytes: number): boolean {
    if (this.#used + bytes > this.limit) return false;
    this.#used += bytes;
    return true;
  }

  /** Gives back what was taken. */
  release(bytes: number): void {
    this.#used -= bytes;
    assert(this.#used >= 0, 'no more is given back than was taken');
  }
}

/** What a refused `tryTake` of the bytes in flight is answered with. */
export function inFlightFull(budget: ByteBudget): TributaryError {
  const { used: usedBytes, limit: limitBytes } = budget;
  return new TributaryError('TRIBUTARY_INGEST_IN_FLIGHT_FULL', { usedBytes, limitBytes });
}
