/**
 * The keys of one kind that the control document holds, and how one proves itself.
 *
 * Every request authenticates, so what is asked most must cost least: a key that proved itself once is
 * found again by one Map lookup of the presented string. The cache holds only keys that are in the
 * control document, so strangers cannot make it grow.
 *
 * - Hashes are compared in constant time; an unknown id is compared with a dummy. What the timing of
 *   the lookups can tell is the public id.
 */
import { timingSafeEqual } from 'node:crypto';
import { hashKey, isMistyped, keyId } from './control-keys.ts';

export interface StoredKey<Principal> {
  readonly sha256: Buffer;
  readonly principal: Principal;
}

const DUMMY = Buffer.alloc(32);

/** The keys of one kind, by id, and those that already proved themselves, by their text. */
export class KeyRing<Principal> {
  readonly #stored: ReadonlyMap<string, StoredKey<Principal>>;
  readonly #proven = new Map<string, Principal>();

  constructor(stored: ReadonlyMap<string, StoredKey<Principal>>) {
    this.#stored = stored;
  }

  /** Whom the key of that id lets in, without proof. */
  principal(id: string): Principal | undefined {
    return this.#stored.get(id)?.principal;
  }

  find(key: string): Principal | undefined {
    return this.#proven.get(key) ?? this.#prove(key);
  }

  #prove(key: string): Principal | undefined {
    if (isMistyped(key)) return undefined;
    const stored = this.#stored.get(keyId(key));
    const equal = timingSafeEqual(hashKey(key), stored?.sha256 ?? DUMMY);
    if (stored === undefined || !equal) return undefined;
    this.#proven.set(key, stored.principal);
    return stored.principal;
  }
}
