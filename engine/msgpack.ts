/**
 * Msgpack batches as JSON, for those who watch what was ingested: the live tail. The decoder reads msgpack
 * itself, by the same native parser. docs/formats.md says what becomes of each type.
 */
import { LIMITS } from '../base/limits.ts';
import { type NativeMsgpackTranscoder, native } from '../native/index.ts';
import { decodeError } from './decode-codes.ts';

/** Readable bytes the parser wants behind a payload, and leaves behind the text. */
const SLACK_BYTES = 64;

/** Made for the first msgpack payload; nothing is kept from one to the next but its memory. */
let transcoder: NativeMsgpackTranscoder | undefined;

export interface JsonText {
  /** JSON in UTF-8 with slack behind `length`. */
  readonly bytes: Uint8Array;
  readonly length: number;
}

/**
 * A payload that its ArrayBuffer goes on behind for 64 bytes is read in place, another one is copied.
 * @throws TRIBUTARY_INGEST_MSGPACK_MALFORMED, TRIBUTARY_INGEST_MSGPACK_TOO_LARGE,
 *   TRIBUTARY_INGEST_JSON_TOO_DEEP, TRIBUTARY_INGEST_UTF8_INVALID
 */
export function msgpackToJson(payload: Uint8Array): JsonText {
  transcoder ??= new native.MsgpackTranscoder(LIMITS);
  const bytes = transcoder.transcode(withSlack(payload), payload.length);
  if (typeof bytes === 'number') throw decodeError(bytes, transcoder.failure);
  return { bytes, length: bytes.length - SLACK_BYTES };
}

function withSlack(payload: Uint8Array): Uint8Array {
  const { buffer, byteOffset, length } = payload;
  const wanted = length + SLACK_BYTES;
  if (buffer.byteLength - byteOffset >= wanted) return new Uint8Array(buffer, byteOffset, wanted);
  const copy = new Uint8Array(wanted);
  copy.set(payload);
  return copy;
}
