/**
 * Counts of pairs of ordinals, outside the JS heap: open addressing over flat arrays, so that ten million
 * pairs are three arrays and no object.
 *
 * - Ordinals are from 1; both 0 marks a free slot, so the pair (0, 0) is not counted.
 * - 12 bytes a slot, at most half full; grows by doubling.
 */
import { assert } from '../../base/assert.ts';

const SLOTS_MIN = 1024;

export class PairCounts {
  #firsts = new Uint32Array(SLOTS_MIN);
  #seconds = new Uint32Array(SLOTS_MIN);
  #counts = new Uint32Array(SLOTS_MIN);
  #size = 0;

  /** Different pairs. */
  get size(): number {
    return this.#size;
  }

  add(first: number, second: number, count = 1): void {
    assert((first | second) !== 0, 'a pair has an ordinal');
    let slot = this.#slotOf(first, second);
    if ((this.#firsts[slot]! | this.#seconds[slot]!) === 0) {
      if (2 * (this.#size + 1) > this.#firsts.length) {
        this.#grow();
        slot = this.#slotOf(first, second);
      }
      this.#firsts[slot] = first;
      this.#seconds[slot] = second;
      this.#size += 1;
    }
    this.#counts[slot] = this.#counts[slot]! + count;
  }

  /** Calls `visit` for each pair, in no particular order. */
  each(visit: (first: number, second: number, count: number) => void): void {
    for (let slot = 0; slot < this.#firsts.length; slot += 1) {
      const first = this.#firsts[slot]!;
      const second = this.#seconds[slot]!;
      if ((first | second) !== 0) visit(first, second, this.#counts[slot]!);
    }
  }

  /** Where the pair is, or the free slot where it would be. */
  #slotOf(first: number, second: number): number {
    const mask = this.#firsts.length - 1;
    // Fibonacci hashing of each half; ordinals are dense, so their low bits alone would cluster.
    let slot = (Math.imul(first, 0x9e3779b1) ^ Math.imul(second, 0x85ebca6b)) >>> 0;
    slot = (slot ^ (slot >>> 15)) & mask;
    for (; ; slot = (slot + 1) & mask) {
      const known = this.#firsts[slot]!;
      const other = this.#seconds[slot]!;
      if ((known === first && other === second) || (known | other) === 0) return slot;
    }
  }

  #grow(): void {
    const before = [this.#firsts, this.#seconds, this.#counts] as const;
    const slots = 2 * before[0].length;
    this.#firsts = new Uint32Array(slots);
    this.#seconds = new Uint32Array(slots);
    this.#counts = new Uint32Array(slots);
    for (let from = 0; from < before[0].length; from += 1) {
      const first = before[0][from]!;
      const second = before[1][from]!;
      if ((first | second) === 0) continue;
      const to = this.#slotOf(first, second);
      this.#firsts[to] = first;
      this.#seconds[to] = second;
      this.#counts[to] = before[2][from]!;
    }
  }
}
