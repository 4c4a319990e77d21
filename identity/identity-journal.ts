/**
 * Writes down what identity decides: every edge and every change of profiles goes through here into the
 * arrays and, with its sequence, its time and the version of the rules, into the tables.
 */

import {
  partOfNumbers,
  restoreNumbers,
  type StatePart,
  type StateSource,
} from '../storage/state-part.ts';
import type { EdgeGraph } from './edge-graph.ts';
import type { EdgeKind, EdgeLog, EdgeReason, EdgeState } from './edge-log.ts';
import type { ProfileStore } from './profile-store.ts';

const SECOND_MICROS = 1_000_000;
/** The part of a checkpoint that has the edge of every merge, from 1. */
const MERGE_EDGES = 'merge_edges';

/** Where in the log something was decided. */
export interface Moment {
  readonly sequence: number;
  readonly receivedAtMicros: number;
  readonly ruleVersion: number;
}

export class IdentityJournal {
  readonly #log: EdgeLog;
  readonly #edges: EdgeGraph;
  readonly #profiles: ProfileStore;
  #moment: Moment = { sequence: 0, receivedAtMicros: 0, ruleVersion: 1 };
  #sequence = 0;
  #seconds = 0;
  /** By merge, the edge that did it; grows by doubling. */
  #mergeEdges = new Uint32Array(1024);
  #mergeCount = 0;

  constructor(log: EdgeLog, edges: EdgeGraph, profiles: ProfileStore) {
    this.#log = log;
    this.#edges = edges;
    this.#profiles = profiles;
  }

  /** What follows came with the record of `moment`. */
  enter(moment: Moment): void {
    this.#moment = moment;
    this.#sequence = moment.sequence;
    this.#seconds = Math.floor(moment.receivedAtMicros / SECOND_MICROS);
  }

  /** What follows came with the event of this sequence, of the same record. */
  at(sequence: number): void {
    this.#sequence = sequence;
  }

  /** The arrival of the record, seconds since 1970. */
  get seconds(): number {
    return this.#seconds;
  }

  /** Receipts of merges given so far. */
  get mergeCount(): number {
    return this.#mergeCount;
  }

  /** The edge behind a merge; 0 for a merge that never was. */
  edgeOfMerge(merge: number): number {
    return merge <= this.#mergeCount ? this.#mergeEdges[merge]! : 0;
  }

  /** An edge between two anchors. @returns its ordinal. */
  addEdge(
    a: number,
    b: number,
    kind: EdgeKind,
    state: 'active' | 'demoted',
    reason: EdgeReason,
  ): number {
    const joins = reason === 'joined' || reason === 'linked' || reason === 'forced';
    const edge = this.#edges.add(a, b, this.#seconds, state, joins);
    this.#append(edge, a, b, kind, state, reason);
    return edge;
  }

  /** A statement about an identifier that has no anchor, or about two as such. */
  noteNodes(
    aNode: number,
    bNode: number,
    kind: EdgeKind,
    state: EdgeState,
    reason: EdgeReason,
  ): void {
    const edge = this.#edges.addUnlisted();
    this.#appendRow(edge, aNode, bNode, 0, 0, kind, state, reason);
  }

  /** Says something more of an edge there is: that it is retracted, or demoted after all. */
  changeEdge(
    edge: number,
    kind: EdgeKind,
    state: 'retracted' | 'demoted',
    reason: EdgeReason,
  ): void {
    const [a, b] = this.#edges.ends(edge);
    if (state === 'retracted') this.#edges.retract(edge);
    else this.#edges.demote(edge);
    this.#append(edge, a, b, kind, state, reason);
  }

  /** Makes one profile of two because of `edge`. @returns the one that stays. */
  merge(a: number, b: number, edge: number): number {
    const survivor = this.#profiles.survivorOf(a, b);
    const loser = survivor === a ? b : a;
    this.#profiles.merge(survivor, loser);
    this.#mergeCount += 1;
    const merge = this.#mergeCount;
    if (merge === this.#mergeEdges.length) {
      const grown = new Uint32Array(2 * merge);
      grown.set(this.#mergeEdges);
      this.#mergeEdges = grown;
    }
    this.#mergeEdges[merge] = edge;
    this.#log.appendMerge({
      sequence: this.#sequence,
      receivedAtMicros: this.#moment.receivedAtMicros,
      ruleVersion: this.#moment.ruleVersion,
      kind: 'merged',
      merge,
      survivor,
      loser,
      edge,
      anchor: 0,
    });
    return survivor;
  }

  /**
   * Takes `profile` apart; the first group keeps it. @param undone the merge that is taken back, or 0.
   * @returns the profile of each group.
   */
  split(profile: number, groups: readonly (readonly number[])[], undone: number): number[] {
    const owners = this.#profiles.split(profile, groups);
    for (const [index, anchors] of groups.entries()) {
      if (index === 0) continue;
      for (const anchor of anchors) {
        this.#log.appendMerge({
          sequence: this.#sequence,
          receivedAtMicros: this.#moment.receivedAtMicros,
          ruleVersion: this.#moment.ruleVersion,
          kind: 'split',
          merge: undone,
          survivor: owners[index]!,
          loser: profile,
          edge: 0,
          anchor,
        });
      }
    }
    return owners;
  }

  /** What a checkpoint keeps. */
  state(): StatePart {
    return partOfNumbers(MERGE_EDGES, this.#mergeEdges.subarray(0, this.#mergeCount + 1));
  }

  /** Takes over what {@link IdentityJournal.state} was. */
  async restore(source: StateSource): Promise<void> {
    const edges = await restoreNumbers(MERGE_EDGES, source);
    this.#mergeCount = edges.length - 1;
    this.#mergeEdges = new Uint32Array(2 * edges.length);
    this.#mergeEdges.set(edges);
  }

  #append(
    edge: number,
    a: number,
    b: number,
    kind: EdgeKind,
    state: EdgeState,
    reason: EdgeReason,
  ): void {
    const aNode = this.#profiles.nodeOf(a);
    const bNode = this.#profiles.nodeOf(b);
    this.#appendRow(edge, aNode, bNode, a, b, kind, state, reason);
  }

  #appendRow(
    edge: number,
    aNode: number,
    bNode: number,
    aAnchor: number,
    bAnchor: number,
    kind: EdgeKind,
    state: EdgeState,
    reason: EdgeReason,
  ): void {
    // Written out: a spread would make every edge an object of a shape of its own.
    this.#log.append({
      sequence: this.#sequence,
      receivedAtMicros: this.#moment.receivedAtMicros,
      ruleVersion: this.#moment.ruleVersion,
      edge,
      aNode,
      bNode,
      aAnchor,
      bAnchor,
      kind,
      state,
      reason,
    });
  }
}
