/**
 * Msgpack as JSON text, by msgpackr and JSON.stringify: the native transcoder is held against it.
 *
 * Values JSON cannot say become what JSON.stringify makes of them: timestamps ISO strings, NaN and
 * infinities null. Whole numbers beyond 2^53 keep their digits as text, and bytes become base64.
 */
import { Unpackr } from 'msgpackr';

// Without shared structures, record definitions are read from the payload itself and forgotten.
const unpackr = new Unpackr({ mapsAsObjects: true });

/** @throws Error where msgpackr refuses the payload. */
export function referenceJson(payload: Uint8Array): string | undefined {
  // No Buffer: its toJSON would come before the replacer.
  return JSON.stringify(unpackr.unpack(new Uint8Array(payload)), asText);
}

function asText(_key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (typeof value !== 'bigint') return value;
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value.toString();
}
