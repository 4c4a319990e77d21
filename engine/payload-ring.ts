/**
 * Where payloads lie between their submission to the stager and their record in the log: one buffer,
 * given out and taken back in the same order.
 *
 * - A range never wraps, and has {@link SLACK_BYTES} readable bytes behind it that nobody writes.
 * - Ranges start at the beginning again whenever the ring is empty, so that a ring which is hardly used
 *   stays in the cache and in few pages.
 */
import { assert } from '../base/assert.ts';
import { alignUp } from '../base/units.ts';

/** The decoder reads up to 32 bytes beyond a payload; a cache line keeps neighbours apart. */
const SLACK_BYTES = 64;

export class PayloadRing {
  readonly bytes: Uint8Array;
  /** Where the next range begins, and where the oldest one does; equal only when empty. */
  #head = 0;
  #tail = 0;
  #count = 0;

  constructor(capacityBytes: number) {
    this.bytes = new Uint8Array(capacityBytes);
  }

  /** @returns the offset of a free range of `bytes`, or -1 when there is none. */
  allocate(bytes: number): number {
    const needed = occupied(bytes);
    const offset = this.#placeFor(needed);
    if (offset < 0) return -1;
    this.#head = offset + needed;
    this.#count += 1;
    return offset;
  }

  /** Takes back the oldest range. */
  release(offset: number, bytes: number): void {
    assert(this.#count > 0, 'a payload is released once');
    this.#tail = offset + occupied(bytes);
    this.#count -= 1;
    if (this.#count === 0) {
      this.#head = 0;
      this.#tail = 0;
    }
  }

  #placeFor(needed: number): number {
    const capacity = this.bytes.length;
    if (this.#count > 0 && this.#head <= this.#tail) {
      return this.#tail - this.#head >= needed ? this.#head : -1;
    }
    if (capacity - this.#head >= needed) return this.#head;
    return this.#tail >= needed ? 0 : -1;
  }
}

function occupied(bytes: number): number {
  return alignUp(bytes + SLACK_BYTES, SLACK_BYTES);
}
