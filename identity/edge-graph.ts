/**
 * The edges of each anchor, as lists in flat arrays: what a component is rebuilt from when one of its
 * edges turns out to be wrong.
 *
 * - An edge has an ordinal, from 1 in the order of the log; it is also its `edge` in the table `edges`,
 *   which is the durable form of what is here.
 * - Active and demoted edges are in the lists of both their anchors, newest first; retracted ones are in
 *   none. Two anchors have at most one edge in the lists.
 * - Lists are searched to a bounded depth: what lies deeper is old evidence that new evidence repeats.
 * - Merges are numbered in the order of their edges, and an edge makes one at most. So a bit at the edge
 *   is all that is kept of a merge; every so many merges a mark says how far along the edges it was, and
 *   the edge of one is found from the mark before it.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { type ArrayMemory, memoryOf, SharedArray } from '../storage/shared-array.ts';
import {
  partOfArray,
  restoreArray,
  type StatePart,
  type StateSource,
} from '../storage/state-part.ts';
import { MergeMarks } from './merge-marks.ts';
import { MinuteMarks } from './minute-marks.ts';

/** Of a small store, whose edges are as many as a few events can bring. */
const EDGES_PER_ANCHOR = 3;
const LINK_WORDS = 4;
/** Words of a link: its anchors, and the edge after it in the list of each. Above A: how it stands. */
const A = 0;
const B = 1;
const NEXT = 2;
const STATE_SHIFT = 28;
const ANCHOR_MASK = 2 ** STATE_SHIFT - 1;
const RETRACTED = 0;
const ACTIVE = 1;
const DEMOTED = 2;
/** Added to ACTIVE: the edge joins two identifiers that both named people. */
const JOINS = 4;
/** In the word itself: the edge made one profile of two. It stays when the edge is retracted. */
const MERGED_BIT = 2 ** 31;
const STATE_MASK = 7;
/** Here because V8 makes a constant of it. */
const SEARCHED_MAX = LIMITS.anchorEdgesMax;

export interface EdgeGraphOptions {
  readonly directory: string;
  readonly anchorsMax: number;
}

export class EdgeGraph {
  readonly #heads: SharedArray<'u32'>;
  readonly #links: SharedArray<'u32'>;
  // What both hold, for hot loops; whoever else reads them fetches them ahead.
  readonly headOf: Uint32Array;
  readonly linkWords: Uint32Array;
  /** When edges came. */
  readonly #arrivals: MinuteMarks;
  readonly #merges = new MergeMarks();
  #count = 0;

  constructor(options: EdgeGraphOptions) {
    const { directory, anchorsMax } = options;
    const make = (name: string, capacity: number): SharedArray<'u32'> =>
      SharedArray.create({ directory, name, type: 'u32', capacity });
    this.#heads = make('edge_heads', anchorsMax + 1);
    const edgesMax = Math.min(EDGES_PER_ANCHOR * anchorsMax, LIMITS.identityEdgesMax);
    this.#links = make('edge_links', (edgesMax + 1) * LINK_WORDS);
    this.headOf = this.#heads.values;
    this.linkWords = this.#links.values;
    this.#arrivals = new MinuteMarks(directory, 'edge_minutes', edgesMax);
  }

  /** Edges ever added. */
  get count(): number {
    return this.#count;
  }

  get memory(): readonly ArrayMemory[] {
    return [memoryOf(this.#heads), memoryOf(this.#links), this.#arrivals.memory];
  }

  /**
   * Makes room for anchors below `anchors`, and `edges` more edges, which come in `minutes` minutes at most.
   * @throws TRIBUTARY_STORAGE_REGION_FULL
   */
  prepare(anchors: number, edges: number, minutes = edges): void {
    this.#heads.ensure(anchors);
    this.#links.ensure((this.#count + edges + 1) * LINK_WORDS);
    this.#arrivals.prepare(minutes);
  }

  /** Adds an edge between two anchors that have none. Room was prepared. @returns its ordinal. */
  add(a: number, b: number, seconds: number, state: 'active' | 'demoted', joins: boolean): number {
    assert(a !== b, 'an edge has two ends');
    const edge = ++this.#count;
    this.#arrivals.note(edge, seconds);
    const links = this.linkWords;
    const heads = this.headOf;
    const at = edge * LINK_WORDS;
    const standing = state === 'demoted' ? DEMOTED : joins ? ACTIVE + JOINS : ACTIVE;
    links[at + A] = (standing << STATE_SHIFT) | a;
    links[at + B] = b;
    links[at + NEXT + A] = heads[a]!;
    links[at + NEXT + B] = heads[b]!;
    heads[a] = edge;
    heads[b] = edge;
    return edge;
  }

  /** Numbers an edge that only the table keeps. */
  addUnlisted(): number {
    return ++this.#count;
  }

  /** Takes an edge out of the lists. */
  retract(edge: number): void {
    assert(this.isListed(edge), 'an edge is retracted once');
    for (const side of [A, B] as const) this.#unlist(edge, this.#end(edge, side));
    this.#setState(edge, RETRACTED);
  }

  /** Makes an active edge a demoted one: it stays known, and joins nothing. */
  demote(edge: number): void {
    assert(this.isActive(edge), 'an active edge is demoted');
    this.#setState(edge, DEMOTED);
  }

  isListed(edge: number): boolean {
    return edge >= 1 && edge <= this.#count && (this.#stateOf(edge) & (ACTIVE | DEMOTED)) !== 0;
  }

  isActive(edge: number): boolean {
    return (this.#stateOf(edge) & ACTIVE) !== 0;
  }

  /** Notes that an edge made one profile of two. @returns the number of the merge. */
  markMerge(edge: number): number {
    const at = edge * LINK_WORDS + A;
    this.linkWords[at] = this.linkWords[at]! | MERGED_BIT;
    return this.#merges.note(edge);
  }

  /** Merges there were. */
  get mergeCount(): number {
    return this.#merges.count;
  }

  /** The edge behind a merge; 0 for a merge that never was. */
  edgeOfMerge(merge: number): number {
    if (!(merge >= 1 && merge <= this.#merges.count)) return 0;
    return this.#merges.edgeOf(merge, (edge) => this.#isMerged(edge));
  }

  /** Whether the edge joins two identifiers that both named people. */
  joins(edge: number): boolean {
    return (this.#stateOf(edge) & JOINS) !== 0;
  }

  /** When it came, seconds since 1970; to the minute. */
  seconds(edge: number): number {
    return this.#arrivals.secondsOf(edge);
  }

  /** The two anchors of an edge. */
  ends(edge: number): readonly [number, number] {
    return [this.#end(edge, A), this.#end(edge, B)];
  }

  /** The anchor at the other end. */
  otherEnd(edge: number, anchor: number): number {
    const a = this.#end(edge, A);
    return a === anchor ? this.#end(edge, B) : a;
  }

  /** The newest edge of an anchor, 0 without one; then {@link EdgeGraph.after}. */
  first(anchor: number): number {
    return this.headOf[anchor]!;
  }

  /** The edge of `anchor` that is next older than `edge`, 0 behind the last. */
  after(edge: number, anchor: number): number {
    const at = edge * LINK_WORDS;
    const links = this.linkWords;
    return (links[at + A]! & ANCHOR_MASK) === anchor
      ? links[at + NEXT + A]!
      : links[at + NEXT + B]!;
  }

  /** The edge between two anchors, 0 when there is none among the newest of `anchor`. */
  between(anchor: number, other: number): number {
    const links = this.linkWords;
    let edge = this.headOf[anchor]!;
    for (let depth = 0; edge !== 0 && depth < SEARCHED_MAX; depth += 1) {
      const at = edge * LINK_WORDS;
      const a = links[at + A]! & ANCHOR_MASK;
      const isA = a === anchor;
      if ((isA ? links[at + B]! : a) === other) return edge;
      edge = isA ? links[at + NEXT + A]! : links[at + NEXT + B]!;
    }
    return 0;
  }

  /** Whether an anchor has as many edges as are searched: further evidence about it is not kept. */
  isCrowded(anchor: number): boolean {
    let edge = this.first(anchor);
    let depth = 0;
    for (; edge !== 0 && depth < SEARCHED_MAX; depth += 1) edge = this.after(edge, anchor);
    return depth === SEARCHED_MAX;
  }

  /** The listed edges of an anchor, oldest first. */
  of(anchor: number): number[] {
    const edges: number[] = [];
    for (let edge = this.first(anchor); edge !== 0; edge = this.after(edge, anchor)) {
      edges.push(edge);
    }
    return edges.reverse();
  }

  /** Every edge there ever was at one of the anchors, retracted ones too. Looks at all edges. */
  everOf(anchors: ReadonlySet<number>): number[] {
    const edges: number[] = [];
    for (let edge = 1; edge <= this.#count; edge += 1) {
      if (anchors.has(this.#end(edge, A)) || anchors.has(this.#end(edge, B))) edges.push(edge);
    }
    return edges;
  }

  /** What a checkpoint keeps. @param anchors there are. */
  state(anchors: number): StatePart[] {
    return [
      partOfArray(this.#heads, anchors + 1),
      partOfArray(this.#links, (this.#count + 1) * LINK_WORDS),
      this.#arrivals.state(),
    ];
  }

  /** Takes over what {@link EdgeGraph.state} was; this is fresh. */
  async restore(source: StateSource): Promise<void> {
    assert(this.#count === 0, 'a fresh graph is restored');
    await restoreArray(this.#heads, source);
    this.#count = (await restoreArray(this.#links, source)) / LINK_WORDS - 1;
    for (let edge = 1; edge <= this.#count; edge += 1) {
      if (this.#isMerged(edge)) this.#merges.note(edge);
    }
    await this.#arrivals.restore(source);
  }

  /** Unmaps everything. Idempotent. */
  close(): void {
    this.#heads.close();
    this.#links.close();
    this.#arrivals.close();
  }

  #end(edge: number, side: typeof A | typeof B): number {
    return this.linkWords[edge * LINK_WORDS + side]! & ANCHOR_MASK;
  }

  #stateOf(edge: number): number {
    return (this.linkWords[edge * LINK_WORDS + A]! >>> STATE_SHIFT) & STATE_MASK;
  }

  #isMerged(edge: number): boolean {
    return (this.linkWords[edge * LINK_WORDS + A]! & MERGED_BIT) !== 0;
  }

  #setState(edge: number, state: number): void {
    const links = this.linkWords;
    const kept = links[edge * LINK_WORDS + A]! & (ANCHOR_MASK | MERGED_BIT);
    links[edge * LINK_WORDS + A] = kept | (state << STATE_SHIFT);
  }

  #unlist(edge: number, anchor: number): void {
    const next = this.after(edge, anchor);
    let before = this.first(anchor);
    if (before === edge) {
      this.headOf[anchor] = next;
      return;
    }
    while (this.after(before, anchor) !== edge) before = this.after(before, anchor);
    const side = this.#end(before, A) === anchor ? A : B;
    this.linkWords[before * LINK_WORDS + NEXT + side] = next;
  }
}
