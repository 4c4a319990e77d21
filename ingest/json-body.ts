/** The body of a request that is one JSON value. */
import { TributaryError } from '../base/errors.ts';

/** @param body text, or its bytes in UTF-8. @throws TributaryError TRIBUTARY_INGEST_JSON_MALFORMED */
export function parseJson(body: string | Uint8Array): unknown {
  try {
    return JSON.parse(typeof body === 'string' ? body : textOf(body));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError('TRIBUTARY_INGEST_JSON_MALFORMED', { reason }, cause);
  }
}

function textOf({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString('utf8');
}
