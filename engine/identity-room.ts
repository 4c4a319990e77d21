/**
 * Room in identity for the batches that are on their way to it. Asking identity waits for the stager's
 * batch, so room is asked for once a mebibyte and not once a batch; live batches and replayed ones do so alike.
 *
 * - What was taken cannot fail in the fold.
 * - A store that is nearly full is asked for no more than what is taken: what went in once goes in again
 *   when it is replayed, however the batches fell then.
 */
import { TributaryError } from '../base/errors.ts';
import { MIB } from '../base/units.ts';
import type { IdentityGraph } from '../identity/identity-graph.ts';

/** No valid event is shorter: `{"event":"a","userId":"b"}` sent to /v1/track. */
const EVENT_BYTES_MIN = 24;
const AHEAD_BYTES_MAX = MIB;

export class IdentityRoom {
  readonly #identity: Pick<IdentityGraph, 'prepare'>;
  readonly #aheadBytes: number;
  /** Bytes of batches to come that there is room for, besides those that are pending. */
  #bytes = 0;

  /** @param nodesMax identifiers the store can hold; a small one keeps little of itself free. */
  constructor(identity: Pick<IdentityGraph, 'prepare'>, nodesMax: number) {
    this.#identity = identity;
    this.#aheadBytes = Math.min(AHEAD_BYTES_MAX, nodesMax);
  }

  /**
   * Takes the room of a batch.
   * @param pendingBytes of all batches that are not folded yet, this one among them.
   * @throws TRIBUTARY_IDENTITY_NODES_FULL, TRIBUTARY_STORAGE_REGION_FULL; nothing is taken then.
   */
  take(bytes: number, pendingBytes: number): void {
    if (bytes > this.#bytes) this.#ask(bytes, pendingBytes);
    this.#bytes -= bytes;
  }

  /** Takes the room of a command: it needs more than its bytes say, and asks for its own. */
  takeCommand(bytes: number, pendingBytes: number): void {
    this.#bytes = 0;
    this.take(bytes, pendingBytes);
  }

  #ask(bytes: number, pendingBytes: number): void {
    try {
      this.#prepare(pendingBytes + this.#aheadBytes);
      this.#bytes = bytes + this.#aheadBytes;
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
      this.#prepare(pendingBytes);
      this.#bytes = bytes;
    }
  }

  #prepare(bytes: number): void {
    this.#identity.prepare(Math.ceil(bytes / EVENT_BYTES_MIN), bytes);
  }
}
