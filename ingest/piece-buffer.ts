/** Bytes that came in pieces, in one buffer that is reused: what was taken from its front is overwritten. */
export class PieceBuffer {
  #bytes: Buffer;
  #start = 0;
  #end = 0;

  constructor(capacity: number) {
    this.#bytes = Buffer.allocUnsafe(capacity);
  }

  /** What is held; valid until the next `push`. */
  get held(): Buffer {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Adds a copy of `piece` at the end. */
  push(piece: Uint8Array): void {
    if (this.#end + piece.length > this.#bytes.length) this.#makeRoom(piece.length);
    this.#bytes.set(piece, this.#end);
    this.#end += piece.length;
  }

  /** Gives up the first `bytes` of what is held. */
  drop(bytes: number): void {
    this.#start += bytes;
  }

  /** Moves what is held to the front, of a larger buffer where `bytes` more do not fit. */
  #makeRoom(bytes: number): void {
    const { held } = this;
    const needed = held.length + bytes;
    const isEnough = needed <= this.#bytes.length;
    const target = isEnough ? this.#bytes : Buffer.allocUnsafe(2 * needed);
    held.copy(target);
    this.#bytes = target;
    this.#start = 0;
    this.#end = held.length;
  }
}
