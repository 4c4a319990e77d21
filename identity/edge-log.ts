/**
 * Edges: the statements that two identifiers are, or are not, the same person. They are the truth of
 * identity; union-find over anchors is their cache. Each becomes a row of the `edges` table.
 */

/** What made the statement: two identifiers in one event, or an alias call. */
export type EdgeKind = 'observed' | 'alias';

/**
 * - `active`: the edge joins.
 * - `refused`: joining would have made one person of two known users; `reason` says which rule spoke.
 */
export type EdgeState = 'active' | 'refused';

export type EdgeReason =
  /** The weak identifier had no owner: what it did so far belongs to this person. */
  | 'claimed'
  /** The weak identifier had another owner: a new ownership interval begins. */
  | 'interval'
  /** Two profiles without a known user became one. */
  | 'joined'
  /** Both sides are known users. */
  | 'two_user_ids';

export interface Edge {
  readonly sequence: number;
  readonly receivedAtMicros: number;
  readonly aNode: number;
  readonly bNode: number;
  readonly kind: EdgeKind;
  readonly state: EdgeState;
  readonly reason: EdgeReason;
}

/** Where edges go. Called in commit order; must not fail within what was prepared. */
export interface EdgeLog {
  append(edge: Edge): void;
}
