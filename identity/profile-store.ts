/**
 * Anchors and profiles as dense arrays in shared memory.
 *
 * An anchor is what an event is attributed to, for ever: one per user_id, one per ownership interval
 * of an anonymous_id. A profile is a set of anchors. The set is kept flat: `profileOf[anchor]` is
 * today's answer, so a query maps events to profiles with one read, and a merge rewrites the anchors
 * of the losing profile instead of its events. The anchors of a profile form a ring through
 * `nextAnchor`, so that they can be enumerated in time proportional to their number.
 *
 * - Ordinals are given from 1, in the order of the log; 0 means none. Replay gives the same ones.
 * - Every anchor is in exactly one ring, and all of a ring has the same profile.
 * - `sizes[profile]` is the length of its ring; 0 marks a profile that was merged into another.
 * - The public id of a profile is AES-128 of its ordinal under a secret of the tenant: it looks random,
 *   cannot be derived from an identifier, is unique, and comes out the same on replay.
 *
 * Times are microseconds since 1970, kept as two 32-bit words: reading them as BigInt would allocate
 * for every event.
 */
import { createCipheriv } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { type ElementType, SharedArray } from '../storage/shared-array.ts';

const ID_BYTES = 16;

export interface ProfileStoreOptions {
  /** The hot directory, which exists. */
  readonly directory: string;
  /** 16 bytes that stay the same for the life of the tenant. */
  readonly secret: Uint8Array;
  /** Anchors, and so profiles, the tenant can hold. Tests make it small. */
  readonly anchorsMax?: number;
}

export class ProfileStore {
  // Hot loops index these directly; they are valid below the ensured count.
  readonly profileOf: Uint32Array;
  readonly nextAnchor: Uint32Array;
  readonly anchorNodes: Uint32Array;
  readonly users: Uint32Array;
  readonly sizes: Uint32Array;
  readonly heads: Uint32Array;
  readonly eventCounts: Uint32Array;
  /** Low word at 2p, high word at 2p + 1. */
  readonly firstSeen: Int32Array;
  readonly lastSeen: Int32Array;

  readonly #arrays: SharedArray<ElementType>[] = [];
  readonly #profileIds: SharedArray<'bytes'>;
  readonly #profileOf: SharedArray<'u32'>;
  readonly #secret: Uint8Array;
  #anchorCount = 0;
  #profileCount = 0;
  #idsWritten = 0;
  /** Elements that every array has room for. */
  #preparedCount = 0;

  /** Creates the arrays, empty. @throws TRIBUTARY_STORAGE_REGION_FULL */
  constructor(options: ProfileStoreOptions) {
    const { directory, secret, anchorsMax = LIMITS.identityAnchorsMax } = options;
    assert(secret.length === ID_BYTES, 'the identity secret has 16 bytes');
    const capacity = anchorsMax + 1;
    const make = <Type extends ElementType>(name: string, type: Type, elementBytes?: number) => {
      const array = SharedArray.create({
        directory,
        name,
        type,
        capacity,
        ...(elementBytes !== undefined && { elementBytes }),
      });
      this.#arrays.push(array);
      return array;
    };
    const u32 = (name: string): Uint32Array => make(name, 'u32').values;
    const words = (name: string): Int32Array => {
      const values = make(name, 'i64').values;
      return new Int32Array(values.buffer, values.byteOffset, values.length * 2);
    };
    this.#secret = Uint8Array.from(secret);
    this.#profileOf = make('profile_of', 'u32');
    this.profileOf = this.#profileOf.values;
    this.nextAnchor = u32('anchor_next');
    this.anchorNodes = u32('anchor_nodes');
    this.users = u32('profile_users');
    this.sizes = u32('profile_sizes');
    this.heads = u32('profile_heads');
    this.eventCounts = u32('profile_events');
    this.firstSeen = words('profile_first');
    this.lastSeen = words('profile_last');
    this.#profileIds = make('profile_ids', 'bytes', ID_BYTES);
    this.prepare(0);
  }

  get anchorCount(): number {
    return this.#anchorCount;
  }

  /** Profiles ever made, those merged into others included. */
  get profileCount(): number {
    return this.#profileCount;
  }

  get memoryBytes(): number {
    return this.#arrays.reduce((sum, array) => sum + array.backedBytes, 0);
  }

  /** Makes room for `count` more anchors and profiles. @throws TRIBUTARY_STORAGE_REGION_FULL */
  prepare(count: number): void {
    const needed = this.#anchorCount + count + 1;
    if (needed <= this.#preparedCount) return;
    for (const array of this.#arrays) array.ensure(needed);
    this.#preparedCount = Math.min(...this.#arrays.map((array) => array.ensuredCount));
  }

  /** A new anchor of `node` in a new profile. Room was prepared. */
  addProfile(node: number, user: number): number {
    const anchor = this.#addAnchor(node);
    const profile = ++this.#profileCount;
    this.profileOf[anchor] = profile;
    this.nextAnchor[anchor] = anchor;
    this.users[profile] = user;
    this.sizes[profile] = 1;
    this.heads[profile] = anchor;
    return anchor;
  }

  /** A new anchor of `node` in a profile there is. Room was prepared. */
  addAnchor(node: number, profile: number): number {
    assert(this.sizes[profile]! > 0, 'anchors are added to live profiles');
    const anchor = this.#addAnchor(node);
    const head = this.heads[profile]!;
    this.profileOf[anchor] = profile;
    this.nextAnchor[anchor] = this.nextAnchor[head]!;
    this.nextAnchor[head] = anchor;
    this.sizes[profile] = this.sizes[profile]! + 1;
    return anchor;
  }

  /** Moves all of `loser` into `survivor`. Both are live and different. */
  merge(survivor: number, loser: number): void {
    assert(survivor !== loser, 'a profile is not merged into itself');
    assert(this.sizes[survivor]! > 0 && this.sizes[loser]! > 0, 'live profiles are merged');
    assert(
      this.users[survivor] === 0 || this.users[loser] === 0,
      'two known users are never one profile',
    );
    const ring = this.heads[loser]!;
    let anchor = ring;
    do {
      this.profileOf[anchor] = survivor;
      anchor = this.nextAnchor[anchor]!;
    } while (anchor !== ring);
    // Exchanging two successors joins two rings into one.
    const head = this.heads[survivor]!;
    const next = this.nextAnchor[head]!;
    this.nextAnchor[head] = this.nextAnchor[ring]!;
    this.nextAnchor[ring] = next;
    if (this.users[survivor] === 0) this.users[survivor] = this.users[loser]!;
    this.sizes[survivor] = this.sizes[survivor]! + this.sizes[loser]!;
    this.sizes[loser] = 0;
    this.#mergeActivity(survivor, loser);
  }

  /** Counts an event of `profile` that happened at (low, high), a time in two words. */
  countEvent(profile: number, low: number, high: number): void {
    const at = profile * 2;
    if (this.eventCounts[profile] === 0) {
      this.#setTime(this.firstSeen, at, low, high);
      this.#setTime(this.lastSeen, at, low, high);
    } else {
      if (isBefore(low, high, this.firstSeen[at]!, this.firstSeen[at + 1]!)) {
        this.#setTime(this.firstSeen, at, low, high);
      }
      if (isBefore(this.lastSeen[at]!, this.lastSeen[at + 1]!, low, high)) {
        this.#setTime(this.lastSeen, at, low, high);
      }
    }
    this.eventCounts[profile] = this.eventCounts[profile]! + 1;
  }

  /** The public id of a published profile, as a UUID. */
  profileId(profile: number): string {
    const hex = Buffer.from(this.#profileIds.window(profile, 1)).toString('hex');
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
  }

  /** Lets readers see the anchors and profiles made so far. */
  publish(): void {
    this.#writeIds();
    this.#profileOf.publish(this.#anchorCount + 1);
    this.#profileIds.publish(this.#profileCount + 1);
  }

  /** Unmaps the arrays and leaves their files. Idempotent. */
  close(): void {
    for (const array of this.#arrays) array.close();
  }

  #addAnchor(node: number): number {
    const anchor = ++this.#anchorCount;
    this.anchorNodes[anchor] = node;
    return anchor;
  }

  #mergeActivity(survivor: number, loser: number): void {
    const events = this.eventCounts[loser]!;
    if (events === 0) return;
    const from = loser * 2;
    // Counting the loser's first and last event folds the times; the rest is added.
    this.countEvent(survivor, this.firstSeen[from]!, this.firstSeen[from + 1]!);
    this.countEvent(survivor, this.lastSeen[from]!, this.lastSeen[from + 1]!);
    this.eventCounts[survivor] = this.eventCounts[survivor]! + events - 2;
    this.eventCounts[loser] = 0;
  }

  #setTime(words: Int32Array, at: number, low: number, high: number): void {
    words[at] = low;
    words[at + 1] = high;
  }

  #writeIds(): void {
    const count = this.#profileCount - this.#idsWritten;
    if (count === 0) return;
    const blocks = Buffer.alloc(count * ID_BYTES);
    for (let index = 0; index < count; index += 1) {
      blocks.writeUInt32LE(this.#idsWritten + 1 + index, index * ID_BYTES);
    }
    const cipher = createCipheriv('aes-128-ecb', this.#secret, null).setAutoPadding(false);
    const ids = Buffer.concat([cipher.update(blocks), cipher.final()]);
    for (let at = 0; at < ids.length; at += ID_BYTES) {
      // RFC 9562: version 8 (custom), variant 10.
      ids[at + 6] = (ids[at + 6]! & 0x0f) | 0x80;
      ids[at + 8] = (ids[at + 8]! & 0x3f) | 0x80;
    }
    this.#profileIds.window(this.#idsWritten + 1, count).set(ids);
    this.#idsWritten = this.#profileCount;
  }
}

/** Whether time a is before time b, each as a signed 64-bit number in two words. */
function isBefore(aLow: number, aHigh: number, bLow: number, bHigh: number): boolean {
  return aHigh === bHigh ? aLow >>> 0 < bLow >>> 0 : aHigh < bHigh;
}
