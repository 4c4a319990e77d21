/** Reads a source of pieces by the bytes that a format asks for, and gives back what is left. Of pieces it holds the last. */
export class ByteReader {
  readonly #source: AsyncIterator<Uint8Array>;
  #piece: Uint8Array = new Uint8Array(0);
  #at = 0;

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#source = pieces[Symbol.asyncIterator]();
  }

  /**
   * Fills `target`. @returns the part that was filled: less than all of it at the end of the source.
   * @throws what the source throws.
   */
  async fill(target: Buffer): Promise<Buffer> {
    let filled = 0;
    while (filled < target.length && (await this.hasMore())) {
      const end = Math.min(this.#at + target.length - filled, this.#piece.length);
      target.set(this.#piece.subarray(this.#at, end), filled);
      filled += end - this.#at;
      this.#at = end;
    }
    return target.subarray(0, filled);
  }

  /** Whether the source has not ended. @throws what the source throws. */
  async hasMore(): Promise<boolean> {
    while (this.#at === this.#piece.length) {
      const { value, done } = await this.#source.next();
      if (done === true) return false;
      this.#piece = value;
      this.#at = 0;
    }
    return true;
  }

  /** `head`, then what was not read. Nobody else reads from then on. */
  async *rest(head: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
    try {
      yield* head;
      for (; await this.hasMore(); this.#at = this.#piece.length) {
        yield this.#piece.subarray(this.#at);
      }
    } finally {
      await this.close();
    }
  }

  /** Ends the source. Idempotent. */
  async close(): Promise<void> {
    await this.#source.return?.();
  }
}
