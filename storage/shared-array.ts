/**
 * A dense column of fixed-size elements that one process writes and query workers read: identity's
 * `profile_of` and its like. The address space for `capacity` elements is reserved once and the array
 * grows in place, so neither side ever copies or maps again.
 *
 * - Only elements below {@link SharedArray.ensure}'s count may be touched; others end the process.
 * - Elements below the published count are visible. Those may still change, one word at a time
 *   (profile_of after a merge), and a reader sees the old or the new value.
 * - An array is at most 4 GiB long: Node 20 makes no larger buffer over memory that is not its own.
 */
import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import { alignUp, GIB, KIB, MIB } from '../base/units.ts';
import { type NativeRegion, native } from '../native/index.ts';
import { type FileSystem, readFully } from './file-system.ts';
import { arrayFile, FORMAT_VERSION, PAGE_BYTES, writeText } from './segment-format.ts';

export const ARRAY_MAGIC = 'TRIBARR\0';
export const ARRAY_HEADER = Object.freeze({
  formatVersion: 8,
  elementBytes: 12,
  publishedCount: 16,
  bytes: 24,
});
/** What an array grows by: a thirty-second of its file at most, in powers of two between these. */
const STEP_BYTES_MIN = 64 * KIB;
/** A huge page (native/src/shared_pages.h). */
const STEP_BYTES_MAX = 2 * MIB;

export type ElementType = 'u32' | 'i64' | 'u64' | 'bytes';

interface Views {
  readonly u32: Uint32Array;
  readonly i64: BigInt64Array;
  readonly u64: BigUint64Array;
  /** Byte arrays are used through {@link SharedArray.window}. */
  readonly bytes: undefined;
}

export interface SharedArrayOptions<Type extends ElementType> {
  readonly directory: string;
  readonly name: string;
  readonly type: Type;
  /** Elements the array can ever hold. */
  readonly capacity: number;
  /** Bytes of an element of type `bytes`; 1 unless given. */
  readonly elementBytes?: number;
}

/** What an array takes. */
export interface ArrayMemory {
  readonly name: string;
  readonly bytes: number;
}

export function memoryOf({ name, backedBytes }: SharedArray<ElementType>): ArrayMemory {
  return { name, bytes: backedBytes };
}

export class SharedArray<Type extends ElementType> {
  readonly name: string;
  readonly capacity: number;
  readonly elementBytes: number;
  /** All elements up to the capacity; only those below `ensuredCount` may be touched. */
  readonly values: Views[Type];
  readonly #path: string;
  readonly #region: NativeRegion;
  readonly #header: BigUint64Array;
  #ensuredCount = 0;
  #backedBytes = PAGE_BYTES;
  #publishedCount = 0;

  /** Creates the file, replacing an old one. @throws TRIBUTARY_STORAGE_REGION_FULL */
  static create<Type extends ElementType>(options: SharedArrayOptions<Type>): SharedArray<Type> {
    const elementBytes = elementBytesOf(options.type, options.elementBytes ?? 1);
    const path = join(options.directory, arrayFile(options.name));
    const reservedBytes = alignUp(PAGE_BYTES + options.capacity * elementBytes, PAGE_BYTES);
    assert(reservedBytes <= 4 * GIB, 'a shared array is at most 4 GiB long');
    const region = native.createRegion(path, reservedBytes, PAGE_BYTES, true);
    if (typeof region === 'string') throw regionFull(path, PAGE_BYTES, region);
    return new SharedArray(path, region, options, elementBytes);
  }

  private constructor(
    path: string,
    region: NativeRegion,
    { name, type, capacity }: SharedArrayOptions<Type>,
    elementBytes: number,
  ) {
    this.#path = path;
    this.name = name;
    this.#region = region;
    this.capacity = capacity;
    this.elementBytes = elementBytes;
    this.values = viewOf(region.buffer, type, capacity);
    const header = new DataView(region.buffer, 0, PAGE_BYTES);
    header.setUint32(ARRAY_HEADER.formatVersion, FORMAT_VERSION, true);
    header.setUint32(ARRAY_HEADER.elementBytes, elementBytes, true);
    writeText(new Uint8Array(region.buffer, 0, PAGE_BYTES), 0, ARRAY_MAGIC);
    this.#header = new BigUint64Array(region.buffer, 0, PAGE_BYTES / 8);
  }

  /** Elements that may be touched. */
  get ensuredCount(): number {
    return this.#ensuredCount;
  }

  get publishedCount(): number {
    return this.#publishedCount;
  }

  /** Memory the array takes, its header included. */
  get backedBytes(): number {
    return this.#backedBytes;
  }

  /**
   * Makes the elements below `count` safe to touch; new ones are zero.
   * @throws TRIBUTARY_STORAGE_REGION_FULL when capacity or file system is used up.
   */
  ensure(count: number): void {
    if (count <= this.#ensuredCount) return;
    const neededBytes = PAGE_BYTES + count * this.elementBytes;
    const fileBytesMax = PAGE_BYTES + this.capacity * this.elementBytes;
    if (neededBytes > fileBytesMax) {
      throw regionFull(this.#path, neededBytes, `its capacity is ${this.capacity} elements`);
    }
    if (neededBytes > this.#backedBytes) {
      const step = stepOf(neededBytes);
      const until = Math.min(alignUp(neededBytes, step), fileBytesMax);
      const reason = this.#region.back(this.#backedBytes, until - this.#backedBytes);
      if (reason !== '') throw regionFull(this.#path, until, reason);
      this.#backedBytes = until;
      this.#region.backAhead(until, Math.min(step, fileBytesMax - until));
    }
    this.#ensuredCount = Math.floor((this.#backedBytes - PAGE_BYTES) / this.elementBytes);
  }

  /** All bytes up to the capacity, for hot loops; only those of ensured elements may be touched. */
  allBytes(): Uint8Array {
    return new Uint8Array(this.#region.buffer, PAGE_BYTES, this.capacity * this.elementBytes);
  }

  /** A view of `count` ensured elements from `first`, as bytes. Not for hot loops: it allocates. */
  window(first: number, count: number): Uint8Array {
    assert(first + count <= this.#ensuredCount, 'a window lies in the ensured elements');
    return new Uint8Array(
      this.#region.buffer,
      PAGE_BYTES + first * this.elementBytes,
      count * this.elementBytes,
    );
  }

  /** Makes the elements below `count` visible to readers. */
  publish(count: number): void {
    assert(count <= this.#ensuredCount, 'only ensured elements are published');
    assert(count >= this.#publishedCount, 'published elements stay published');
    this.#publishedCount = count;
    Atomics.store(this.#header, ARRAY_HEADER.publishedCount / 8, BigInt(count));
  }

  /** Unmaps the file and leaves it to its readers. Idempotent. */
  close(): void {
    this.#region.close();
  }
}

/** The published elements of another process's u32 array, as they are while they are read. */
export async function readSharedWords(
  fileSystem: FileSystem,
  directory: string,
  name: string,
): Promise<Uint32Array> {
  const handle = await fileSystem.open(join(directory, arrayFile(name)), 'read');
  try {
    const header = new DataView(new ArrayBuffer(PAGE_BYTES));
    await readFully(handle, new Uint8Array(header.buffer), 0, PAGE_BYTES, 0);
    const count = Number(header.getBigUint64(ARRAY_HEADER.publishedCount, true));
    const words = new Uint32Array(count);
    await readFully(handle, new Uint8Array(words.buffer), 0, words.byteLength, PAGE_BYTES);
    return words;
  } finally {
    await handle.close();
  }
}

function stepOf(fileBytes: number): number {
  let step = STEP_BYTES_MAX;
  while (step > STEP_BYTES_MIN && step > fileBytes / 32) step /= 2;
  return step;
}

function elementBytesOf(type: ElementType, bytes: number): number {
  if (type === 'bytes') return bytes;
  return type === 'u32' ? 4 : 8;
}

function viewOf<Type extends ElementType>(
  buffer: ArrayBuffer,
  type: Type,
  capacity: number,
): Views[Type];
function viewOf(buffer: ArrayBuffer, type: ElementType, capacity: number): Views[ElementType] {
  if (type === 'u32') return new Uint32Array(buffer, PAGE_BYTES, capacity);
  if (type === 'i64') return new BigInt64Array(buffer, PAGE_BYTES, capacity);
  if (type === 'u64') return new BigUint64Array(buffer, PAGE_BYTES, capacity);
  return undefined;
}

function regionFull(path: string, neededBytes: number, reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_STORAGE_REGION_FULL', { path, neededBytes, reason });
}
