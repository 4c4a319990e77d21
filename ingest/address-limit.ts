/**
 * How many requests of one address group may be under way, so that one client cannot take the room of all. An
 * open stream is one of them.
 *
 * senders.ts says what a group is. Requests are counted and not connections, because the library does not say whose connection was
 * closed; a connection without a request is closed by it after ten seconds.
 *
 * Invariant: the map holds groups with requests under way and no others.
 */
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';

export class AddressLimit {
  readonly #limit: number;
  readonly #counts = new Map<string, number>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Takes a place. @returns TRIBUTARY_INGEST_ADDRESS_FULL, with nothing taken, when there is none. */
  enter(group: string): TributaryError | undefined {
    const count = this.#counts.get(group) ?? 0;
    if (count >= this.#limit) {
      return new TributaryError('TRIBUTARY_INGEST_ADDRESS_FULL', { count, limit: this.#limit });
    }
    this.#counts.set(group, count + 1);
    return undefined;
  }

  /** Gives a place back. */
  leave(group: string): void {
    const count = this.#counts.get(group);
    assert(count !== undefined, 'who leaves has entered');
    if (count === 1) this.#counts.delete(group);
    else this.#counts.set(group, count - 1);
  }
}
