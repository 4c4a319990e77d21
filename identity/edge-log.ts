/**
 * Edges: the statements that two identifiers are, or are not, the same person. They are the truth of
 * identity; union-find over anchors is their cache. Each becomes a row of the `edges` table, and each
 * time two profiles become one, or one becomes several, rows of `merges`.
 */

/** What made the statement: two identifiers in one event, an alias call, or an operator. */
export type EdgeKind = 'observed' | 'alias' | 'manual';

/**
 * - `active`: the edge joins.
 * - `demoted`: a rule is in the way; `reason` says which. The edge joins nothing.
 * - `quarantined`: the second identifier has too many strong neighbours; it joins nobody any more.
 * - `retracted`: takes back the earlier edge of the same number; of an identifier with itself, its block.
 * - `forbidden`: the two never belong together (an operator's word).
 */
export type EdgeState = 'active' | 'demoted' | 'quarantined' | 'retracted' | 'forbidden';

export type EdgeReason =
  /** A new identifier of a profile. */
  | 'attached'
  /** The weak identifier had no owner: what it did so far belongs to this person. */
  | 'claimed'
  /** The weak identifier had another owner: a new ownership interval begins, or an earlier one goes on. */
  | 'interval'
  /** Two profiles became one. */
  | 'joined'
  /** The two were of one profile already. */
  | 'confirmed'
  // ── why an edge is demoted ──
  /** Both sides are known users, or have different values of another unique type. */
  | 'two_values'
  /** More values of a type than a profile may take. */
  | 'limit'
  /** The profile would have too many identifiers or merges. */
  | 'profile_full'
  /** An operator said that the two sides never belong together. */
  | 'cannot_link'
  // ── operators ──
  | 'too_many_neighbours'
  | 'undone'
  | 'split'
  | 'blocked'
  | 'unblocked'
  | 'unlinked'
  | 'linked'
  /** Linked although both sides are known users. */
  | 'forced';

/** Where in the log something was decided. */
export interface Moment {
  readonly sequence: number;
  readonly receivedAtMicros: number;
  readonly ruleVersion: number;
}

export interface Edge {
  /** Its ordinal; a retraction has that of the edge it takes back. */
  readonly edge: number;
  readonly aNode: number;
  readonly bNode: number;
  /** The anchors it lies between; 0 where the edge is about identifiers alone. */
  readonly aAnchor: number;
  readonly bAnchor: number;
  readonly kind: EdgeKind;
  readonly state: EdgeState;
  readonly reason: EdgeReason;
}

/** The receipt of a change of profiles. */
export interface Merge {
  /** `merged`: all anchors of `loser` went to `survivor`. `split`: `anchor` left `loser` for `survivor`. */
  readonly kind: 'merged' | 'split';
  /** Of a merge its number, from 1; of a split that of the merge it undoes, 0 for none. */
  readonly merge: number;
  readonly survivor: number;
  readonly loser: number;
  /** The edge that joined them; of a split 0. */
  readonly edge: number;
  /** Of a split; of a merge 0. */
  readonly anchor: number;
}

/**
 * Where edges and receipts go. Called in commit order; must not fail within what was prepared. The moment
 * is valid until the call returns.
 */
export interface EdgeLog {
  append(edge: Edge, moment: Moment): void;
  appendMerge(merge: Merge, moment: Moment): void;
}
