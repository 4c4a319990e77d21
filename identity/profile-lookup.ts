/**
 * Answers a request for the profiles of many identifiers: the bytes that came in to the bytes that go out,
 * with two native calls and nothing done in between for each identifier.
 *
 * The native index finds the nodes of the whole request; each node becomes its profile, by two array reads, and
 * all profiles their public ids, of 36 bytes of text. Only requests in their plain form are answered;
 * {@link ProfileLookup.answer} gives undefined for all others, which their readers parse at leisure.
 */
import { LIMITS } from '../base/limits.ts';
import type { NativeIdentifierIndex } from '../native/index.ts';
import type { ProfileStore } from './profile-store.ts';

/** A UUID in quotes and the comma behind it. */
const ENTRY_BYTES_MAX = 39;

export interface ResolvedRequest {
  /** Of the request; 0 when it has none. */
  readonly id: number;
  /** A JSON array with a public id or null for each identifier. Valid until the next answer. */
  readonly profiles: Uint8Array;
}

export class ProfileLookup {
  readonly #index: NativeIdentifierIndex;
  readonly #words: Int32Array;
  readonly #profiles: ProfileStore;
  /** The id of the request, then the nodes. */
  readonly #nodes = new Uint32Array(1 + LIMITS.resolveIdentifiersMax);
  readonly #answer = new Uint8Array(2 + LIMITS.resolveIdentifiersMax * ENTRY_BYTES_MAX);

  /** @param words node-words.ts, by node. */
  constructor(index: NativeIdentifierIndex, words: Int32Array, profiles: ProfileStore) {
    this.#index = index;
    this.#words = words;
    this.#profiles = profiles;
  }

  /**
   * @param typeNames the name of type n at n - 1.
   * @returns undefined for a request that is malformed, too long, or not in its plain form.
   */
  answer(request: Uint8Array, typeNames: readonly string[]): ResolvedRequest | undefined {
    const nodes = this.#nodes;
    const count = this.#index.findAll(request, typeNames, nodes);
    if (count < 0) return undefined;
    const { ids, profileOf } = this.#profiles;
    const bytes = ids.writeJson(nodes, count, this.#words, profileOf, this.#answer);
    return { id: nodes[0]!, profiles: this.#answer.subarray(0, bytes) };
  }
}
