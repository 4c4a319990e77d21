/**
 * A few buffers of one size that are used in turn: what was written to one stays as long as others are handed out,
 * which is as long as its reader may need it. Made when they are first used.
 */
export class BufferRing {
  readonly #bytes: number;
  readonly #buffers: Buffer[];
  #next = 0;

  /** @param bytes of each. */
  constructor(buffers: number, bytes: number) {
    this.#bytes = bytes;
    this.#buffers = new Array(buffers);
  }

  /** The buffer to write to, the same until it is kept; what was written to it longest ago is in it. */
  get spare(): Buffer {
    this.#buffers[this.#next] ??= Buffer.allocUnsafeSlow(this.#bytes);
    return this.#buffers[this.#next]!;
  }

  /** What is in the spare one is somebody's now. */
  keep(): void {
    this.#next = (this.#next + 1) % this.#buffers.length;
  }
}
