/** What a what-if reads of a tenant's past: its tables, hot rows and cold files as one, in the order of the log. */
import type { EdgeReason, EdgeState } from '../../identity/edge-log.ts';
import type { NamedIdentifier } from '../../identity/identity-command.ts';

export type { EdgeReason, EdgeState, NamedIdentifier };

/** Sequences, both ends included. */
export interface SequenceRange {
  readonly first: number;
  readonly last: number;
}

/** Columns of an event's text that identity may read. */
export const TEXT_COLUMNS = [
  ...['type', 'event', 'user_id', 'anonymous_id', 'group_id', 'previous_id'],
  ...['properties', 'traits', 'context'],
] as const;

/** What identity reads of an event; null where there is nothing. */
export interface PastEvent {
  readonly sequence: number;
  readonly receivedAtMicros: number;
  readonly timestampMicros: number;
  /** The anchor it has today, 0 for none. */
  readonly anchor: number;
  /** Those of {@link TEXT_COLUMNS}, in that order. */
  readonly texts: readonly (string | null)[];
}

/** A row of `edges`. */
export interface PastEdge {
  readonly sequence: number;
  readonly receivedAtMicros: number;
  readonly a: NamedIdentifier;
  readonly b: NamedIdentifier;
  /** 0 where it lies between identifiers alone. */
  readonly aAnchor: number;
  readonly state: EdgeState;
  readonly reason: EdgeReason;
}

/**
 * Not the log itself: that is removed below a checkpoint, and events are not. Rows that no query sees
 * (rejected ones, duplicates, erased people) are not there.
 */
export interface TenantHistory {
  /** By sequence, in batches. */
  events(range: SequenceRange): AsyncIterable<readonly PastEvent[]>;
  /** What an operator said, by sequence. */
  manualEdges(range: SequenceRange): Promise<readonly PastEdge[]>;
  /** The newest row of each edge that begins at one of `anchors`, oldest edge first. */
  edgesOfAnchors(anchors: readonly number[]): Promise<readonly PastEdge[]>;
  /** The newest row of each edge between identifiers of these values, oldest edge first. */
  edgesOfValues(values: readonly string[]): Promise<readonly PastEdge[]>;
  /** Rows of `edges` by state. */
  statementCounts(): Promise<ReadonlyMap<string, number>>;
  /** The public ids of profiles of today. */
  publicIds(profiles: readonly number[]): Promise<ReadonlyMap<number, string>>;
}
