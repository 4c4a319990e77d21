/**
 * Msgpack batches as the JSON the decoder reads. The only module that imports msgpackr.
 *
 * The log keeps the msgpack bytes as they came; this transcoding is repeated on replay, so it must be
 * a function of the bytes alone. Values JSON cannot say become what JSON.stringify makes of them:
 * timestamps ISO strings, NaN and infinities null; whole numbers above 2^53 keep their digits as text.
 */
import { Unpackr } from 'msgpackr';
import { TributaryError } from '../base/errors.ts';

/** Zeroed bytes behind the JSON: the native decoder reads up to 64 beyond the end. */
const SLACK_BYTES = 64;

// Without shared structures, record definitions are read from the payload itself and forgotten.
const unpackr = new Unpackr({ mapsAsObjects: true });

export interface JsonText {
  /** JSON in UTF-8, with slack behind `length`. */
  readonly bytes: Uint8Array;
  readonly length: number;
}

/** @throws TRIBUTARY_INGEST_MSGPACK_MALFORMED */
export function msgpackToJson(payload: Uint8Array): JsonText {
  let text: string | undefined;
  try {
    text = JSON.stringify(unpackr.unpack(payload), withoutBigints);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError('TRIBUTARY_INGEST_MSGPACK_MALFORMED', { reason }, cause);
  }
  if (text === undefined) {
    throw new TributaryError('TRIBUTARY_INGEST_MSGPACK_MALFORMED', { reason: 'it holds no value' });
  }
  const bytes = Buffer.alloc(Buffer.byteLength(text) + SLACK_BYTES);
  return { bytes, length: bytes.write(text) };
}

function withoutBigints(_key: string, value: unknown): unknown {
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}
