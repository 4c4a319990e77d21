/**
 * The frames of `tributary.v1` as a client writes and reads them; docs/websocket.md describes them.
 *
 * Every batch goes out as a binary frame: u8 codec (+ 128 when gzip'ed), u32 id (little-endian), payload. Events are encoded
 * one by one and put together afterwards, so that the size of a batch is known while it grows and no
 * event is encoded twice.
 */
import { StreamError, type StreamEvent } from './types.ts';

export const PROTOCOL = 'tributary.v1';
export const FRAME_HEAD_BYTES = 5;
export const BATCH_ID_MAX = 0xffff_ffff;

/** Close codes that mean: do not come again like this. */
export const CLOSE_REFUSED: ReadonlySet<number> = new Set([1002, 1008]);
export const CLOSE_REPLACED = 4001;

/** How events become the payload of a batch. */
export interface Format {
  readonly codec: number;
  /** Bytes before the first event. */
  readonly head: (events: number) => Uint8Array;
  readonly tail: Uint8Array;
  /** Byte between two events, when there is one. */
  readonly separator: number | undefined;
  /** @throws StreamError EVENT_MALFORMED */
  encode(event: StreamEvent): Uint8Array;
}

const utf8 = new TextEncoder();
const JSON_HEAD = utf8.encode('{"batch":[');

export const jsonFormat: Format = {
  codec: 1,
  head: () => JSON_HEAD,
  tail: utf8.encode(']}'),
  separator: 0x2c,
  encode: (event) => {
    try {
      return utf8.encode(JSON.stringify(event));
    } catch (cause) {
      throw new StreamError('EVENT_MALFORMED', 'The event is not JSON.', cause);
    }
  },
};

/** `{"batch": [...]}`: a map of one (0x81), a string of five (0xa5), an array with a u32 length (0xdd). */
const MSGPACK_HEAD = Uint8Array.of(0x81, 0xa5, ...utf8.encode('batch'), 0xdd, 0, 0, 0, 0);

export function msgpackFormat(encodeEvent: (event: StreamEvent) => Uint8Array): Format {
  return {
    codec: 2,
    head: (events) => {
      const head = MSGPACK_HEAD.slice();
      new DataView(head.buffer).setUint32(head.length - 4, events);
      return head;
    },
    tail: new Uint8Array(0),
    separator: undefined,
    encode: (event) => {
      try {
        return encodeEvent(event).slice(); // Encoders hand out views of a buffer they use again.
      } catch (cause) {
        throw new StreamError('EVENT_MALFORMED', 'The event could not be encoded.', cause);
      }
    },
  };
}

/** Puts encoded events together as one frame. */
export function batchFrame(format: Format, id: number, events: readonly Uint8Array[]): Uint8Array {
  const head = format.head(events.length);
  const separators = format.separator === undefined ? 0 : Math.max(0, events.length - 1);
  const eventBytes = events.reduce((sum, event) => sum + event.length, 0);
  const frame = new Uint8Array(
    FRAME_HEAD_BYTES + head.length + eventBytes + separators + format.tail.length,
  );
  frame[0] = format.codec;
  new DataView(frame.buffer).setUint32(1, id, true);
  let position = FRAME_HEAD_BYTES;
  const put = (bytes: Uint8Array): void => {
    frame.set(bytes, position);
    position += bytes.length;
  };
  put(head);
  events.forEach((event, index) => {
    if (index > 0 && format.separator !== undefined) {
      frame[position] = format.separator;
      position += 1;
    }
    put(event);
  });
  put(format.tail);
  return frame;
}

const GZIP_BIT = 0x80;

/** The same batch with a gzip'ed payload; the frame as it is when that does not make it smaller. */
export async function gzipFrame(frame: Uint8Array): Promise<Uint8Array> {
  const payload = new Blob([frame.subarray(FRAME_HEAD_BYTES)]);
  const compressing = payload.stream().pipeThrough(new CompressionStream('gzip'));
  const compressed = new Uint8Array(await new Response(compressing).arrayBuffer());
  if (FRAME_HEAD_BYTES + compressed.length >= frame.length) return frame;
  const gzipped = new Uint8Array(FRAME_HEAD_BYTES + compressed.length);
  gzipped.set(frame.subarray(0, FRAME_HEAD_BYTES));
  gzipped[0]! |= GZIP_BIT;
  gzipped.set(compressed, FRAME_HEAD_BYTES);
  return gzipped;
}

export interface Credit {
  readonly batches: number;
  readonly bytes: number;
}

export interface Hello {
  readonly credit: Credit;
  /** Ids that the appliance has: their answers come without being asked for. */
  readonly taken: readonly number[];
}

/** A rejection as an ack lists it: `index` counts within the batch. */
export interface BatchRejection {
  readonly index: number;
  readonly messageId: string | null;
  readonly code: string;
  readonly path: string;
  readonly message: string;
}

export type Answer =
  | { readonly kind: 'hello'; readonly hello: Hello }
  | {
      readonly kind: 'ack';
      readonly id: number;
      readonly received: number;
      readonly accepted: number;
      readonly duplicates: number;
      readonly rejected: readonly BatchRejection[];
      readonly credit: Credit;
    }
  | {
      readonly kind: 'nack';
      readonly id: number;
      readonly code: string;
      readonly message: string;
      /** Undefined when the batch would be refused again. */
      readonly retryAfterMs: number | undefined;
      readonly credit: Credit;
    }
  | { readonly kind: 'credit'; readonly credit: Credit };

interface ServerFrame {
  readonly hello?: {
    readonly credit: Credit;
    readonly resume?: { readonly durable: number[]; readonly under_way: number[] };
  };
  readonly ack?: number;
  readonly nack?: number;
  readonly received?: number;
  readonly accepted?: number;
  readonly duplicates?: number;
  readonly rejected?: BatchRejection[];
  readonly error?: { code: string; message: string; retryable: boolean };
  readonly retry_after_ms?: number;
  readonly credit?: Credit;
}

const NO_CREDIT: Credit = { batches: 0, bytes: 0 };
const RETRY_MS = 1000;

/** @returns undefined for a frame of a kind that this client does not know, which it may pass over. */
export function parseAnswer(text: string): Answer | undefined {
  const frame = JSON.parse(text) as ServerFrame;
  const { credit = NO_CREDIT } = frame;
  if (frame.hello !== undefined) {
    const { durable = [], under_way = [] } = frame.hello.resume ?? {};
    return {
      kind: 'hello',
      hello: { credit: frame.hello.credit, taken: [...durable, ...under_way] },
    };
  }
  if (frame.ack !== undefined) {
    const { accepted = 0, duplicates = 0, received = 0, rejected = [] } = frame;
    return { kind: 'ack', id: frame.ack, received, accepted, duplicates, rejected, credit };
  }
  if (frame.nack !== undefined) {
    const { code = 'STREAM_REFUSED', message = '', retryable = false } = frame.error ?? {};
    const retryAfterMs = retryable ? (frame.retry_after_ms ?? RETRY_MS) : undefined;
    return { kind: 'nack', id: frame.nack, code, message, retryAfterMs, credit };
  }
  return frame.credit === undefined ? undefined : { kind: 'credit', credit };
}
