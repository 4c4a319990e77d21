/**
 * One table's hot rows as its single writer sees them: a list of segments, the last of which is active.
 *
 * Rows have table-wide numbers that never change. They are staged first, by the native decoder
 * (`events`) or by {@link HotTable.beginRow} (tables written from TypeScript), and may span segments;
 * {@link HotTable.publishTo} then makes all rows below a number visible at once.
 *
 * - floor ≤ published ≤ staged, and none goes back. Rows below the floor are in cold files.
 * - The active segment exists from the start and is never dropped, so a table always has a schema.
 * - A segment is listed in the registry before it gets rows and until it is dropped. Its file may become
 *   that of a later segment ({@link SpareSegments}).
 * - Refusals (full budget, full file system) leave the table as it was.
 */
import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { NativeRegion } from '../native/index.ts';
import type { HotBudget } from './hot-budget.ts';
import { eachNamedRow, type RowCondition } from './row-condition.ts';
import { fixedBytes, SegmentFile } from './segment-file.ts';
import { type SegmentPlan, segmentFile } from './segment-format.ts';
import { SegmentRowWriter } from './segment-row-writer.ts';
import { type SparePages, SpareSegments } from './spare-segments.ts';
import type { TableRegistry } from './table-registry.ts';

export interface HotTableOptions {
  /** An existing directory, the registry's own. */
  readonly directory: string;
  readonly registry: TableRegistry;
  readonly budget: HotBudget;
  /** The layout of every segment of the table. */
  readonly plan: SegmentPlan;
  /** Removes a file; readers that have it mapped keep what they mapped. */
  readonly removeFile: (path: string) => void;
}

export class HotTable {
  readonly plan: SegmentPlan;
  readonly spares: SpareSegments;
  readonly #directory: string;
  readonly #registry: TableRegistry;
  readonly #budget: HotBudget;
  readonly #removeFile: (path: string) => void;
  readonly #slot: number;
  readonly #segments: SegmentFile[] = [];
  /** What the budget was charged for each segment, bytes. */
  readonly #charged = new Map<SegmentFile, number>();
  #active: SegmentFile;
  /** The file of the segment after the active one, its first pages already allocated. */
  #prepared: SparePages | undefined;
  #rowWriter: SegmentRowWriter | undefined;
  #floorRow = 0;
  #publishedRows = 0;
  #nextSegmentId = 1;
  /** Files of older segments are not kept. */
  #oldestToKeep = 1;

  /** Registers the table and makes its first segment. */
  constructor(options: HotTableOptions) {
    this.plan = options.plan;
    this.#directory = options.directory;
    this.#registry = options.registry;
    this.#budget = options.budget;
    this.#removeFile = options.removeFile;
    this.spares = new SpareSegments(this.#budget, this.#removeFile);
    this.#slot = this.#registry.addTable(this.plan.schema.name, this.plan.schema.schemaId);
    this.#active = this.#addSegment(0);
  }

  /** Oldest first; the last one is active. */
  get segments(): readonly SegmentFile[] {
    return this.#segments;
  }

  get activeSegment(): SegmentFile {
    return this.#active;
  }

  get activeRegion(): NativeRegion {
    return this.#active.region;
  }

  /** Table-wide: rows written so far, visible or not. */
  get stagedRows(): number {
    return this.#active.firstRow + this.#active.stagedRows;
  }

  /** Table-wide: rows below it are visible. */
  get publishedRows(): number {
    return this.#publishedRows;
  }

  /** Table-wide: rows below it are in cold files, and hot no more. */
  get floorRow(): number {
    return this.#floorRow;
  }

  get rowsFree(): number {
    return this.#active.rowsFree;
  }

  /** Room of the active segment's fullest heap, bytes. */
  get heapBytesFree(): number {
    return this.#rowWriter?.heapBytesFree ?? this.#active.heapBytesFree;
  }

  /** @throws TRIBUTARY_STORAGE_HOT_FULL unless the budget has room for `bytes` of new rows. */
  requireRoom(bytes: number): void {
    this.#budget.require(bytes);
  }

  /**
   * Begins a row at the end of the table, in a new segment when the active one might not hold it.
   * The caller sets columns and calls `endRow` on what is returned.
   * @param heapBytes at least the bytes of the row's longest string.
   * @throws TRIBUTARY_STORAGE_HOT_FULL, TRIBUTARY_STORAGE_REGION_FULL
   */
  beginRow(heapBytes: number): SegmentRowWriter {
    let writer = this.#rowWriter ?? new SegmentRowWriter(this.#active);
    this.#rowWriter = writer;
    if (
      writer.rowsFree === 0 ||
      writer.heapBytesFree < heapBytes ||
      writer.dictionaryEntriesFree === 0
    ) {
      this.sealAndRotate();
      writer = new SegmentRowWriter(this.#active);
      this.#rowWriter = writer;
    }
    writer.beginRow();
    return writer;
  }

  /**
   * Seals the active segment and starts the next one, whose first row is the next row of the table.
   * @throws TRIBUTARY_STORAGE_HOT_FULL, TRIBUTARY_STORAGE_REGION_FULL; the active segment stays.
   */
  sealAndRotate(): SegmentFile {
    const sealed = this.#active;
    this.#rowWriter?.flushCounters();
    this.#settle(this.#active);
    const next = this.#addSegment(this.stagedRows);
    sealed.seal();
    this.#active = next;
    this.#rowWriter = undefined;
    return sealed;
  }

  /** Makes every row below `tableRow` visible. */
  publishTo(tableRow: number): void {
    assert(tableRow <= this.stagedRows, 'only staged rows are published');
    assert(tableRow >= this.#publishedRows, 'published rows stay published');
    this.#rowWriter?.flushCounters();
    this.#publishedRows = tableRow;
    this.#registry.publish(this.#slot, tableRow);
    this.#settle(this.#active);
    this.#prepareNext();
  }

  /** Hides a row from every scan that starts later. @returns false when it was hidden already. */
  hide(tableRow: number): boolean {
    const segment = this.segmentOf(tableRow);
    return segment.hide(tableRow - segment.firstRow);
  }

  /**
   * Hides the rows below `tableRow` that a condition names, of those that are not cold. Their bytes, and
   * what may be left of others like them, go when the segments of today are dropped.
   * @returns how many were visible.
   */
  hideNamed(conditions: readonly RowCondition[], tableRow: number): number {
    assert(tableRow <= this.stagedRows, 'only staged rows are hidden');
    this.#rowWriter?.flushCounters();
    this.spares.giveUp(this.spares.bytes);
    this.#oldestToKeep = this.#nextSegmentId + 1;
    let count = 0;
    for (const segment of this.#segments) {
      const { firstRow } = segment;
      const from = Math.max(this.#floorRow - firstRow, 0);
      const to = Math.min(tableRow - firstRow, segment.stagedRows);
      eachNamedRow(segment, conditions, from, to, (row) => {
        if (segment.hide(row)) count += 1;
      });
    }
    return count;
  }

  /** The segment of a staged row; `tableRow - firstRow` is its row there. */
  segmentOf(tableRow: number): SegmentFile {
    // The newest rows are asked for by far the most.
    for (let index = this.#segments.length - 1; index >= 0; index -= 1) {
      const segment = this.#segments[index]!;
      if (tableRow >= segment.firstRow) return segment;
    }
    assert(false, 'a row is asked for only while its segment is hot');
  }

  /** The values of a uint32 column of `segment`, by row of the segment. */
  u32Column(segment: SegmentFile, name: string): Uint32Array {
    return segment.u32Column(name);
  }

  /**
   * From now on the published rows below `floorRow` are those of the list of cold files `coldVersion`:
   * a query sees each row in the one place or in the other. Segments without other rows are dropped;
   * queries that have them mapped keep them.
   */
  setCold(floorRow: number, coldVersion: number): void {
    assert(floorRow >= this.#floorRow, 'cold rows stay cold');
    assert(floorRow <= this.#publishedRows, 'only published rows become cold');
    this.#registry.setCold(this.#slot, floorRow, coldVersion);
    this.#floorRow = floorRow;
    this.#dropColdSegments();
  }

  /** Unmaps all segments and leaves their files. Idempotent. */
  close(): void {
    for (const segment of this.#segments.splice(0)) this.#close(segment);
    if (this.#prepared !== undefined) {
      this.#budget.release(this.#prepared.chargedBytes);
      this.#prepared.region.close();
      this.#prepared = undefined;
    }
    this.spares.close();
  }

  /** Drops the sealed segments below the floor, and keeps or removes their files. */
  #dropColdSegments(): void {
    let count = 0;
    while (
      count < this.#segments.length - 1 &&
      this.#segments[count + 1]!.firstRow <= this.#floorRow
    ) {
      count += 1;
    }
    if (count === 0) return;
    this.#registry.removeOldestSegments(this.#slot, count);
    for (const segment of this.#segments.splice(0, count)) {
      if (segment.segmentId >= this.#oldestToKeep) {
        this.#settle(segment);
        this.#charged.delete(segment);
        this.spares.keep(segment);
      } else {
        this.#close(segment);
        this.#removeFile(segment.path);
      }
    }
  }

  /**
   * Once a quarter of the active segment is used, finds or makes the file of the next one. Where that
   * fails, rotation will fail too, and say so.
   */
  #prepareNext(): void {
    const { stagedRows, plan } = this.#active;
    if (this.#prepared !== undefined || stagedRows * 4 < plan.rowCapacity) return;
    const path = this.#pathOf(this.#nextSegmentId);
    this.#prepared = this.spares.take(path);
    if (this.#prepared !== undefined) return;
    const region = SegmentFile.prepare(path, this.plan);
    if (typeof region !== 'string') this.#prepared = { region, chargedBytes: 0 };
  }

  #pathOf(segmentId: number): string {
    return join(this.#directory, segmentFile(this.plan.schema.name, segmentId));
  }

  #addSegment(firstRow: number): SegmentFile {
    if (this.#registry.segmentCount(this.#slot) === LIMITS.tableSegmentsMax) {
      throw new TributaryError('TRIBUTARY_STORAGE_HOT_FULL', {
        usedBytes: this.#budget.usedBytes,
        limitBytes: this.#budget.limitBytes,
      });
    }
    const segmentId = this.#nextSegmentId;
    this.#prepared ??= this.spares.take(this.#pathOf(segmentId));
    const isCharged = (this.#prepared?.chargedBytes ?? 0) > 0;
    if (!isCharged) this.#budget.require(fixedBytes(this.plan));
    const segment = this.#createSegment(segmentId, firstRow);
    try {
      this.#registry.addSegment(this.#slot, { segmentId, firstRow });
    } catch (failure) {
      this.#close(segment);
      throw failure;
    }
    this.#nextSegmentId += 1;
    this.#segments.push(segment);
    this.#settle(segment);
    return segment;
  }

  /** Of the prepared file, if there is one. */
  #createSegment(segmentId: number, firstRow: number): SegmentFile {
    const { region, chargedBytes } = this.#prepared ?? { region: undefined, chargedBytes: 0 };
    this.#prepared = undefined;
    const path = this.#pathOf(segmentId);
    try {
      const segment = SegmentFile.create(path, this.plan, segmentId, firstRow, region);
      this.#charged.set(segment, chargedBytes);
      return segment;
    } catch (failure) {
      this.#budget.release(chargedBytes);
      throw failure;
    }
  }

  /** Charges the budget for what a segment took since the last time. */
  #settle(segment: SegmentFile): void {
    const bytes = segment.memoryBytes;
    this.#budget.charge(bytes - (this.#charged.get(segment) ?? 0));
    this.#charged.set(segment, bytes);
  }

  #close(segment: SegmentFile): void {
    this.#budget.release(this.#charged.get(segment) ?? 0);
    this.#charged.delete(segment);
    segment.close();
  }
}
