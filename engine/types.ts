/** What the engine shows to the stages before and after it: plain values, nothing that acts. */
import type { ErrorCode } from '../base/errors.ts';

/** How the bytes of a batch are written. A codec's number is part of the WAL format. */
export type Codec = 'json' | 'msgpack';

/** The calls of the tracking API, in the order of their numbers in the decoder. */
export const EVENT_TYPES = ['track', 'identify', 'page', 'screen', 'group', 'alias'] as const;
export type EventType = (typeof EVENT_TYPES)[number];

/** Where events come from. The ordinal is what the WAL stores; it is never given to another source. */
export interface Source {
  readonly ordinal: number;
  readonly name: string;
}

/** One batch as a producer sent it. The engine reads `bytes` before `append` returns, never later. */
export interface IncomingBatch {
  readonly source: Source;
  readonly codec: Codec;
  /** One event, or `{"batch": […]}`. */
  readonly bytes: Uint8Array;
  /** Server clock at the first byte, microseconds since 1970-01-01T00:00:00Z. */
  readonly receivedAtMicros: number;
  /** The type the path named (`/v1/track`): it overrides the event's own, as RudderStack does. */
  readonly typeOfPath?: EventType | undefined;
  /**
   * Where it came from, 16 bytes: an IPv6 address, or an IPv4 one mapped into it. Events that name no
   * `context.ip` get it, and those that say `context.direct`. Read before `append` returns, as `bytes` are.
   */
  readonly senderAddress?: Uint8Array | undefined;
  /**
   * Of how many rows `{"batch": […]}` was joined, where it was: with another number of events, or with more than its
   * events, it is malformed. For rows that are none may together be something else.
   */
  readonly joinedRows?: number | undefined;
}

/** Why one event of a batch was not accepted. */
export interface Rejection {
  /** Position in the batch, from 0. */
  readonly index: number;
  readonly messageId: string | null;
  readonly code: ErrorCode;
  /** The offending field, in JSON's own spelling: `timestamp`, `context.traits`. */
  readonly path: string;
}

/**
 * - `timestamp_in_future`: the event claims to be more than a day ahead; it got the time of arrival.
 * - `surrogate_replaced`: a text held half of a surrogate pair, which became U+FFFD.
 * - `batch_member_ignored`: the batch's `context` or `integrations` is no object; its events got nothing.
 * - `duplicate_differs`: a message id came again with another content; the first one was kept.
 * - `identifier_blocked`: a value names nobody by the identity rules; told once for each value.
 */
export type WarningCode =
  | 'timestamp_in_future'
  | 'surrogate_replaced'
  | 'batch_member_ignored'
  | 'duplicate_differs'
  | 'identifier_blocked';

/** A batch as it became visible, for those who watch. */
export interface PublishedBatch {
  readonly source: Source;
  /** The payload as JSON, whatever it was sent in: one event, or `{"batch": […]}`. Not changed by anyone. */
  readonly json: Uint8Array;
  readonly typeOfPath?: EventType;
  readonly receivedAtMicros: number;
  /** Of the event at position 0; those of the others follow. */
  readonly firstSequence: number;
  readonly events: number;
  /** Positions of the events that no query sees: the rejected and the duplicates. */
  readonly hidden: readonly number[];
}

/** What became of a batch, told only after its bytes are durable. */
export interface BatchOutcome {
  readonly received: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: readonly Rejection[];
  /** The commit order of the batch's last event; a query that starts now sees it. */
  readonly lastSequence: number;
}
