/**
 * Writes down what identity decides: every edge and every change of profiles goes through here into the
 * arrays and, with its sequence, its time and the version of the rules, into the tables.
 */
import type { EdgeGraph } from './edge-graph.ts';
import type { EdgeKind, EdgeLog, EdgeReason, EdgeState, Moment } from './edge-log.ts';
import type { ProfileStore } from './profile-store.ts';

const SECOND_MICROS = 1_000_000;

export class IdentityJournal {
  readonly #log: EdgeLog;
  readonly #edges: EdgeGraph;
  readonly #profiles: ProfileStore;
  /** One object all the time: to make one for every edge, of numbers that V8 boxes, costs as much as the edge. */
  readonly #moment = { sequence: 0, receivedAtMicros: 0, ruleVersion: 1 };
  #seconds = 0;

  constructor(log: EdgeLog, edges: EdgeGraph, profiles: ProfileStore) {
    this.#log = log;
    this.#edges = edges;
    this.#profiles = profiles;
  }

  /** What follows came with the record of `moment`. */
  enter({ sequence, receivedAtMicros, ruleVersion }: Moment): void {
    this.#moment.sequence = sequence;
    this.#moment.receivedAtMicros = receivedAtMicros;
    this.#moment.ruleVersion = ruleVersion;
    this.#seconds = Math.floor(receivedAtMicros / SECOND_MICROS);
  }

  /** What follows came with the event of this sequence, of the same record. */
  at(sequence: number): void {
    this.#moment.sequence = sequence;
  }

  /** The arrival of the record, seconds since 1970. */
  get seconds(): number {
    return this.#seconds;
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
    const [aAnchor, bAnchor] = [0, 0];
    const statement = { edge, aNode, bNode, aAnchor, bAnchor, kind, state, reason };
    this.#log.append(statement, this.#moment);
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
    const survivor = this.#profiles.merge(a, b);
    const loser = survivor === a ? b : a;
    const merge = this.#edges.markMerge(edge);
    this.#log.appendMerge(
      { kind: 'merged', merge, survivor, loser, edge, anchor: 0 },
      this.#moment,
    );
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
      const survivor = owners[index]!;
      for (const anchor of anchors) {
        const receipt = {
          kind: 'split',
          merge: undone,
          survivor,
          loser: profile,
          edge: 0,
          anchor,
        } as const;
        this.#log.appendMerge(receipt, this.#moment);
      }
    }
    return owners;
  }

  #append(
    edge: number,
    aAnchor: number,
    bAnchor: number,
    kind: EdgeKind,
    state: EdgeState,
    reason: EdgeReason,
  ): void {
    const aNode = this.#profiles.nodeOf(aAnchor);
    const bNode = this.#profiles.nodeOf(bAnchor);
    // Written out: a spread would make every edge an object of a shape of its own.
    this.#log.append({ edge, aNode, bNode, aAnchor, bAnchor, kind, state, reason }, this.#moment);
  }
}
