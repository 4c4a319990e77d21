/**
 * State as a list of named runs of bytes: how what is folded from the log goes into a checkpoint and comes
 * out of it. Whoever owns state lists its parts while it is at rest, and fills itself from a source while
 * it is fresh; counts are the lengths of the parts, so there is nothing else to keep.
 *
 * - A part is copied in pieces: it may be longer than a buffer can be.
 * - Bytes are those of the memory, little-endian.
 */
import { assert } from '../base/assert.ts';
import type { ElementType, SharedArray } from './shared-array.ts';

export interface StatePart {
  /** Unique in a state. */
  readonly name: string;
  readonly bytes: number;
  /** Copies the range of `target`'s length from `offset` to `target`. */
  read(offset: number, target: Uint8Array): void;
}

/** A state that was kept. */
export interface StateSource {
  /** Whether there is a part of the name: states of older versions lack what was not kept then. */
  has(name: string): boolean;
  /** The length of a part. @throws when there is none of the name. */
  bytesOf(name: string): number;
  /** Hands the pieces of a part over, in order; a piece is overwritten once `write` returned. */
  copy(name: string, write: (offset: number, piece: Uint8Array) => void): Promise<void>;
}

/** A part that lies in one buffer. */
export function partOfBytes(name: string, bytes: Uint8Array): StatePart {
  return {
    name,
    bytes: bytes.length,
    read(offset, target) {
      target.set(bytes.subarray(offset, offset + target.length));
    },
  };
}

/** The elements of a shared array below `count`. */
export function partOfArray(array: SharedArray<ElementType>, count: number): StatePart {
  return partOfBytes(array.name, array.window(0, count));
}

/** Fills a fresh array. @returns its elements. @throws TRIBUTARY_STORAGE_REGION_FULL */
export async function restoreArray(
  array: SharedArray<ElementType>,
  source: StateSource,
): Promise<number> {
  const bytes = source.bytesOf(array.name);
  assert(bytes % array.elementBytes === 0, 'an array has whole elements');
  const count = bytes / array.elementBytes;
  // All at once: so it comes on huge pages, which are made faster than small ones by two threads.
  array.ensure(count);
  const target = array.allBytes();
  await source.copy(array.name, (offset, piece) => target.set(piece, offset));
  return count;
}

/** The whole of a small part. */
export async function restoreBytes(name: string, source: StateSource): Promise<Uint8Array> {
  const bytes = new Uint8Array(source.bytesOf(name));
  await source.copy(name, (offset, piece) => bytes.set(piece, offset));
  return bytes;
}

/** Numbers as a part. */
export function partOfNumbers(name: string, numbers: Uint32Array): StatePart {
  return partOfBytes(name, new Uint8Array(numbers.buffer, numbers.byteOffset, numbers.byteLength));
}

/** The whole of a part of numbers. */
export async function restoreNumbers(name: string, source: StateSource): Promise<Uint32Array> {
  const bytes = await restoreBytes(name, source);
  assert(bytes.length % 4 === 0, 'numbers are whole');
  return new Uint32Array(bytes.buffer, 0, bytes.length / 4);
}
