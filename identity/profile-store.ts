/**
 * Anchors and profiles as dense arrays in shared memory.
 *
 * An anchor is what an event is attributed to, for ever: one per strong identifier, one per owner of a
 * weak one. A profile is a set of anchors. The set is kept flat: `profileOf[anchor]` is today's answer,
 * so a query maps events to profiles with one read, and a merge rewrites the anchors of the losing
 * profile instead of its events. The anchors of a profile form a ring, so that they can be enumerated
 * in time proportional to their number. What is counted is counted per anchor and added up by readers:
 * so a split gives every side exactly what is its own.
 *
 * - Ordinals are given from 1, in the order of the log; 0 means none. Replay gives the same ones.
 * - Every anchor is in exactly one ring, and all of a ring has the same profile; an erased anchor
 *   is in none, and has profile 0.
 * - A profile keeps one word: an anchor of its ring, its head, and above that how many anchors it has, where
 *   15 stands for that many or more, and 0 for a profile that became part of another. The head is the anchor
 *   of a user_id where there is one. That of a former profile stays, and says where to look for it today.
 * - When an anchor was opened is known to the minute (minute-marks.ts).
 * - The public id of a profile is AES-128 of its ordinal under a secret of the tenant (profile-ids.ts).
 *
 * Times are microseconds since 1970, kept as two 32-bit words: reading them as BigInt would allocate
 * for every event.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import {
  type ArrayMemory,
  type ElementType,
  memoryOf,
  SharedArray,
} from '../storage/shared-array.ts';
import {
  partOfArray,
  restoreArray,
  type StatePart,
  type StateSource,
} from '../storage/state-part.ts';
import { USER_ID } from './identity-rules.ts';
import { MinuteMarks } from './minute-marks.ts';
import { PROFILE_ID_BYTES, ProfileIds } from './profile-ids.ts';

// Of this module alone: V8 makes constants of these, and reads what is exported anew at each use.
/** Words of an anchor in {@link ProfileStore.records}. */
const WORDS = 3;
/** Events attributed to it. */
const EVENTS = 0;
/** The next anchor of its ring; above that the high bits of its type's number. */
const NEXT = 1;
/** The identifier it stands for; above that the low bits of its type's number. */
const NODE = 2;
export const RECORD_WORDS = WORDS;
export const RECORD = Object.freeze({ events: EVENTS, next: NEXT, node: NODE });

/** Ordinals of anchors, nodes and edges stay below 2^28; the bits above hold what else is known. */
const ORDINAL_BITS = 28;
const ORDINAL_MASK = 2 ** ORDINAL_BITS - 1;
const TYPE_LOW_MASK = 15;
const SIZE_MANY = 15;
const USER = USER_ID;

export interface ProfileStoreOptions {
  /** The hot directory, which exists. */
  readonly directory: string;
  /** 16 bytes that stay the same for the life of the tenant. */
  readonly secret: Uint8Array;
  /** Anchors, and so profiles, the tenant can hold. Tests make it small. */
  readonly anchorsMax?: number;
}

interface StoreArray {
  readonly array: SharedArray<ElementType>;
  /** For each anchor or profile. */
  readonly elements: number;
  readonly by: 'anchor' | 'profile';
}

export class ProfileStore {
  // Hot loops index these directly; they are valid below the ensured count.
  readonly profileOf: Uint32Array;
  /** RECORD_WORDS an anchor. */
  readonly records: Uint32Array;
  /** Four words an anchor: first seen, last seen, each low word first. */
  readonly times: Int32Array;
  /** By profile: its head, and its size above that. */
  readonly heads: Uint32Array;

  readonly #arrays: StoreArray[] = [];
  readonly #heads: SharedArray<'u32'>;
  readonly #profileOf: SharedArray<'u32'>;
  /** Where readers find the secret. */
  readonly #key: SharedArray<'bytes'>;
  /** Public ids, by ordinal. */
  readonly ids: ProfileIds;
  #anchorCount = 0;
  #profileCount = 0;
  /** When anchors were opened, by arrival. */
  readonly #openings: MinuteMarks;

  /** Creates the arrays, empty. @throws TRIBUTARY_STORAGE_REGION_FULL */
  constructor(options: ProfileStoreOptions) {
    const { directory, secret, anchorsMax = LIMITS.identityAnchorsMax } = options;
    const make = <Type extends ElementType>(
      by: 'anchor' | 'profile',
      name: string,
      type: Type,
      elements = 1,
      bytes = 1,
    ) => {
      const capacity = (anchorsMax + 1) * elements;
      const array = SharedArray.create({ directory, name, type, capacity, elementBytes: bytes });
      this.#arrays.push({ array, elements, by });
      return array;
    };
    const ofAnchors = (name: string, elements: number): Uint32Array =>
      make('anchor', name, 'u32', elements).values;
    this.ids = new ProfileIds(secret);
    this.#profileOf = make('anchor', 'profile_of', 'u32');
    this.profileOf = this.#profileOf.values;
    this.records = ofAnchors('anchor_records', WORDS);
    const times = ofAnchors('anchor_times', 4);
    this.times = new Int32Array(times.buffer, times.byteOffset, times.length);
    this.#openings = new MinuteMarks(directory, 'anchor_minutes', anchorsMax);
    this.#heads = make('profile', 'profile_heads', 'u32');
    this.heads = this.#heads.values;
    this.#key = SharedArray.create({
      directory,
      name: 'profile_key',
      type: 'bytes',
      capacity: 1,
      elementBytes: PROFILE_ID_BYTES,
    });
    this.#key.ensure(1);
    this.#key.window(0, 1).set(secret);
    this.#key.publish(1);
    this.prepare(0);
  }

  get anchorCount(): number {
    return this.#anchorCount;
  }

  /** Profiles ever made, those that became part of others included. */
  get profileCount(): number {
    return this.#profileCount;
  }

  get memory(): readonly ArrayMemory[] {
    return [...this.#arrays.map(({ array }) => memoryOf(array)), this.#openings.memory];
  }

  /**
   * Makes room for `count` more anchors and profiles, which come in `minutes` minutes at most.
   * @throws TRIBUTARY_STORAGE_REGION_FULL
   */
  prepare(count: number, minutes = count): void {
    const needed = { anchor: this.#anchorCount + count, profile: this.#profileCount + count };
    for (const { array, elements, by } of this.#arrays) array.ensure((needed[by] + 1) * elements);
    this.#openings.prepare(minutes);
  }

  /** A new anchor of `node` in a new profile. Room was prepared. */
  addProfile(node: number, type: number, openedSeconds: number): number {
    const profile = ++this.#profileCount;
    // The one that is added, in a ring of its own.
    const anchor = this.#anchorCount + 1;
    this.heads[profile] = headWord(anchor, 1);
    return this.#addAnchor(node, type, openedSeconds, profile, anchor);
  }

  /** A new anchor of `node` in a profile there is. Room was prepared. */
  addAnchor(node: number, type: number, openedSeconds: number, profile: number): number {
    assert(this.isLive(profile), 'anchors are added to live profiles');
    const head = this.headOf(profile);
    const anchor = this.#addAnchor(node, type, openedSeconds, profile, this.next(head));
    this.#setNext(head, anchor);
    const isUser = type === USER && !this.isUser(head);
    this.#setHead(profile, isUser ? anchor : head, this.#sizeClass(profile) + 1);
    return anchor;
  }

  /** Makes one profile of two, which are live and different. @returns the one that stays. */
  merge(a: number, b: number): number {
    assert(a !== b, 'a profile is not merged into itself');
    // Done for every edge that joins: each array is looked up once, each word read once.
    const { heads, records, profileOf } = this;
    const first = heads[a]!;
    const second = heads[b]!;
    const isFirst = this.#survives(a, first, b, second);
    const survivor = isFirst ? a : b;
    const loser = isFirst ? b : a;
    const kept = isFirst ? first : second;
    const lost = isFirst ? second : first;
    const size = kept >>> ORDINAL_BITS;
    const lostSize = lost >>> ORDINAL_BITS;
    assert(size > 0 && lostSize > 0, 'live profiles are merged');
    // A survivor without a user_id has a loser without one: its head stays.
    const head = kept & ORDINAL_MASK;
    const ring = lost & ORDINAL_MASK;
    let anchor = ring;
    do {
      profileOf[anchor] = survivor;
      anchor = records[anchor * WORDS + NEXT]! & ORDINAL_MASK;
    } while (anchor !== ring);
    // Exchanging two successors joins two rings into one.
    const headAt = head * WORDS + NEXT;
    const ringAt = ring * WORDS + NEXT;
    const next = records[headAt]!;
    records[headAt] = withOrdinal(next, records[ringAt]!);
    records[ringAt] = withOrdinal(records[ringAt]!, next);
    heads[survivor] = headWord(head, size + lostSize);
    heads[loser] = ring;
    return survivor;
  }

  /**
   * Takes a profile apart: the first group keeps it, each other one gets a profile of its own. The groups
   * hold every anchor of the profile once. Room for the new profiles was prepared.
   * @returns the profile of each group.
   */
  split(profile: number, groups: readonly (readonly number[])[]): number[] {
    const anchors = groups.reduce((sum, group) => sum + group.length, 0);
    assert(anchors === this.sizeOf(profile), 'a split places every anchor');
    return groups.map((group, index) => {
      const own = index === 0 ? profile : ++this.#profileCount;
      this.#formRing(group, own);
      return own;
    });
  }

  /**
   * Takes anchors out of their profiles and forgets all about them. A profile that has none left leads
   * nowhere from then on, and so do the ids of those that became part of it.
   */
  erase(anchors: ReadonlySet<number>): void {
    const profiles = new Set([...anchors].map((anchor) => this.profileOf[anchor]!));
    for (const profile of profiles) {
      assert(this.isLive(profile), 'anchors of live profiles are erased');
      const rest = this.anchorsOf(profile).filter((anchor) => !anchors.has(anchor));
      if (rest.length > 0) this.#formRing(rest, profile);
      else this.#setHead(profile, this.headOf(profile), 0);
    }
    for (const anchor of anchors) {
      this.profileOf[anchor] = 0;
      this.records.fill(0, anchor * WORDS, (anchor + 1) * WORDS);
      this.times.fill(0, anchor * 4, anchor * 4 + 4);
    }
  }

  /** Whether an anchor that was given was erased since. */
  isErased(anchor: number): boolean {
    return anchor > 0 && anchor <= this.#anchorCount && this.profileOf[anchor] === 0;
  }

  next(anchor: number): number {
    return this.records[anchor * WORDS + NEXT]! & ORDINAL_MASK;
  }

  nodeOf(anchor: number): number {
    return this.records[anchor * WORDS + NODE]! & ORDINAL_MASK;
  }

  typeOf(anchor: number): number {
    const { records } = this;
    const at = anchor * WORDS;
    const high = records[at + NEXT]! >>> ORDINAL_BITS;
    return (high << 4) | (records[at + NODE]! >>> ORDINAL_BITS);
  }

  /** Whether an anchor is that of a user_id: asked of every edge, and told by one word mostly. */
  isUser(anchor: number): boolean {
    const { records } = this;
    const at = anchor * WORDS;
    return (
      records[at + NODE]! >>> ORDINAL_BITS === USER && records[at + NEXT]! >>> ORDINAL_BITS === 0
    );
  }

  /** Seconds since 1970, by the arrival of the event that brought it; to the minute. */
  openedSeconds(anchor: number): number {
    return this.#openings.secondsOf(anchor);
  }

  /** Whether a profile is not part of another. */
  isLive(profile: number): boolean {
    return this.#sizeClass(profile) > 0;
  }

  /** An anchor of a profile: that of a user_id where it has one. */
  headOf(profile: number): number {
    return this.heads[profile]! & ORDINAL_MASK;
  }

  /** Whether a live profile has a user_id. */
  isKnown(profile: number): boolean {
    return this.isUser(this.headOf(profile));
  }

  /** Anchors of a profile; 0 when it became part of another. */
  sizeOf(profile: number): number {
    const size = this.#sizeClass(profile);
    if (size < SIZE_MANY) return size;
    const head = this.headOf(profile);
    let count = 1;
    for (let anchor = this.next(head); anchor !== head; anchor = this.next(anchor)) count += 1;
    return count;
  }

  /** The anchors of a live profile, ascending: in the order in which they were opened. */
  anchorsOf(profile: number): number[] {
    const anchors: number[] = [];
    const head = this.headOf(profile);
    let anchor = head;
    do {
      anchors.push(anchor);
      anchor = this.next(anchor);
    } while (anchor !== head);
    return anchors.sort((a, b) => a - b);
  }

  /** What a profile that became part of another is part of today; a live one is itself. */
  currentOf(profile: number): number {
    return this.profileOf[this.headOf(profile)]!;
  }

  /** Which of two profiles keeps its id: the one with a user_id, the larger one, the older one. */
  survivorOf(a: number, b: number): number {
    return this.#survives(a, this.heads[a]!, b, this.heads[b]!) ? a : b;
  }

  /** Counts an event of `anchor` that happened at (low, high), a time in two words. */
  countEvent(anchor: number, low: number, high: number): void {
    const { records, times } = this;
    const at = anchor * 4;
    const events = anchor * WORDS + EVENTS;
    if (records[events] === 0) {
      times[at] = times[at + 2] = low;
      times[at + 1] = times[at + 3] = high;
    } else {
      if (isBefore(low, high, times[at]!, times[at + 1]!)) {
        times[at] = low;
        times[at + 1] = high;
      }
      if (isBefore(times[at + 2]!, times[at + 3]!, low, high)) {
        times[at + 2] = low;
        times[at + 3] = high;
      }
    }
    records[events] = records[events]! + 1;
  }

  /** Events that are attributed to `anchors`. */
  eventsOf(anchors: readonly number[]): number {
    const eventsAt = (anchor: number): number => this.records[anchor * WORDS]!;
    return anchors.reduce((sum, anchor) => sum + eventsAt(anchor), 0);
  }

  /** When the first and the last event of `anchors` happened; null without events. */
  seenMicros(anchors: readonly number[]): { firstMicros: number; lastMicros: number } | null {
    const { records, times } = this;
    const micros = (word: number): number => times[word + 1]! * 2 ** 32 + (times[word]! >>> 0);
    const used = anchors.filter((anchor) => records[anchor * WORDS + EVENTS]! > 0);
    if (used.length === 0) return null;
    return {
      firstMicros: Math.min(...used.map((anchor) => micros(anchor * 4))),
      lastMicros: Math.max(...used.map((anchor) => micros(anchor * 4 + 2))),
    };
  }

  /** The public id of any profile, published or not. */
  idOf(profile: number): string {
    return this.ids.textOf(profile);
  }

  /** The profile, live or not, of a public id; 0 when it is none of this tenant's, or was erased. */
  profileWithId(id: string): number {
    const ordinal = this.ids.ordinalOf(id);
    return ordinal <= this.#profileCount && this.currentOf(ordinal) > 0 ? ordinal : 0;
  }

  /** Lets readers see the anchors and profiles made so far. */
  publish(): void {
    this.#profileOf.publish(this.#anchorCount + 1);
    this.#heads.publish(this.#profileCount + 1);
    this.#openings.publish();
  }

  /** What a checkpoint keeps; all of it was published. */
  state(): StatePart[] {
    const counts = { anchor: this.#anchorCount + 1, profile: this.#profileCount + 1 };
    return [
      ...this.#arrays.map(({ array, elements, by }) => partOfArray(array, counts[by] * elements)),
      this.#openings.state(),
    ];
  }

  /** Takes over what {@link ProfileStore.state} was; this is fresh. */
  async restore(source: StateSource): Promise<void> {
    assert(this.#anchorCount + this.#profileCount === 0, 'a fresh store is restored');
    const counts = { anchor: 0, profile: 0 };
    for (const { array, elements, by } of this.#arrays) {
      counts[by] = (await restoreArray(array, source)) / elements - 1;
    }
    await this.#openings.restore(source);
    this.#anchorCount = counts.anchor;
    this.#profileCount = counts.profile;
    this.prepare(0);
  }

  /** Unmaps the arrays and leaves their files. Idempotent. */
  close(): void {
    for (const { array } of this.#arrays) array.close();
    this.#openings.close();
    this.#key.close();
  }

  /** Whether profile a, which has the word `first`, keeps its id, and not b, which has `second`. */
  #survives(a: number, first: number, b: number, second: number): boolean {
    const isKnown = this.isUser(first & ORDINAL_MASK);
    if (isKnown !== this.isUser(second & ORDINAL_MASK)) return isKnown;
    const size = first >>> ORDINAL_BITS;
    const other = second >>> ORDINAL_BITS;
    if (size !== other) return size > other;
    if (size < SIZE_MANY) return a < b;
    const more = this.sizeOf(a) - this.sizeOf(b);
    return more === 0 ? a < b : more > 0;
  }

  /** @param next the anchor behind it in its ring. */
  #addAnchor(
    node: number,
    type: number,
    openedSeconds: number,
    profile: number,
    next: number,
  ): number {
    const anchor = ++this.#anchorCount;
    const { records } = this;
    const at = anchor * WORDS;
    records[at + NEXT] = ((type >>> 4) << ORDINAL_BITS) | next;
    records[at + NODE] = ((type & TYPE_LOW_MASK) << ORDINAL_BITS) | node;
    this.profileOf[anchor] = profile;
    this.#openings.note(anchor, openedSeconds);
    return anchor;
  }

  #setNext(anchor: number, next: number): void {
    const at = anchor * WORDS + NEXT;
    this.records[at] = withOrdinal(this.records[at]!, next);
  }

  #sizeClass(profile: number): number {
    return this.heads[profile]! >>> ORDINAL_BITS;
  }

  #setHead(profile: number, head: number, size: number): void {
    this.heads[profile] = headWord(head, size);
  }

  #formRing(anchors: readonly number[], profile: number): void {
    for (const [index, anchor] of anchors.entries()) {
      this.profileOf[anchor] = profile;
      this.#setNext(anchor, anchors[(index + 1) % anchors.length]!);
    }
    const user = anchors.find((anchor) => this.isUser(anchor));
    this.#setHead(profile, user ?? anchors[0]!, anchors.length);
  }
}

/** The word of a profile with so many anchors. Not by Math.min, which V8 has in floating point alone. */
function headWord(head: number, size: number): number {
  return size < SIZE_MANY ? (size << ORDINAL_BITS) | head : (SIZE_MANY << ORDINAL_BITS) | head;
}

/** `word` with the ordinal of another. */
function withOrdinal(word: number, other: number): number {
  return (word & ~ORDINAL_MASK) | (other & ORDINAL_MASK);
}

/** Whether time a is before time b, each as a signed 64-bit number in two words. */
function isBefore(aLow: number, aHigh: number, bLow: number, bHigh: number): boolean {
  return aHigh === bHigh ? aLow >>> 0 < bLow >>> 0 : aHigh < bHigh;
}
