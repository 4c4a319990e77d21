/**
 * Who an event belongs to, when its identifiers are new, disagree, or were never seen together. What is
 * known already never comes here: identity-graph.ts answers it from three array reads.
 *
 * 1. Blocked values are dropped; the rest is sorted by priority. The first identifier names the event.
 * 2. All of them are to become one profile. Where a rule is in the way, the last one is demoted and the
 *    rest tried again, down to the first one alone (reference: Segment Unify's demotion).
 * 3. A weak identifier that somebody else owns is not joined: an interval of the new owner begins, with
 *    an anchor of its own, and what it did before stays where it is. It needs a strong identifier to
 *    change hands.
 * 4. What was joined is written down as edges from the first identifier to each other one.
 *
 * The survivor of a merge holds a user_id, else has more identifiers, else is older. Nothing here
 * depends on anything but the log, so replay gives the same.
 */
import { assert } from '../base/assert.ts';
import type { NativeIdentifierIndex } from '../native/index.ts';
import type { BlockedValues } from './blocked-values.ts';
import type { EdgeGraph } from './edge-graph.ts';
import type { EdgeKind, EdgeReason } from './edge-log.ts';
import type { IdentityJournal } from './identity-journal.ts';
import {
  ACCOUNT,
  ANONYMOUS_ID,
  type IdentifierRule,
  type IdentityRules,
  USER_ID,
} from './identity-rules.ts';
import type { JoinRules, Newcomer } from './join-rules.ts';
import { anchorIn, isBlocked, isOpen, isShared, NODE } from './node-words.ts';
import type { ProfileStore } from './profile-store.ts';

/** An identifier of the event, and how it stands to the profile that is being put together. */
interface Candidate {
  type: number;
  node: number;
  /** Its anchor; 0 while it is new to the profile. */
  anchor: number;
  /** A weak identifier that another person owns, seen with an owner of its own. */
  isInterval: boolean;
  /** A weak identifier that another person owns, seen with nobody who could claim it. */
  isLeft: boolean;
}

/** A row of the native index has at most: user, anonymous, and 16 more. */
const CANDIDATES_MAX = 18;
/** The head of a row's list (row_nodes.h). */
const LIST_COUNT_MASK = 0xffff;
const LIST_LOGOUT = 1 << 16;

export interface ResolverOptions {
  readonly rules: IdentityRules;
  readonly blocked: BlockedValues;
  readonly index: NativeIdentifierIndex;
  /** node-words.ts, by node. */
  readonly words: Int32Array;
  readonly profiles: ProfileStore;
  readonly edges: EdgeGraph;
  readonly joinRules: JoinRules;
  readonly journal: IdentityJournal;
  /** Whether an operator blocked a node. */
  readonly isBlockedNode: (node: number) => boolean;
  /** Told once of each node that turns out to be blocked. */
  readonly onBlocked: (type: number) => void;
}

export class EventResolver {
  readonly #options: ResolverOptions;
  readonly #words: Int32Array;
  readonly #profiles: ProfileStore;
  readonly #edges: EdgeGraph;
  readonly #journal: IdentityJournal;
  readonly #candidates: Candidate[] = Array.from({ length: CANDIDATES_MAX }, emptyCandidate);
  #count = 0;
  // Of the attempt under way. New arrays each time: to empty one through its length is a call into V8's runtime.
  #joined: number[] = [];
  #newcomers: Newcomer[] = [];

  constructor(options: ResolverOptions) {
    this.#options = options;
    this.#words = options.words;
    this.#profiles = options.profiles;
    this.#edges = options.edges;
    this.#journal = options.journal;
  }

  /**
   * Resolves the row of the native index at `nodes[at]`.
   * @returns the anchor the event belongs to, 0 when it names nobody.
   */
  resolve(nodes: Uint32Array, at: number): number {
    this.#collect(nodes, at);
    const previous = nodes[at + 2]!;
    let anchor = this.#count === 0 ? 0 : this.#joinCandidates();
    if (previous !== 0) anchor = this.#alias(anchor, previous);
    const list = nodes[at + 3]!;
    if (list !== 0 && (nodes[list]! & LIST_LOGOUT) !== 0) this.#closeIntervals();
    return anchor;
  }

  /** Takes the identifiers that are not blocked, sorted by priority. */
  #collect(nodes: Uint32Array, at: number): void {
    this.#count = 0;
    if (nodes[at] !== 0) this.#take(USER_ID, nodes[at]!);
    if (nodes[at + 1] !== 0) this.#take(ANONYMOUS_ID, nodes[at + 1]!);
    const list = nodes[at + 3]!;
    if (list === 0) return;
    const end = list + 1 + 2 * (nodes[list]! & LIST_COUNT_MASK);
    for (let entry = list + 1; entry < end; entry += 2) {
      if (nodes[entry] !== ACCOUNT) this.#take(nodes[entry]!, nodes[entry + 1]!);
    }
  }

  #take(type: number, node: number): void {
    if (this.#isBlocked(type, node)) return;
    const { priority } = this.#ruleOf(type);
    const candidates = this.#candidates;
    const added = candidates[this.#count]!;
    let place = this.#count;
    for (; place > 0 && priority < this.#ruleOf(candidates[place - 1]!.type).priority; place -= 1) {
      candidates[place] = candidates[place - 1]!;
    }
    candidates[place] = added;
    added.type = type;
    added.node = node;
    this.#count += 1;
  }

  /** Judges a node that was not judged under these rules. */
  #isBlocked(type: number, node: number): boolean {
    const word = this.#words[node]!;
    if (word > 0) return false;
    if (isBlocked(word)) return true;
    if (isShared(word)) return false;
    const value = this.#options.index.valueOf(node);
    assert(value !== undefined, 'nodes of a row were given');
    const isRefused = this.#options.isBlockedNode(node);
    if (isRefused || this.#options.blocked.isBlocked(type, value)) {
      this.#words[node] = word | NODE.attention | NODE.blocked;
      this.#options.onBlocked(type);
      return true;
    }
    if (word !== 0 && (word & NODE.closed) === 0) this.#words[node] = anchorIn(word);
    return false;
  }

  /** @returns the anchor of the first candidate. */
  #joinCandidates(): number {
    const joiners: Candidate[] = [];
    for (let place = 0; place < this.#count; place += 1) {
      const candidate = this.#candidates[place]!;
      if (!isShared(this.#words[candidate.node]!)) joiners.push(candidate);
    }
    const first = this.#candidates[0]!;
    if (first === joiners[0]) {
      return joiners.length === 1 ? this.#ownAnchor(first) : this.#join(joiners);
    }
    const anchor = this.#ownAnchor(first);
    if (joiners.length > 1) this.#join(joiners);
    return anchor;
  }

  /** The open anchor of an identifier, in a profile of its own when it has none. */
  #ownAnchor({ type, node }: Pick<Candidate, 'type' | 'node'>): number {
    const word = this.#words[node]!;
    if (isOpen(word)) return anchorIn(word);
    const anchor = this.#profiles.addProfile(node, type, this.#journal.seconds);
    this.#words[node] = anchor;
    return anchor;
  }

  /** @returns the anchor of the first joiner, which is joined to as many of the others as rules allow. */
  #join(joiners: readonly Candidate[]): number {
    const { joinRules } = this.#options;
    let count = joiners.length;
    let obstacle: EdgeReason | undefined;
    let lastObstacle: EdgeReason = 'limit';
    for (; count > 1; count -= 1) {
      this.#assess(joiners, count);
      obstacle = joinRules.check(this.#joined, this.#newcomers, this.#journal.seconds);
      if (obstacle === undefined) break;
      lastObstacle = obstacle;
    }
    const hub = count > 1 ? this.#connect(joiners, count) : this.#ownAnchor(joiners[0]!);
    for (let place = count; place < joiners.length; place += 1) {
      this.#demote(hub, joiners[place]!.node, 'observed', lastObstacle);
    }
    return hub;
  }

  /** Finds which profiles the first `count` joiners would bring together, and what is new to them. */
  #assess(joiners: readonly Candidate[], count: number): void {
    this.#joined = [];
    this.#newcomers = [];
    let hasStrong = false;
    for (let place = 0; place < count; place += 1) {
      const candidate = joiners[place]!;
      candidate.isInterval = candidate.isLeft = false;
      if (!this.#isStrong(candidate.type)) continue;
      hasStrong = true;
      candidate.anchor = anchorIn(this.#words[candidate.node]!);
      this.#bring(candidate);
    }
    let hasOwner = hasStrong;
    for (let place = 0; place < count; place += 1) {
      const candidate = joiners[place]!;
      if (this.#isStrong(candidate.type)) continue;
      this.#assessWeak(candidate, hasStrong, hasOwner);
      hasOwner ||= candidate.anchor !== 0 && !candidate.isLeft && this.#isOwned(candidate.anchor);
    }
  }

  #assessWeak(candidate: Candidate, hasStrong: boolean, hasOwner: boolean): void {
    const word = this.#words[candidate.node]!;
    candidate.anchor = isOpen(word) ? anchorIn(word) : 0;
    if (candidate.anchor !== 0) {
      const isTogether = this.#joined.includes(this.#profiles.profileOf[candidate.anchor]!);
      if (isTogether || !hasOwner || !this.#isOwned(candidate.anchor)) {
        this.#bring(candidate);
        return;
      }
      if (!hasStrong) {
        candidate.isLeft = true;
        return;
      }
      candidate.isInterval = true;
    }
    // An owner who comes back goes on with the anchor of before.
    candidate.anchor = this.#anchorAmongJoined(candidate.node);
    this.#bring(candidate);
  }

  #bring({ type, node, anchor }: Candidate): void {
    if (anchor === 0) {
      this.#newcomers.push({ type, node });
      return;
    }
    const profile = this.#profiles.profileOf[anchor]!;
    if (!this.#joined.includes(profile)) this.#joined.push(profile);
  }

  /** Makes one profile of the first `count` joiners. @returns the anchor of the first. */
  #connect(joiners: readonly Candidate[], count: number): number {
    const hub = joiners[0]!;
    const isHubNew = hub.anchor === 0;
    if (isHubNew) {
      const best = this.#joined.reduce(
        (a, b) => (a === 0 ? b : this.#profiles.survivorOf(a, b)),
        0,
      );
      hub.anchor = this.#newAnchor(hub, best);
    }
    this.#words[hub.node] = hub.anchor;
    for (let place = 1; place < count; place += 1) {
      const candidate = joiners[place]!;
      if (candidate.isLeft) continue;
      const isNew = candidate.anchor === 0;
      if (isNew) {
        candidate.anchor = this.#newAnchor(candidate, this.#profiles.profileOf[hub.anchor]!);
      }
      this.#words[candidate.node] = candidate.anchor;
      this.#addEdge(hub, candidate, 'observed', isHubNew || isNew);
    }
    return hub.anchor;
  }

  /** A new anchor of an identifier in `profile`, or in a new one for 0. */
  #newAnchor({ type, node }: Candidate, profile: number): number {
    const { seconds } = this.#journal;
    if (profile === 0) return this.#profiles.addProfile(node, type, seconds);
    return this.#profiles.addAnchor(node, type, seconds, profile);
  }

  /** Writes down that two anchors belong together, unless it is written, and makes it so. */
  #addEdge(from: Candidate, to: Candidate, kind: EdgeKind, isNew: boolean): void {
    const { profileOf } = this.#profiles;
    const a = from.anchor;
    const b = to.anchor;
    const joins = profileOf[a] !== profileOf[b];
    const known = this.#edges.between(b, a);
    if (!joins && (known !== 0 || this.#edges.isCrowded(b))) return;
    // What was demoted once is allowed now.
    if (known !== 0) this.#journal.changeEdge(known, kind, 'retracted', 'joined');
    const isClaim = this.#isStrong(from.type) !== this.#isStrong(to.type);
    let reason: EdgeReason = joins ? 'joined' : 'attached';
    if (isClaim) reason = from.isInterval || to.isInterval ? 'interval' : 'claimed';
    if (!joins && !isNew) reason = 'confirmed';
    const edge = this.#journal.addEdge(a, b, kind, 'active', reason);
    if (joins) this.#journal.merge(profileOf[a]!, profileOf[b]!, edge);
    this.#quarantine(a);
    this.#quarantine(b);
  }

  /** Writes down, once, that a rule keeps an identifier from the anchor `hub`. */
  #demote(hub: number, node: number, kind: EdgeKind, reason: EdgeReason): void {
    const word = this.#words[node]!;
    const anchor = anchorIn(word);
    if (anchor === 0) {
      if (word !== 0) return;
      this.#words[node] = NODE.attention | NODE.closed;
      this.#journal.noteNodes(this.#profiles.nodeOf(hub), node, kind, 'demoted', reason);
      return;
    }
    if (this.#edges.between(anchor, hub) !== 0 || this.#edges.isCrowded(anchor)) return;
    this.#journal.addEdge(hub, anchor, kind, 'demoted', reason);
    this.#quarantine(hub);
    this.#quarantine(anchor);
  }

  /** A strong identifier with too many strong neighbours of late joins nobody any more. */
  #quarantine(anchor: number): void {
    const { strongNeighboursMax: max, limit } = this.#ruleOf(this.#profiles.typeOf(anchor));
    const node = this.#profiles.nodeOf(anchor);
    if (max === null || isShared(this.#words[node]!)) return;
    const since = limit?.perSeconds == null ? -1 : this.#journal.seconds - limit.perSeconds;
    let neighbours = 0;
    let last = 0;
    for (let edge = this.#edges.first(anchor); edge !== 0; edge = this.#edges.after(edge, anchor)) {
      const other = this.#edges.otherEnd(edge, anchor);
      if (!this.#isStrong(this.#profiles.typeOf(other))) continue;
      if (last === 0) last = other;
      if (this.#edges.seconds(edge) > since) neighbours += 1;
    }
    if (neighbours <= max) return;
    this.#words[node] = NODE.attention | NODE.shared | anchor;
    const neighbour = this.#profiles.nodeOf(last);
    this.#journal.noteNodes(neighbour, node, 'observed', 'quarantined', 'too_many_neighbours');
  }

  /** An alias call: the previous id and the event's own anchor (0 for none) are one person. */
  #alias(anchor: number, previous: number): number {
    for (let place = 0; place < this.#count; place += 1) {
      if (this.#candidates[place]!.node === previous) return anchor;
    }
    const type = this.#options.index.typeOf(previous);
    if (this.#isBlocked(type, previous)) return anchor;
    if (anchor === 0) return this.#ownAnchor({ type, node: previous });
    const node = this.#profiles.nodeOf(anchor);
    if (isShared(this.#words[previous]!) || isShared(this.#words[node]!)) return anchor;
    const { profileOf } = this.#profiles;
    const own = profileOf[anchor]!;
    const former = anchorIn(this.#words[previous]!);
    const isNew = former === 0;
    if (!isNew && profileOf[former] === own) return anchor;
    const joined = isNew ? [own] : [own, profileOf[former]!];
    const newcomers = isNew ? [{ type, node: previous }] : [];
    const obstacle = this.#options.joinRules.check(joined, newcomers, this.#journal.seconds);
    if (obstacle !== undefined) {
      this.#demote(anchor, previous, 'alias', obstacle);
      return anchor;
    }
    const from = { ...emptyCandidate(), type: this.#profiles.typeOf(anchor), node, anchor };
    const to = { ...emptyCandidate(), type, node: previous, anchor: former };
    if (isNew) to.anchor = this.#newAnchor(to, own);
    this.#words[previous] = to.anchor;
    this.#addEdge(from, to, 'alias', isNew);
    return anchor;
  }

  /** After a logout the devices of the event belong to nobody, until somebody claims them. */
  #closeIntervals(): void {
    for (let place = 0; place < this.#count; place += 1) {
      const { type, node } = this.#candidates[place]!;
      const word = this.#words[node]!;
      if (this.#isStrong(type) || !isOpen(word) || !this.#isOwned(anchorIn(word))) continue;
      this.#words[node] = NODE.attention | NODE.closed | anchorIn(word);
    }
  }

  /** Whether the profile of an anchor has a strong identifier. */
  #isOwned(anchor: number): boolean {
    const profiles = this.#profiles;
    if (profiles.isKnown(profiles.profileOf[anchor]!)) return true;
    let at = anchor;
    do {
      if (this.#isStrong(profiles.typeOf(at))) return true;
      at = profiles.next(at);
    } while (at !== anchor);
    return false;
  }

  /** The oldest anchor of an identifier in the profiles that are put together, 0 for none. */
  #anchorAmongJoined(node: number): number {
    const profiles = this.#profiles;
    let oldest = 0;
    for (const profile of this.#joined) {
      const head = profiles.headOf(profile);
      let anchor = head;
      do {
        const isOlder = oldest === 0 || anchor < oldest;
        if (isOlder && profiles.nodeOf(anchor) === node) oldest = anchor;
        anchor = profiles.next(anchor);
      } while (anchor !== head);
    }
    return oldest;
  }

  #isStrong(type: number): boolean {
    return this.#ruleOf(type).strength === 'strong';
  }

  #ruleOf(type: number): IdentifierRule {
    return this.#options.rules.types[type - 1]!;
  }
}

function emptyCandidate(): Candidate {
  return { type: 0, node: 0, anchor: 0, isInterval: false, isLeft: false };
}
