/**
 * The memory that all hot segments of the appliance may take together.
 *
 * Refusal comes before a change, never in the middle of one: {@link HotBudget.require} is asked before
 * a batch is decoded or a segment is made, and the bytes that then were really taken are charged.
 * One thread writes, so nothing comes between the question and the charge.
 *
 * Memory that is charged but could be done without ({@link HotBudget.reclaimFrom}) is taken back first.
 */
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';

export class HotBudget {
  readonly limitBytes: number;
  readonly #reserves: ((bytes: number) => void)[] = [];
  #usedBytes = 0;

  constructor(limitBytes: number) {
    assert(limitBytes > 0, 'the hot budget is above zero');
    this.limitBytes = limitBytes;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  /** `giveUp` is asked to release so many bytes, or as many as it has, before anything is refused. */
  reclaimFrom(giveUp: (bytes: number) => void): void {
    this.#reserves.push(giveUp);
  }

  /** @throws TRIBUTARY_STORAGE_HOT_FULL unless `bytes` more fit. Takes nothing. */
  require(bytes: number): void {
    for (const giveUp of this.#reserves) {
      if (this.#usedBytes + bytes <= this.limitBytes) return;
      giveUp(this.#usedBytes + bytes - this.limitBytes);
    }
    if (this.#usedBytes + bytes <= this.limitBytes) return;
    throw new TributaryError('TRIBUTARY_STORAGE_HOT_FULL', {
      usedBytes: this.#usedBytes,
      limitBytes: this.limitBytes,
    });
  }

  /** Counts `bytes` as used; what was admitted may pass the limit by the rounding of one batch. */
  charge(bytes: number): void {
    this.#usedBytes += bytes;
  }

  release(bytes: number): void {
    this.#usedBytes -= bytes;
    assert(this.#usedBytes >= 0, 'the hot budget releases only what it charged');
  }
}
