/**
 * One hot segment as its writer holds it: the mapped file and its header.
 *
 * What is small is backed when the file is made (header, bitmaps, dictionary offsets); values are
 * backed every {@link ROWS_STEP} rows and heaps every {@link HEAP_STEP_BYTES}, so that an almost empty
 * table takes little memory and a full file system is an error here, not a SIGBUS later.
 *
 * - The header's counters only grow, and `staged_rows` is written before the registry publishes.
 * - After {@link SegmentFile.close} every access throws or finds a detached buffer.
 * - A failed create or back leaves the file as it was; the owner removes it or tries again.
 */
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import { alignUp, KIB } from '../base/units.ts';
import { type NativeRegion, native } from '../native/index.ts';
import {
  COLUMN_DESCRIPTOR,
  descriptorOffset,
  hasOffsets,
  PAGE_BYTES,
  SEGMENT_HEADER,
  type SegmentPlan,
  writeSegmentHeader,
} from './segment-format.ts';

export const ROWS_STEP = 8192;
export const HEAP_STEP_BYTES = 64 * KIB;

export class SegmentFile {
  readonly path: string;
  readonly plan: SegmentPlan;
  readonly segmentId: number;
  /** The table-wide number of row 0. */
  readonly firstRow: number;
  readonly region: NativeRegion;
  readonly #u32Columns = new Map<string, Uint32Array>();
  #words: Uint32Array | undefined;
  #backedRows = 0;

  /**
   * Makes the file of a segment to come and has its first pages allocated in the background, so that
   * `create` with the same path finds the work done.
   * @returns why it could not, when it could not.
   */
  static prepare(path: string, plan: SegmentPlan): NativeRegion | string {
    const region = makeFile(path, plan);
    if (typeof region === 'string') return region;
    const rows = Math.min(ROWS_STEP, plan.rowCapacity);
    region.backAhead(plan.maskOffset, plan.bitmapBytes);
    for (const column of plan.columns) {
      region.backAhead(column.validityOffset, plan.bitmapBytes);
      region.backAhead(column.valuesOffset, column.valueBytes * rows);
      if (column.dictionaryCapacity > 0) {
        region.backAhead(column.dictionaryOffset, 4 * (column.dictionaryCapacity + 1));
      }
      if (column.heapCapacity > 0) {
        region.backAhead(column.heapOffset, Math.min(HEAP_STEP_BYTES, column.heapCapacity));
      }
    }
    return region;
  }

  /**
   * @param prepared what `prepare` or `reuseFile` made for this path, if one did.
   * @throws TRIBUTARY_STORAGE_REGION_FULL when the file system has no room.
   */
  static create(
    path: string,
    plan: SegmentPlan,
    segmentId: number,
    firstRow: number,
    prepared?: NativeRegion,
  ): SegmentFile {
    const region = prepared ?? makeFile(path, plan);
    if (typeof region === 'string') {
      throw regionFull(path, descriptorOffset(plan.columns.length), region);
    }
    try {
      return new SegmentFile(path, plan, segmentId, firstRow, region);
    } catch (failure) {
      region.close();
      throw failure;
    }
  }

  private constructor(
    path: string,
    plan: SegmentPlan,
    segmentId: number,
    firstRow: number,
    region: NativeRegion,
  ) {
    this.path = path;
    this.plan = plan;
    this.segmentId = segmentId;
    this.firstRow = firstRow;
    this.region = region;
    this.back(plan.maskOffset, plan.bitmapBytes);
    for (const column of plan.columns) {
      this.back(column.validityOffset, plan.bitmapBytes);
      if (column.dictionaryCapacity > 0) {
        this.back(column.dictionaryOffset, 4 * (column.dictionaryCapacity + 1));
      }
    }
    const header = new Uint8Array(descriptorOffset(plan.columns.length));
    writeSegmentHeader(header.buffer, plan, segmentId, firstRow);
    region.write(0, header);
    region.admitReaders();
  }

  /**
   * The whole file as 32-bit words: for rare reads and for tables written from TypeScript, because
   * making it collects garbage (NativeRegion.buffer). A segment that is only filled does without.
   */
  get words(): Uint32Array {
    this.#words ??= new Uint32Array(this.region.buffer);
    return this.#words;
  }

  get stagedRows(): number {
    return this.region.load32(SEGMENT_HEADER.stagedRows);
  }

  get hiddenCount(): number {
    return this.region.load32(SEGMENT_HEADER.hiddenCount);
  }

  get sealed(): boolean {
    return this.region.load32(SEGMENT_HEADER.sealed) === 1;
  }

  get rowsFree(): number {
    return this.plan.rowCapacity - this.stagedRows;
  }

  /** Bytes that fit into every heap: the room of the fullest one. Infinity without heaps. */
  get heapBytesFree(): number {
    let free = Number.POSITIVE_INFINITY;
    this.plan.columns.forEach((column, index) => {
      if (column.heapCapacity > 0)
        free = Math.min(free, column.heapCapacity - this.#heapUsed(index));
    });
    return free;
  }

  /** Memory that the segment's rows take: what was backed, by whoever fills it. Rounded up, never down. */
  get usedBytes(): number {
    return this.region.backedBytes;
  }

  /** Memory of the file: more than `usedBytes` while it was a longer segment before. */
  get memoryBytes(): number {
    return this.region.memoryBytes;
  }

  /** Makes [offset, offset + bytes) safe to touch. @throws TRIBUTARY_STORAGE_REGION_FULL */
  back(offset: number, bytes: number): void {
    const reason = this.region.back(offset, bytes);
    if (reason !== '') throw regionFull(this.path, offset + bytes, reason);
  }

  /** Makes the values of rows below `rows` safe to touch. @throws TRIBUTARY_STORAGE_REGION_FULL */
  backRows(rows: number): void {
    if (rows <= this.#backedRows) return;
    const until = Math.min(alignUp(rows, ROWS_STEP), this.plan.rowCapacity);
    for (const column of this.plan.columns) {
      const from = column.valuesOffset + this.#backedRows * column.valueBytes;
      // Strings have an offset behind the last row. Other columns may end where the file does.
      const values = hasOffsets(column.type) ? until + 1 : until;
      const end = column.valuesOffset + values * column.valueBytes;
      this.back(from, end - from);
    }
    this.#backedRows = until;
  }

  /** The values of a uint32 column, by row; valid until the segment is closed. */
  u32Column(name: string): Uint32Array {
    const known = this.#u32Columns.get(name);
    if (known !== undefined) return known;
    const column = this.plan.columns.find((candidate) => candidate.name === name);
    assert(column?.type === 'uint32', `${name} is a uint32 column of ${this.plan.schema.name}`);
    this.back(column.valuesOffset, 4 * this.plan.rowCapacity);
    const bytes = 4 * this.plan.rowCapacity;
    const values = new Uint32Array(this.region.window(column.valuesOffset, bytes));
    this.#u32Columns.set(name, values);
    return values;
  }

  /** Hides a staged row from every scan that starts later. @returns false when it was hidden. */
  hide(row: number): boolean {
    assert(row < this.stagedRows, 'only staged rows are hidden');
    const word = this.plan.maskOffset / 4 + (row >>> 5);
    const bit = 1 << (row & 31);
    // Atomic: the stager may hide newer rows of the same word at the same time.
    if ((Atomics.or(this.words, word, bit) & bit) !== 0) return false;
    Atomics.add(this.words, SEGMENT_HEADER.hiddenCount / 4, 1);
    return true;
  }

  /** No row will be added. Idempotent. */
  seal(): void {
    this.region.store32(SEGMENT_HEADER.sealed, 1);
  }

  /** Ends the use of its columns by this process; the file stays mapped. */
  detach(): void {
    this.#u32Columns.clear();
    this.#words = undefined;
    this.region.detach();
  }

  /** Unmaps the file and leaves it where it is. Idempotent. */
  close(): void {
    this.detach();
    this.region.close();
  }

  #heapUsed(column: number): number {
    // Heaps are below 4 GiB, so the low word is the value.
    return this.region.load32(descriptorOffset(column) + COLUMN_DESCRIPTOR.heapUsed);
  }
}

/** The file with its header backed; why there is none, when there is none. */
function makeFile(path: string, plan: SegmentPlan): NativeRegion | string {
  return native.createRegion(path, plan.fileBytes, descriptorOffset(plan.columns.length));
}

/**
 * Makes the file of a segment that is used no more the file of one to come, as `path`, for `create`.
 * @returns false, and nothing has changed, while a reader maps it.
 */
export function reuseFile({ region, plan }: SegmentFile, path: string): boolean {
  return region.reuse(path, descriptorOffset(plan.columns.length)) === '';
}

/** What an empty segment takes: the least room the hot budget must have for a new one. */
export function fixedBytes(plan: SegmentPlan): number {
  let bytes = PAGE_BYTES + alignUp(plan.columns.length * COLUMN_DESCRIPTOR.bytes, PAGE_BYTES);
  bytes += alignUp(plan.bitmapBytes, PAGE_BYTES) * (1 + plan.columns.length);
  for (const column of plan.columns) {
    if (column.dictionaryCapacity > 0)
      bytes += alignUp(4 * column.dictionaryCapacity + 4, PAGE_BYTES);
  }
  return bytes;
}

function regionFull(path: string, neededBytes: number, reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_STORAGE_REGION_FULL', { path, neededBytes, reason });
}
