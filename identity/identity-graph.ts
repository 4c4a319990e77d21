/**
 * Who an event belongs to, decided event by event in commit order.
 *
 * - A user_id has one anchor for ever. An anonymous_id has one anchor per ownership interval; the
 *   current one takes its events.
 * - A known user in an event with an anonymous_id claims it: an interval without an owner is joined to
 *   the user, whole; an interval that another user owns stays theirs, and a new one begins.
 * - Two profiles that each have a user_id never become one, whatever arrives.
 * - An event belongs to its user_id, else its anonymous_id, else (alias alone) its previous id.
 * - Everything is a fold over the log: the same events give the same nodes, anchors, profiles, edges.
 *
 * The native index turns identifiers into nodes for a batch at once; this file then works on dense
 * numbers only. Resolving cannot fail within what {@link IdentityGraph.prepare} made room for, so it
 * may happen after the log was synced.
 */
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { type NativeIdentifierIndex, type NativeRegion, native } from '../native/index.ts';
import { SharedArray } from '../storage/shared-array.ts';
import type { EdgeKind, EdgeLog, EdgeReason, EdgeState } from './edge-log.ts';
import { IDENTIFIER_TYPE, type IdentifierType, isIdentifierType } from './identifier-types.ts';
import { ProfileStore } from './profile-store.ts';

/** New nodes, and new anchors, that one event can bring: user, anonymous, previous. */
const NODES_PER_EVENT = 3;
/** Bytes a value takes beside itself: its length, and padding to 8. */
const VALUE_OVERHEAD_BYTES = 12;

export interface IdentityGraphOptions {
  /** The hot directory, which exists. */
  readonly directory: string;
  /** 16 bytes that stay the same for the life of the tenant. */
  readonly secret: Uint8Array;
  readonly edges: EdgeLog;
  /** Identifiers the tenant can hold. Tests make it small. */
  readonly nodesMax?: number;
}

/** A run of rows of one `events` segment, and where they came from. */
export interface RowRun {
  readonly segment: NativeRegion;
  readonly row: number;
  readonly count: number;
  /** Of the first row; the others follow. */
  readonly sequence: number;
  readonly receivedAtMicros: number;
  /** The `timestamp` column of the segment as 32-bit words. */
  readonly timestampWords: Int32Array;
  /** The `anchor` column of the segment, which is filled. */
  readonly anchors: Uint32Array;
}

export class IdentityGraph {
  readonly profiles: ProfileStore;
  readonly #index: NativeIdentifierIndex;
  readonly #anchorOf: SharedArray<'u32'>;
  readonly #edges: EdgeLog;
  readonly #nodes = new Uint32Array(LIMITS.batchEventsMax * 4);
  #sequence = 0;
  #receivedAtMicros = 0;

  constructor(options: IdentityGraphOptions) {
    const { directory, secret, edges, nodesMax = LIMITS.identityNodesMax } = options;
    this.#edges = edges;
    this.#index = new native.IdentifierIndex(directory, nodesMax, LIMITS.identityValuesBytesMax);
    this.#anchorOf = SharedArray.create({
      directory,
      name: 'node_anchors',
      type: 'u32',
      capacity: nodesMax + 1,
    });
    this.profiles = new ProfileStore({ directory, secret, anchorsMax: nodesMax });
  }

  /** Identifiers seen so far. */
  get nodeCount(): number {
    return this.#index.count;
  }

  get memoryBytes(): number {
    return this.#index.memoryBytes + this.#anchorOf.backedBytes + this.profiles.memoryBytes;
  }

  /**
   * Makes room for whatever `events` events of `bytes` bytes in all can bring.
   * @throws TRIBUTARY_IDENTITY_NODES_FULL, TRIBUTARY_STORAGE_REGION_FULL
   */
  prepare(events: number, bytes: number): void {
    const nodes = events * NODES_PER_EVENT;
    const reason = this.#index.prepare(nodes, bytes + nodes * VALUE_OVERHEAD_BYTES);
    if (reason !== '') {
      throw new TributaryError('TRIBUTARY_IDENTITY_NODES_FULL', {
        count: this.#index.count,
        reason,
      });
    }
    this.#anchorOf.ensure(this.#index.count + nodes + 1);
    this.profiles.prepare(nodes);
  }

  /** What finds the nodes of rows: the stager asks it in its own thread, in commit order. */
  get identifiers(): NativeIdentifierIndex {
    return this.#index;
  }

  /** Finds the nodes of `run`, and folds it. */
  resolve(run: RowRun): void {
    const resolved = this.#index.resolveRows(run.segment, run.row, run.count, this.#nodes);
    assert(resolved, 'staged rows of an events segment are resolved');
    this.fold(run, this.#nodes);
  }

  /** Attributes each visible row of `run`, whose `nodes` were found, to an anchor and its profile. */
  fold(run: RowRun, nodes: Uint32Array): void {
    this.#receivedAtMicros = run.receivedAtMicros;
    for (let index = 0; index < run.count; index += 1) {
      const user = nodes[index * 4]!;
      const anonymous = nodes[index * 4 + 1]!;
      const previous = nodes[index * 4 + 2]!;
      if ((user | anonymous | previous) === 0) continue;
      this.#sequence = run.sequence + index;
      const anchor = this.#resolveEvent(user, anonymous, previous);
      const row = run.row + index;
      run.anchors[row] = anchor;
      this.profiles.countEvent(
        this.profiles.profileOf[anchor]!,
        run.timestampWords[row * 2]!,
        run.timestampWords[row * 2 + 1]!,
      );
    }
  }

  /** Lets readers see what was folded so far. @param nodes there are in it, if not all. */
  publish(nodes: number = this.#index.count): void {
    this.#index.publish(nodes);
    this.profiles.publish();
  }

  /** The profile an identifier belongs to today, or 0 when it was never seen. */
  profileOf(type: IdentifierType, value: string): number {
    const node = this.#index.lookup(IDENTIFIER_TYPE[type], value);
    return node === 0 ? 0 : this.profiles.profileOf[this.#anchorOf.values[node]!]!;
  }

  /**
   * The public id of the profile an identifier belongs to today; null when it was never seen.
   * @throws TributaryError TRIBUTARY_IDENTITY_TYPE_UNKNOWN
   */
  resolveProfileId(type: string, value: string): string | null {
    if (!isIdentifierType(type))
      throw new TributaryError('TRIBUTARY_IDENTITY_TYPE_UNKNOWN', { type });
    const profile = this.profileOf(type, value);
    return profile === 0 ? null : this.profiles.profileId(profile);
  }

  /** The value of a node that was given. */
  valueOf(node: number): string {
    const value = this.#index.valueOf(node);
    assert(value !== undefined, 'only given nodes are asked for');
    return value;
  }

  /** Unmaps everything. Idempotent. */
  close(): void {
    this.#index.close();
    this.#anchorOf.close();
    this.profiles.close();
  }

  /** @returns the anchor the event belongs to. */
  #resolveEvent(user: number, anonymous: number, previous: number): number {
    let anchor = 0;
    if (user !== 0) anchor = this.#userAnchor(user);
    if (anonymous !== 0) {
      const current = this.#anchorOf.values[anonymous]!;
      if (anchor === 0) anchor = current === 0 ? this.#newAnonymous(anonymous) : current;
      else this.#claim(user, anchor, anonymous, current);
    }
    if (previous === 0 || previous === user || previous === anonymous) return anchor;
    return this.#alias(anchor, user === 0 ? anonymous : user, previous);
  }

  #userAnchor(user: number): number {
    const known = this.#anchorOf.values[user]!;
    if (known !== 0) return known;
    const anchor = this.profiles.addProfile(user, user);
    this.#anchorOf.values[user] = anchor;
    return anchor;
  }

  #newAnonymous(node: number): number {
    const anchor = this.profiles.addProfile(node, 0);
    this.#anchorOf.values[node] = anchor;
    return anchor;
  }

  /** A known user was seen with an anonymous_id whose current interval is `current`, 0 for none. */
  #claim(user: number, userAnchor: number, anonymous: number, current: number): void {
    const { profiles } = this;
    const owner = profiles.profileOf[userAnchor]!;
    const holder = profiles.profileOf[current]!;
    if (current !== 0 && holder === owner) return;
    if (current !== 0 && profiles.users[holder] === 0) {
      profiles.merge(owner, holder);
      this.#note(user, anonymous, 'observed', 'active', 'claimed');
      return;
    }
    this.#anchorOf.values[anonymous] = profiles.addAnchor(anonymous, owner);
    this.#note(user, anonymous, 'observed', 'active', current === 0 ? 'claimed' : 'interval');
  }

  /** `alias`: the previous id and the event's own (`node` at `anchor`, 0 for none) are one person. */
  #alias(anchor: number, node: number, previous: number): number {
    const { profiles } = this;
    const former = this.#anchorOf.values[previous]!;
    if (anchor === 0) return former === 0 ? this.#newAnonymous(previous) : former;
    const own = profiles.profileOf[anchor]!;
    if (former === 0) {
      this.#anchorOf.values[previous] = profiles.addAnchor(previous, own);
      this.#note(node, previous, 'alias', 'active', 'claimed');
      return anchor;
    }
    const other = profiles.profileOf[former]!;
    if (own === other) return anchor;
    if (profiles.users[own] !== 0 && profiles.users[other] !== 0) {
      this.#note(node, previous, 'alias', 'refused', 'two_user_ids');
      return anchor;
    }
    const survivor = this.#survivor(own, other);
    profiles.merge(survivor, survivor === own ? other : own);
    this.#note(node, previous, 'alias', 'active', 'joined');
    return anchor;
  }

  /** Which of two profiles keeps its id: the one with a user_id, the larger one, the older one. */
  #survivor(a: number, b: number): number {
    const { users, sizes } = this.profiles;
    if (users[a] !== 0 || users[b] !== 0) return users[a] !== 0 ? a : b;
    if (sizes[a] !== sizes[b]) return sizes[a]! > sizes[b]! ? a : b;
    return Math.min(a, b);
  }

  #note(aNode: number, bNode: number, kind: EdgeKind, state: EdgeState, reason: EdgeReason): void {
    this.#edges.append({
      sequence: this.#sequence,
      receivedAtMicros: this.#receivedAtMicros,
      aNode,
      bNode,
      kind,
      state,
      reason,
    });
  }
}
