/**
 * The words of the client library: what is sent, what comes back, and the ports it stands on.
 *
 * Nothing in this folder imports from outside it, so that a producer can take it as it is. It runs
 * where there is a WebSocket: in browsers, in Node 22, and in Node 20 with a constructor from a package.
 */

/** One call of the tracking API. A `messageId` and a `timestamp` are added when there are none. */
export type StreamEvent = Readonly<Record<string, unknown>>;

/** An event that broke the schema. The others of its batch are stored. */
export interface EventRejection {
  /** Position among the events of one `send`. */
  readonly index: number;
  readonly messageId: string | null;
  readonly code: string;
  readonly path: string;
  readonly message: string;
}

/** What became of the events of one `send`: all of them durable, but for the rejected. */
export interface SendOutcome {
  readonly events: number;
  readonly rejected: readonly EventRejection[];
}

/** The events are in the client's buffer (with a store: on disk). */
export interface Receipt {
  /**
   * Settles when the appliance has decided. Rejects with a {@link StreamError} when the events were
   * refused, or the stream ended before. It may be left alone: a rejection nobody waits for is not
   * reported as unhandled.
   */
  readonly outcome: Promise<SendOutcome>;
}

/** What became of one batch on the wire, for logs and counters. */
export interface BatchReport {
  readonly id: number;
  /** Counts of the appliance; absent when the batch was refused as a whole. */
  readonly counts?: {
    readonly received: number;
    readonly accepted: number;
    readonly duplicates: number;
    readonly rejected: number;
  };
  readonly error?: StreamError;
}

/**
 * Why events were not taken. `code` is the appliance's (docs/errors.md), or one of the client's own:
 * - `STREAM_CLOSED`: the stream was closed, or failed before.
 * - `STREAM_REFUSED`: the appliance does not talk to this client: the key is not known, or a frame was none.
 * - `STREAM_REPLACED`: another connection goes on with this stream.
 * - `STREAM_EXHAUSTED`: the stream has used all of its batch ids. Open another.
 * - `STREAM_STORE_FAILED`: the store could not read or write.
 * - `EVENT_TOO_LARGE`, `EVENT_MALFORMED`: the event can never be sent.
 */
export class StreamError extends Error {
  override readonly name = 'StreamError';
  readonly code: string;

  constructor(code: string, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }
}

/** What of the standard's WebSocket the client uses. `never` lets every implementation's types in. */
export interface WebSocketLike {
  binaryType: string;
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  send(data: Uint8Array | string): void;
  close(code?: number, reason?: string): void;
}

export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike;

/** A batch as it is kept: its id, and its frame from the first byte on. */
export interface StoredBatch {
  readonly id: number;
  readonly frame: Uint8Array;
}

/** A stream that an earlier run left unfinished. */
export interface StoredStream {
  readonly name: string;
  /** Ascending. */
  readonly batches: readonly StoredBatch[];
}

/**
 * Keeps batches over the end of the process. One client uses a store at a time; calls of a method come
 * one after another, in the order of the ids.
 */
export interface BatchStore {
  /** @returns undefined when every batch of the earlier run was decided. */
  open(): Promise<StoredStream | undefined>;
  /** Resolves when the batch survives a power cut. */
  append(stream: string, batch: StoredBatch): Promise<void>;
  /** Every batch up to `id` is decided and need not be kept. */
  releaseThrough(id: number): Promise<void>;
  close(): Promise<void>;
}

export interface StreamOptions {
  /** `ws://HOST:PORT/v1/stream` or `wss:`. */
  readonly url: string;
  readonly writeKey: string;
  /** The global one when there is one. */
  readonly WebSocket?: WebSocketConstructor;
  /**
   * Writes one event as msgpack, with maps and strings and no extensions of its own (with msgpackr:
   * `new Packr({ useRecords: false })`). JSON when absent.
   */
  readonly encodeMsgpack?: (event: StreamEvent) => Uint8Array;
  /**
   * Compresses batches with the platform's `CompressionStream`: about a sixth of the bytes, for some
   * processor time on both sides. For links that are slow or paid by the byte.
   */
  readonly compression?: 'gzip';
  /** Keeps batches over the end of the process; without one they live in memory. */
  readonly store?: BatchStore;
  /** A batch is sent when it has so many events or bytes, or when its first event is so old. */
  readonly batchEventsMax?: number;
  readonly batchBytesMax?: number;
  readonly batchDelayMs?: number;
  /** Bytes of events without an outcome; beyond it `send` waits. */
  readonly bufferBytesMax?: number;
  /** Waits between attempts to connect: chosen evenly below a bound that doubles from min to max. */
  readonly backoffMsMin?: number;
  readonly backoffMsMax?: number;
  /** How long an appliance may be silent while it owes a hello or an answer. */
  readonly silenceMsMax?: number;
  /** [0, 1), for the jitter of the backoff. */
  readonly random?: () => number;
  /** Milliseconds since 1970, for the timestamps of events without one. */
  readonly now?: () => number;
  /** Called with every batch's outcome, those of an earlier run included. */
  readonly onBatch?: (report: BatchReport) => void;
}
