/**
 * Iceberg's binary form of single values (specification, appendix D), which the bounds in manifests
 * have, and the cutting of long strings.
 *
 * - Little-endian; date as days, timestamps as microseconds since 1970-01-01T00:00:00Z.
 * - A cut lower bound is never above the value, a cut upper one never below. Where no string of that
 *   length is above (U+10FFFF all along) there is no upper bound.
 * - A cut counts code points, as Iceberg does, and never parts a surrogate pair.
 * - Values that order nothing have no bounds: NaN is left out by the caller, and -0 is written for a
 *   lower zero and +0 for an upper one, as the specification asks.
 */
import { assert } from '../../base/assert.ts';
import type { LakeValue } from './data-file.ts';
import type { LakeType } from './schema.ts';

const BOUND_CODE_POINTS = 16;
const BOUND_BYTES = 16;

/** Bytes of the types that have one length. */
const FIXED_BYTES: Partial<Record<LakeType, number>> = {
  boolean: 1,
  int: 4,
  date: 4,
  float: 4,
  long: 8,
  double: 8,
  timestamp: 8,
  timestamptz: 8,
};

export function encodeSingleValue(type: LakeType, value: LakeValue): Uint8Array {
  if (type === 'string') return new TextEncoder().encode(value as string);
  if (type === 'binary') return value as Uint8Array;
  const bytes = new Uint8Array(FIXED_BYTES[type]!);
  const view = new DataView(bytes.buffer);
  switch (type) {
    case 'boolean':
      view.setUint8(0, value === true ? 1 : 0);
      break;
    case 'int':
    case 'date':
      view.setInt32(0, Number(value), true);
      break;
    case 'float':
      view.setFloat32(0, Number(value), true);
      break;
    case 'double':
      view.setFloat64(0, Number(value), true);
      break;
    default:
      view.setBigInt64(0, BigInt(value as bigint | number), true);
  }
  return bytes;
}

/**
 * Reads a value back. A column that was widened since (`int` to `long`, `float` to `double`) is read
 * by its length. @returns undefined when the bytes are no value of the type.
 */
export function decodeSingleValue(type: LakeType, bytes: Uint8Array): LakeValue | undefined {
  if (type === 'string') return decodeText(bytes);
  if (type === 'binary') return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (type === 'long' && bytes.length === 4) return BigInt(view.getInt32(0, true));
  if (type === 'double' && bytes.length === 4) return view.getFloat32(0, true);
  if (bytes.length !== FIXED_BYTES[type]) return undefined;
  switch (type) {
    case 'boolean':
      return view.getUint8(0) !== 0;
    case 'int':
    case 'date':
      return view.getInt32(0, true);
    case 'float':
      return view.getFloat32(0, true);
    case 'double':
      return view.getFloat64(0, true);
    default:
      return view.getBigInt64(0, true);
  }
}

/** The bytes of a lower bound: not above `value`. */
export function encodeLowerBound(type: LakeType, value: LakeValue): Uint8Array {
  if (type === 'string') return encodeSingleValue(type, cutText(value as string));
  if (type === 'binary') return (value as Uint8Array).subarray(0, BOUND_BYTES);
  return encodeSingleValue(type, value === 0 ? -0 : value);
}

/** The bytes of an upper bound: not below `value`. @returns undefined when no short one is. */
export function encodeUpperBound(type: LakeType, value: LakeValue): Uint8Array | undefined {
  if (type === 'string') {
    const raised = raiseText(value as string);
    return raised === undefined ? undefined : encodeSingleValue(type, raised);
  }
  if (type === 'binary') return raiseBytes(value as Uint8Array);
  return encodeSingleValue(type, value === 0 ? 0 : value);
}

function cutText(text: string): string {
  if (text.length <= BOUND_CODE_POINTS) return text;
  return [...text].slice(0, BOUND_CODE_POINTS).join('');
}

/** The least string of at most 16 code points that is not below `text`. */
function raiseText(text: string): string | undefined {
  const cut = cutText(text);
  if (cut === text) return text;
  const points = [...cut].map((character) => character.codePointAt(0)!);
  for (let index = points.length - 1; index >= 0; index -= 1) {
    if (points[index] === 0x10ffff) continue;
    const next = points[index]! + 1;
    // Surrogates are no code points of their own.
    points[index] = next >= 0xd800 && next <= 0xdfff ? 0xe000 : next;
    return String.fromCodePoint(...points.slice(0, index + 1));
  }
  return undefined;
}

function raiseBytes(bytes: Uint8Array): Uint8Array | undefined {
  if (bytes.length <= BOUND_BYTES) return bytes;
  const cut = bytes.slice(0, BOUND_BYTES);
  const index = cut.findLastIndex((byte) => byte !== 0xff);
  if (index < 0) return undefined;
  cut[index]! += 1;
  assert(index < BOUND_BYTES, 'a raised bound is a prefix');
  return cut.subarray(0, index + 1);
}

function decodeText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
