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

  /** The buffer that was handed out longest ago, with what was written to it then. */
  next(): Buffer {
    const index = this.#next;
    this.#next = (index + 1) % this.#buffers.length;
    this.#buffers[index] ??= Buffer.allocUnsafeSlow(this.#bytes);
    return this.#buffers[index];
  }
}
