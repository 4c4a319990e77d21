/**
 * The bound of what a client buffers: whoever wants more than there is waits, first come, first served.
 *
 * - `used` exceeds `bytesMax` only by one request that is larger than it, and that one stands alone.
 */
import type { StreamError } from './types.ts';

interface Waiting {
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: StreamError) => void;
}

export class Room {
  readonly #bytesMax: number;
  #waiting: Waiting[] = [];
  #empty: (() => void)[] = [];
  #used = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get used(): number {
    return this.#used;
  }

  /** Resolves when `bytes` are the caller's. Rejects when `fail` is called before. */
  take(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && this.#fits(bytes)) {
      this.#used += bytes;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => this.#waiting.push({ bytes, resolve, reject }));
  }

  /** Takes what is there already, whether it fits or not. */
  occupy(bytes: number): void {
    this.#used += bytes;
  }

  give(bytes: number): void {
    this.#used -= bytes;
    for (;;) {
      const next = this.#waiting[0];
      if (next === undefined || !this.#fits(next.bytes)) break;
      this.#waiting.shift();
      this.#used += next.bytes;
      next.resolve();
    }
    if (this.#used > 0) return;
    for (const resolve of this.#empty.splice(0)) resolve();
  }

  /** Resolves when nothing is taken and nobody waits. */
  whenEmpty(): Promise<void> {
    if (this.#used === 0) return Promise.resolve();
    return new Promise((resolve) => this.#empty.push(resolve));
  }

  fail(error: StreamError): void {
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    for (const resolve of this.#empty.splice(0)) resolve();
  }

  #fits(bytes: number): boolean {
    return this.#used === 0 || this.#used + bytes <= this.#bytesMax;
  }
}
