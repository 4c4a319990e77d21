/**
 * The frames of the WebSocket protocol `tributary.v1`; docs/websocket.md describes it for those who
 * write clients.
 *
 * A batch's id stands before its payload, so that a frame is taken apart without parsing it and the
 * payload reaches the decoder as the bytes that were sent:
 *
 *     text     <id>\n<JSON>                          id: decimal, 0 to 4294967295
 *     binary   u8 codec, u32 id, payload             little-endian; codec 1 JSON, 2 msgpack; + 128: gzip
 *     text     {…}                                   a request, see stream-requests.ts
 *
 * What the server sends is JSON text, one object a frame.
 */
import type { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { BatchOutcome, Codec } from '../engine/types.ts';
import { describeOutcome } from './batch-intake.ts';
import type { StreamRecord } from './stream-ledger.ts';
import { parseRequest, type StreamRequest } from './stream-requests.ts';

export const STREAM_PROTOCOL = 'tributary.v1';

/** Close codes: RFC 6455 section 7.4.1; from 4000 on they are ours. */
export const CLOSE = Object.freeze({
  goingAway: 1001,
  protocolError: 1002,
  policyViolation: 1008,
  /** The stream has another connection now. */
  replaced: 4001,
  /** No hello came in time: a slow link rather than a wrong client, so coming again is right. */
  helloLate: 4002,
});

/** Bytes the server puts up with beyond a payload, for the frame's own head. */
export const FRAME_HEAD_BYTES_MAX = 16;

/** Set in the codec of a payload that is gzip'ed. */
const GZIP_BIT = 0x80;
const CODEC_OF_BYTE: Readonly<Record<number, Codec>> = { 1: 'json', 2: 'msgpack' };
const BINARY_HEAD_BYTES = 5;
const NEWLINE = 0x0a;
const OPENING_BRACE = 0x7b;
const ID_DIGITS_MAX = 10;
const ID_MAX = 0xffff_ffff;

export type Frame =
  | {
      readonly kind: 'batch';
      readonly id: number;
      readonly codec: Codec;
      readonly isGzip: boolean;
      /** A view of the frame, valid as long as that is. */
      readonly payload: Uint8Array;
    }
  | StreamRequest;

/** What a client may send more: batches, and bytes of their payloads. */
export interface Credit {
  readonly batches: number;
  readonly bytes: number;
}

export function parseFrame(message: Uint8Array, isBinary: boolean): Frame {
  if (isBinary) return parseBinary(message);
  return message[0] === OPENING_BRACE ? parseRequest(message) : parseText(message);
}

function parseBinary(message: Uint8Array): Frame {
  if (message.length < BINARY_HEAD_BYTES) return malformed('a binary frame is 5 bytes at least');
  const isGzip = (message[0]! & GZIP_BIT) !== 0;
  const codec = CODEC_OF_BYTE[message[0]! & ~GZIP_BIT];
  if (codec === undefined)
    return malformed(`codec ${message[0]} is neither 1 (JSON) nor 2 (msgpack), + 128 for gzip`);
  const view = new DataView(message.buffer, message.byteOffset);
  const id = view.getUint32(1, true);
  return { kind: 'batch', id, codec, isGzip, payload: message.subarray(BINARY_HEAD_BYTES) };
}

function parseText(message: Uint8Array): Frame {
  let id = 0;
  let position = 0;
  for (; position < message.length && position <= ID_DIGITS_MAX; position += 1) {
    const byte = message[position]!;
    if (byte === NEWLINE) break;
    if (byte < 0x30 || byte > 0x39) return malformed('a text frame starts with a decimal id');
    id = id * 10 + (byte - 0x30);
  }
  if (position === 0) return malformed('a text frame starts with a decimal id');
  if (message[position] !== NEWLINE) return malformed('a line feed follows the id');
  if (id > ID_MAX) return malformed(`an id is at most ${ID_MAX}`);
  const payload = message.subarray(position + 1);
  return { kind: 'batch', id, codec: 'json', isGzip: false, payload };
}

function malformed(reason: string): Frame {
  return { kind: 'malformed', reason };
}

/** The server's first frame: what the client may send from now on, and what it need not send again. */
export function helloFrame(credit: Credit, record: StreamRecord | undefined): string {
  const resume =
    record === undefined
      ? {}
      : { resume: { durable: [...record.answered.keys()], under_way: [...record.underWay] } };
  return JSON.stringify({
    hello: {
      protocol: STREAM_PROTOCOL,
      credit,
      batch_bytes_max: LIMITS.batchBytesMax,
      batch_events_max: LIMITS.batchEventsMax,
      encodings: ['gzip'],
      ...resume,
    },
  });
}

/** The batch is durable. */
export function ackFrame(id: number, outcome: BatchOutcome, credit: Credit): string {
  return JSON.stringify({ ack: id, ...describeOutcome(outcome), credit });
}

/** The batch was refused as a whole; a retryable refusal says how long to wait. */
export function nackFrame(
  id: number,
  error: TributaryError,
  retryAfterSeconds: number,
  credit: Credit,
): string {
  const retry = error.retryable ? { retry_after_ms: retryAfterSeconds * 1000 } : {};
  return JSON.stringify({ nack: id, error: error.toJSON(), ...retry, credit });
}

/** Credit that an earlier answer held back. */
export function creditFrame(credit: Credit): string {
  return JSON.stringify({ credit });
}
