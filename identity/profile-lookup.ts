/**
 * Answers a request for the profiles of many identifiers: the bytes that came in to the bytes that go out,
 * with one native call and no allocation per identifier.
 *
 * The native index finds the nodes of the whole request; here each node becomes its profile, by two array
 * reads, and all profiles their public ids, of 36 bytes of text. Only requests in their plain form are answered;
 * {@link ProfileLookup.answer} gives undefined for all others, which their readers parse at leisure.
 */
import { LIMITS } from '../base/limits.ts';
import type { NativeIdentifierIndex } from '../native/index.ts';
import { anchorIn, isBlocked, isOpen } from './node-words.ts';
import { PROFILE_ID_BYTES } from './profile-ids.ts';
import type { ProfileStore } from './profile-store.ts';

/** A UUID in quotes and the comma behind it. */
const ENTRY_BYTES_MAX = 39;
const QUOTE = 0x22;
const COMMA = 0x2c;
const DASH = 0x2d;
const OPENING_BRACKET = 0x5b;
const CLOSING_BRACKET = 0x5d;
const NULL = Buffer.from('null');
const HEX = Buffer.from('0123456789abcdef');

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
  /** Of the nodes from 1 on, 0 for none, and their ids. */
  readonly #found = new Uint32Array(LIMITS.resolveIdentifiersMax);
  readonly #ids = new Uint8Array(LIMITS.resolveIdentifiersMax * PROFILE_ID_BYTES);
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
    const count = this.#index.findAll(request, typeNames, this.#nodes);
    if (count < 0) return undefined;
    const answer = this.#answer;
    answer[0] = OPENING_BRACKET;
    let end = this.#writeProfiles(count);
    if (count > 0) end -= 1; // The last comma.
    answer[end] = CLOSING_BRACKET;
    return { id: this.#nodes[0]!, profiles: answer.subarray(0, end + 1) };
  }

  /** Writes an entry with its comma for each node. @returns the position behind them. */
  #writeProfiles(count: number): number {
    this.#findProfiles(count);
    const found = this.#found;
    const ids = this.#ids;
    const answer = this.#answer;
    let at = 1;
    for (let index = 0; index < count; index += 1) {
      if (found[index] !== 0) {
        answer[at] = QUOTE;
        at = writeUuid(ids, index * PROFILE_ID_BYTES, answer, at + 1);
        answer[at] = QUOTE;
        at += 1;
      } else {
        answer.set(NULL, at);
        at += NULL.length;
      }
      answer[at] = COMMA;
      at += 1;
    }
    return at;
  }

  #findProfiles(count: number): void {
    const nodes = this.#nodes;
    const words = this.#words;
    const found = this.#found;
    const { profileOf } = this.#profiles;
    for (let index = 0; index < count; index += 1) {
      const node = nodes[index + 1]!;
      const word = node === 0 ? 0 : words[node]!;
      found[index] = isOpen(word) && !isBlocked(word) ? profileOf[anchorIn(word)]! : 0;
    }
    this.#profiles.ids.write(found, count, this.#ids);
  }
}

/** Writes the 36 characters of the UUID at `ids[from]`. @returns the position behind them. */
function writeUuid(ids: Uint8Array, from: number, into: Uint8Array, at: number): number {
  let end = at;
  for (let index = 0; index < PROFILE_ID_BYTES; index += 1) {
    if (index === 4 || index === 6 || index === 8 || index === 10) {
      into[end] = DASH;
      end += 1;
    }
    const byte = ids[from + index]!;
    into[end] = HEX[byte >> 4]!;
    into[end + 1] = HEX[byte & 15]!;
    end += 2;
  }
  return end;
}
