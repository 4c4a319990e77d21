/**
 * The registry: one small shared file that says which segments make up which table, and how many rows
 * of each table are published. Query workers map it read-only.
 *
 * Publishing is one atomic store, because it happens per batch. Changing the list of segments, or what
 * is cold, happens once per 122,880 rows or a flush, so a seqlock suffices: the generation is odd while
 * they change, and a reader copies them again when the generation was odd or moved.
 *
 * - published_rows never goes back.
 * - A segment is listed only after its file is complete, and its file is removed only after the
 *   segment is off the list; a reader that finds the file gone takes a new snapshot.
 * - A row is hot or cold, never both: the floor and the version of the list of cold files change as one.
 * - Segments of a table are listed in the order of their first rows.
 */
import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { type NativeRegion, native } from '../native/index.ts';
import { FORMAT_VERSION, PAGE_BYTES, REGISTRY_FILE, writeText } from './segment-format.ts';

export const REGISTRY_MAGIC = 'TRIBREG\0';
export const REGISTRY_HEADER = Object.freeze({ formatVersion: 8, tableCount: 12, bytes: 16 });
export const REGISTRY_SEGMENT_BYTES = 16;
/** Offsets inside one table entry; entries start at PAGE_BYTES. */
export const REGISTRY_TABLE = Object.freeze({
  name: 0,
  generation: 48,
  publishedRows: 56,
  segmentCount: 64,
  schemaId: 68,
  floorRow: 72,
  coldVersion: 80,
  segments: 128,
  bytes: 128 + LIMITS.tableSegmentsMax * REGISTRY_SEGMENT_BYTES,
});
export const REGISTRY_BYTES = PAGE_BYTES + LIMITS.tablesMax * REGISTRY_TABLE.bytes;

export interface SegmentEntry {
  readonly segmentId: number;
  readonly firstRow: number;
}

export class TableRegistry {
  readonly #region: NativeRegion;
  readonly #path: string;
  readonly #words32: Uint32Array;
  readonly #words64: BigUint64Array;
  readonly #names: string[] = [];

  /** Creates the registry file of `directory`, which must exist; an old one is replaced. */
  static create(directory: string): TableRegistry {
    const path = join(directory, REGISTRY_FILE);
    const region = native.createRegion(path, REGISTRY_BYTES, PAGE_BYTES);
    if (typeof region === 'string') {
      throw new TributaryError('TRIBUTARY_STORAGE_REGION_FULL', {
        path,
        neededBytes: PAGE_BYTES,
        reason: region,
      });
    }
    return new TableRegistry(region, path);
  }

  private constructor(region: NativeRegion, path: string) {
    this.#region = region;
    this.#path = path;
    this.#words32 = new Uint32Array(region.buffer);
    this.#words64 = new BigUint64Array(region.buffer);
    this.#words32[REGISTRY_HEADER.formatVersion / 4] = FORMAT_VERSION;
    writeText(new Uint8Array(region.buffer), 0, REGISTRY_MAGIC);
  }

  /** Adds an empty table. @returns its slot, which the other methods take. */
  addTable(name: string, schemaId: number): number {
    const slot = this.#names.length;
    assert(slot < LIMITS.tablesMax, 'a registry lists at most 16 tables');
    assert(!this.#names.includes(name), `the table ${name} is registered once`);
    const at = entryOffset(slot);
    this.#back(at, REGISTRY_TABLE.segments);
    writeText(new Uint8Array(this.#region.buffer), at + REGISTRY_TABLE.name, name);
    this.#words32[(at + REGISTRY_TABLE.schemaId) / 4] = schemaId;
    this.#names.push(name);
    Atomics.store(this.#words32, REGISTRY_HEADER.tableCount / 4, this.#names.length);
    return slot;
  }

  /**
   * Lists a segment behind the others of its table.
   * @throws TRIBUTARY_STORAGE_REGION_FULL; the list stays.
   */
  addSegment(slot: number, segment: SegmentEntry): void {
    const count = this.segmentCount(slot);
    assert(count < LIMITS.tableSegmentsMax, 'a table has at most 16,384 hot segments');
    const at = entryOffset(slot);
    const entryAt = at + REGISTRY_TABLE.segments + count * REGISTRY_SEGMENT_BYTES;
    this.#back(entryAt, REGISTRY_SEGMENT_BYTES);
    this.#changeList(slot, () => {
      const entry = entryAt / 8;
      this.#words64[entry] = BigInt(segment.segmentId);
      this.#words64[entry + 1] = BigInt(segment.firstRow);
      this.#words32[(at + REGISTRY_TABLE.segmentCount) / 4] = count + 1;
    });
  }

  /** Takes the oldest `count` segments off the list. Their files may be removed afterwards. */
  removeOldestSegments(slot: number, count: number): void {
    const listed = this.segmentCount(slot);
    assert(count <= listed, 'only listed segments are removed');
    const at = entryOffset(slot);
    const first = (at + REGISTRY_TABLE.segments) / 8;
    this.#changeList(slot, () => {
      this.#words64.copyWithin(first, first + 2 * count, first + 2 * listed);
      this.#words32[(at + REGISTRY_TABLE.segmentCount) / 4] = listed - count;
    });
  }

  /** Makes the rows of the table below `tableRow` visible. */
  publish(slot: number, tableRow: number): void {
    const index = (entryOffset(slot) + REGISTRY_TABLE.publishedRows) / 8;
    Atomics.store(this.#words64, index, BigInt(tableRow));
  }

  /** Rows below `floorRow` are from now on those of the list of cold files `coldVersion`. */
  setCold(slot: number, floorRow: number, coldVersion: number): void {
    const at = entryOffset(slot);
    this.#changeList(slot, () => {
      this.#words64[(at + REGISTRY_TABLE.floorRow) / 8] = BigInt(floorRow);
      this.#words64[(at + REGISTRY_TABLE.coldVersion) / 8] = BigInt(coldVersion);
    });
  }

  segmentCount(slot: number): number {
    return this.#words32[(entryOffset(slot) + REGISTRY_TABLE.segmentCount) / 4]!;
  }

  /** Unmaps the file and leaves it to its readers. Idempotent. */
  close(): void {
    this.#region.close();
  }

  #back(offset: number, bytes: number): void {
    const reason = this.#region.back(offset, bytes);
    if (reason === '') return;
    const neededBytes = offset + bytes;
    throw new TributaryError('TRIBUTARY_STORAGE_REGION_FULL', {
      path: this.#path,
      neededBytes,
      reason,
    });
  }

  #changeList(slot: number, change: () => void): void {
    const generation = (entryOffset(slot) + REGISTRY_TABLE.generation) / 8;
    Atomics.add(this.#words64, generation, 1n);
    change();
    Atomics.add(this.#words64, generation, 1n);
  }
}

function entryOffset(slot: number): number {
  return PAGE_BYTES + slot * REGISTRY_TABLE.bytes;
}
