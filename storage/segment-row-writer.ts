/**
 * Appends rows to a segment from TypeScript, column by column, without an object per row.
 *
 * A row is begun, its columns are set in any order, each at most once, and it is ended; a column that
 * was not set is NULL. Rows become part of the segment at {@link SegmentRowWriter.endRow}, and visible
 * when the table publishes them. Segments that the native decoder fills never get a row writer: only
 * one of the two may count in a header.
 *
 * - Before a row is begun the caller knows that the segment has room for it (HotTable sees to that).
 * - A row that was begun and not ended leaves nothing behind: the next one overwrites it.
 * - Integers are JavaScript numbers below 2^53; timestamps are microseconds since 1970.
 */
import { assert } from '../base/assert.ts';
import { alignUp } from '../base/units.ts';
import { HEAP_STEP_BYTES, type SegmentFile } from './segment-file.ts';
import {
  COLUMN_DESCRIPTOR,
  COLUMN_TYPE,
  descriptorOffset,
  SEGMENT_HEADER,
} from './segment-format.ts';

const WORD = 2 ** 32;
const STAGED_ROWS = SEGMENT_HEADER.stagedRows / 4;

export class SegmentRowWriter {
  readonly #segment: SegmentFile;
  readonly #words: Uint32Array;
  readonly #bytes: Buffer;
  readonly #int64: BigInt64Array;
  readonly #float64: Float64Array;
  // One entry per column; positions in #words unless the name says bytes.
  readonly #types: Uint8Array;
  readonly #validity: Uint32Array;
  readonly #values: Uint32Array;
  readonly #heapStart: Uint32Array;
  readonly #heapCapacity: Uint32Array;
  readonly #heapUsed: Uint32Array;
  readonly #heapBacked: Uint32Array;
  readonly #validCount: Uint32Array;
  readonly #rowHeapUsed: Uint32Array;
  /** The last row that set the column, by its turn: nothing has to be cleared between rows. */
  readonly #setInTurn: Uint32Array;
  /** Columns with a heap: of the others nothing is used. */
  readonly #heapColumns: Uint8Array;
  readonly #min: Float64Array;
  readonly #max: Float64Array;
  readonly #dictionaries: readonly Map<string, number>[];
  readonly #rowCapacity: number;
  /** As the header has it, of which this is the only writer. */
  #rows = 0;
  #row = -1;
  /** Counts rows that were begun. */
  #turn = 0;
  #heapBytesFree = Number.POSITIVE_INFINITY;
  #dictionaryEntriesFree = Number.POSITIVE_INFINITY;

  /** @param segment an empty segment. */
  constructor(segment: SegmentFile) {
    assert(segment.stagedRows === 0, 'a row writer starts with an empty segment');
    const columns = segment.plan.columns;
    const perColumn = (value: (index: number) => number): Uint32Array =>
      Uint32Array.from(columns, (_, index) => value(index));
    this.#segment = segment;
    this.#words = segment.words;
    this.#bytes = Buffer.from(segment.region.buffer);
    this.#int64 = new BigInt64Array(segment.region.buffer);
    this.#float64 = new Float64Array(segment.region.buffer);
    this.#types = Uint8Array.from(columns, (column) => COLUMN_TYPE[column.type]);
    this.#validity = perColumn((index) => columns[index]!.validityOffset / 4);
    this.#values = perColumn((index) => columns[index]!.valuesOffset / 4);
    this.#heapStart = perColumn((index) => columns[index]!.heapOffset);
    this.#heapCapacity = perColumn((index) => columns[index]!.heapCapacity);
    this.#heapUsed = perColumn(() => 0);
    this.#heapBacked = perColumn(() => 0);
    this.#validCount = perColumn(() => 0);
    this.#rowHeapUsed = perColumn(() => 0);
    this.#setInTurn = perColumn(() => 0);
    const hasHeap = columns.map(({ heapCapacity }) => heapCapacity > 0);
    this.#heapColumns = Uint8Array.from(hasHeap.keys()).filter((column) => hasHeap[column]);
    this.#rowCapacity = segment.plan.rowCapacity;
    this.#min = new Float64Array(columns.length).fill(Number.POSITIVE_INFINITY);
    this.#max = new Float64Array(columns.length).fill(Number.NEGATIVE_INFINITY);
    this.#dictionaries = columns.map(() => new Map());
    for (const { heapCapacity, dictionaryCapacity } of columns) {
      if (heapCapacity > 0) this.#heapBytesFree = Math.min(this.#heapBytesFree, heapCapacity);
      if (dictionaryCapacity > 0) {
        this.#dictionaryEntriesFree = Math.min(this.#dictionaryEntriesFree, dictionaryCapacity);
      }
    }
  }

  /** Rows that can still be begun. */
  get rowsFree(): number {
    return this.#rowCapacity - this.#rows;
  }

  /** Bytes that still fit into every heap; Infinity without heaps. */
  get heapBytesFree(): number {
    return this.#heapBytesFree;
  }

  /** New strings that every dictionary still takes; Infinity without dictionaries. */
  get dictionaryEntriesFree(): number {
    return this.#dictionaryEntriesFree;
  }

  /** @throws TRIBUTARY_STORAGE_REGION_FULL when the file system has no room; nothing was begun. */
  beginRow(): void {
    const row = this.#rows;
    assert(row < this.#rowCapacity, 'a row is begun only where one is free');
    this.#segment.backRows(row + 1);
    this.#row = row;
    this.#turn += 1;
    this.#copyHeapUse(this.#heapUsed, this.#rowHeapUsed);
  }

  setU32(column: number, value: number): void {
    this.#mark(column, COLUMN_TYPE.uint32);
    this.#words[this.#values[column]! + this.#row] = value;
  }

  /** `value` is a whole number from 0 to 2^53. */
  setU64(column: number, value: number): void {
    this.#mark(column, COLUMN_TYPE.uint64);
    this.#setTwoWords(column, value);
  }

  /** `value` is a whole number between -2^53 and 2^53. */
  setI64(column: number, value: number): void {
    this.#mark(column, COLUMN_TYPE.int64);
    this.#setTwoWords(column, value);
  }

  setF64(column: number, value: number): void {
    this.#mark(column, COLUMN_TYPE.float64);
    this.#float64[this.#values[column]! / 2 + this.#row] = value;
  }

  setTimestamp(column: number, micros: number): void {
    this.#mark(column, COLUMN_TYPE.timestamp);
    this.#setTwoWords(column, micros);
  }

  /** Text of a utf8 column; a lone surrogate becomes U+FFFD. */
  setUtf8(column: number, text: string): void {
    this.#mark(column, COLUMN_TYPE.utf8);
    this.#writeHeap(column, text);
  }

  /** `text` is valid JSON. */
  setJson(column: number, text: string): void {
    this.#mark(column, COLUMN_TYPE.json);
    this.#writeHeap(column, text);
  }

  /** `bytes[start, end)`, which is valid UTF-8, of a utf8 column. */
  setUtf8Bytes(column: number, bytes: Uint8Array, start: number, end: number): void {
    this.#mark(column, COLUMN_TYPE.utf8);
    const at = this.#takeHeap(column, end - start);
    for (let index = start; index < end; index += 1)
      this.#bytes[at + index - start] = bytes[index]!;
  }

  /** Text of a dictionary column; one that is new to the segment becomes an entry of its own. */
  setDictionary(column: number, text: string): void {
    this.#mark(column, COLUMN_TYPE.dictionary);
    const dictionary = this.#dictionaries[column]!;
    let code = dictionary.get(text);
    if (code === undefined) {
      const plan = this.#segment.plan.columns[column]!;
      code = dictionary.size;
      assert(code < plan.dictionaryCapacity, 'a row is begun only where dictionaries have room');
      this.#writeHeap(column, text);
      this.#words[plan.dictionaryOffset / 4 + code + 1] = this.#rowHeapUsed[column]!;
      dictionary.set(text, code);
      const free = plan.dictionaryCapacity - dictionary.size;
      if (free < this.#dictionaryEntriesFree) this.#dictionaryEntriesFree = free;
      // An entry outlives a row that is not ended.
      this.#heapUsed[column] = this.#rowHeapUsed[column]!;
    }
    this.#words[this.#values[column]! + this.#row] = code;
  }

  /** The row is complete: it counts as staged. */
  endRow(): void {
    const row = this.#row;
    assert(row >= 0, 'a row is begun before it is ended');
    const word = row >>> 5;
    const bit = 1 << (row & 31);
    for (let column = 0; column < this.#types.length; column += 1) {
      const type = this.#types[column]!;
      if (type === COLUMN_TYPE.utf8 || type === COLUMN_TYPE.json) {
        this.#words[this.#values[column]! + row + 1] = this.#rowHeapUsed[column]!;
      }
      const validity = this.#validity[column]! + word;
      if (this.#setInTurn[column] === this.#turn) {
        this.#validCount[column]! += 1;
        this.#words[validity]! |= bit;
        if (type === COLUMN_TYPE.timestamp || type === COLUMN_TYPE.int64) this.#widen(column);
      } else {
        this.#words[validity]! &= ~bit;
      }
    }
    this.#copyHeapUse(this.#rowHeapUsed, this.#heapUsed);
    this.#row = -1;
    this.#rows = row + 1;
    this.#words[STAGED_ROWS] = row + 1;
  }

  /** Writes the counters of all columns into the header; due before rows are published or sealed. */
  flushCounters(): void {
    const rows = this.#rows;
    for (let column = 0; column < this.#types.length; column += 1) {
      const at = descriptorOffset(column);
      this.#words[(at + COLUMN_DESCRIPTOR.heapUsed) / 4] = this.#heapUsed[column]!;
      this.#words[(at + COLUMN_DESCRIPTOR.dictionaryCount) / 4] = this.#dictionaries[column]!.size;
      this.#words[(at + COLUMN_DESCRIPTOR.nullCount) / 4] = rows - this.#validCount[column]!;
      if (this.#min[column]! <= this.#max[column]!) {
        this.#int64[(at + COLUMN_DESCRIPTOR.min) / 8] = BigInt(this.#min[column]!);
        this.#int64[(at + COLUMN_DESCRIPTOR.max) / 8] = BigInt(this.#max[column]!);
      }
    }
  }

  #mark(column: number, type: number): void {
    assert(this.#row >= 0, 'columns are set between beginRow and endRow');
    assert(this.#types[column] === type, 'a column is set by the setter of its type');
    assert(this.#setInTurn[column] !== this.#turn, 'a column is set once a row');
    this.#setInTurn[column] = this.#turn;
  }

  /** For a handful of columns a loop takes less than the call that copies all. */
  #copyHeapUse(from: Uint32Array, to: Uint32Array): void {
    const columns = this.#heapColumns;
    for (let index = 0; index < columns.length; index += 1) {
      const column = columns[index]!;
      to[column] = from[column]!;
    }
  }

  #setTwoWords(column: number, value: number): void {
    const at = this.#values[column]! + 2 * this.#row;
    const high = Math.floor(value / WORD);
    this.#words[at] = value - high * WORD;
    this.#words[at + 1] = high;
  }

  #widen(column: number): void {
    const at = this.#values[column]! + 2 * this.#row;
    const value = (this.#words[at + 1]! | 0) * WORD + this.#words[at]!;
    if (value < this.#min[column]!) this.#min[column] = value;
    if (value > this.#max[column]!) this.#max[column] = value;
  }

  #writeHeap(column: number, text: string): void {
    // A UTF-16 unit takes at most three bytes of UTF-8; the exact length is counted only near the end.
    const used = this.#rowHeapUsed[column]!;
    const worst = text.length * 3;
    const room = this.#heapCapacity[column]! - used;
    const needed = worst <= room ? worst : Buffer.byteLength(text);
    this.#backHeap(column, used, needed);
    const written = this.#bytes.write(text, this.#heapStart[column]! + used);
    this.#useHeap(column, used + written);
  }

  /** Takes `bytes` of the column's heap. @returns where they start in the file. */
  #takeHeap(column: number, bytes: number): number {
    const used = this.#rowHeapUsed[column]!;
    this.#backHeap(column, used, bytes);
    this.#useHeap(column, used + bytes);
    return this.#heapStart[column]! + used;
  }

  #useHeap(column: number, used: number): void {
    this.#rowHeapUsed[column] = used;
    const free = this.#heapCapacity[column]! - used;
    if (free < this.#heapBytesFree) this.#heapBytesFree = free;
  }

  #backHeap(column: number, used: number, bytes: number): void {
    const end = used + bytes;
    const backed = this.#heapBacked[column]!;
    if (end <= backed) return;
    const capacity = this.#heapCapacity[column]!;
    assert(end <= capacity, 'a row is begun only where its strings fit');
    const until = Math.min(alignUp(end, HEAP_STEP_BYTES), capacity);
    this.#segment.back(this.#heapStart[column]! + backed, until - backed);
    this.#heapBacked[column] = until;
  }
}
