/**
 * The layout of a hot segment file, in TypeScript: the twin of native/src/segment_format.h.
 *
 * A segment is planned before it exists: {@link planSegment} turns a schema into offsets, as plain
 * data, and the writer, the decoder and the tests all work from that plan. The file is sparse: heaps
 * are reserved for the largest content a column may get, and only what is written takes memory.
 *
 * - Every buffer starts on a page; offsets are bytes from the start of the file, little-endian.
 * - A whole segment stays below 4 GiB, so that u32 string offsets and one JavaScript view reach it all.
 * - tests/native/segment-format.test.ts compiles the C++ header and compares every number here.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { alignUp, GIB, MIB } from '../base/units.ts';

export const FORMAT_VERSION = 1;
export const PAGE_BYTES = 4096;

/** Numbers of the column types in the file. */
export const COLUMN_TYPE = Object.freeze({
  int64: 1,
  uint64: 2,
  uint32: 3,
  float64: 4,
  /** i64, microseconds since 1970-01-01T00:00:00Z. */
  timestamp: 5,
  utf8: 6,
  /** As utf8; the text is valid JSON. */
  json: 7,
  /** u32 codes into an append-only dictionary of UTF-8 strings, one dictionary a segment. */
  dictionary: 8,
});
export type ColumnType = keyof typeof COLUMN_TYPE;

export const SEGMENT_MAGIC = 'TRIBSEG\0';
export const SEGMENT_HEADER = Object.freeze({
  magic: 0,
  formatVersion: 8,
  columnCount: 12,
  segmentId: 16,
  firstRow: 24,
  rowCapacity: 32,
  sealed: 36,
  stagedRows: 40,
  schemaId: 44,
  maskOffset: 48,
  hiddenCount: 56,
  reserved: 60,
  fileBytes: 64,
  bytes: 72,
});

/** Offsets inside one column descriptor; descriptors start at PAGE_BYTES. */
export const COLUMN_DESCRIPTOR = Object.freeze({
  name: 0,
  type: 48,
  nullCount: 52,
  validityOffset: 56,
  valuesOffset: 64,
  heapOffset: 72,
  heapCapacity: 80,
  heapUsed: 88,
  dictionaryOffset: 96,
  dictionaryCapacity: 104,
  dictionaryCount: 108,
  min: 112,
  max: 120,
  bytes: 128,
});
export const NAME_BYTES_MAX = 47;

export interface ColumnSchema {
  readonly name: string;
  readonly type: ColumnType;
}

export interface TableSchema {
  /** Also the start of the names of its segment files: lower case, digits and `_`. */
  readonly name: string;
  readonly schemaId: number;
  readonly columns: readonly ColumnSchema[];
}

/** Where one column lies. Offsets and lengths in bytes; 0 for what the type does not have. */
export interface ColumnPlan extends ColumnSchema {
  readonly validityOffset: number;
  readonly valuesOffset: number;
  /** Bytes of one row in the values buffer: 4 or 8. */
  readonly valueBytes: number;
  readonly heapOffset: number;
  readonly heapCapacity: number;
  readonly dictionaryOffset: number;
  readonly dictionaryCapacity: number;
}

export interface SegmentPlan {
  readonly schema: TableSchema;
  readonly rowCapacity: number;
  readonly maskOffset: number;
  readonly bitmapBytes: number;
  readonly columns: readonly ColumnPlan[];
  /** Reserved length of the file; a multiple of PAGE_BYTES. */
  readonly fileBytes: number;
}

/** Bytes reserved for the strings of one column, by type. */
export interface HeapCapacities {
  readonly utf8: number;
  readonly json: number;
  readonly dictionary: number;
}

export const HEAP_CAPACITIES: HeapCapacities = {
  utf8: 64 * MIB,
  json: 96 * MIB,
  dictionary: 8 * MIB,
};

/**
 * Lays out a segment of `schema`. The capacities are smaller only where a test wants a segment to be
 * full soon, or to cost little.
 */
export function planSegment(
  schema: TableSchema,
  rowCapacity: number = LIMITS.segmentRowsMax,
  heaps: HeapCapacities = HEAP_CAPACITIES,
  dictionaryEntries: number = LIMITS.dictionaryEntriesMax,
): SegmentPlan {
  assert(
    rowCapacity >= 1 && rowCapacity <= LIMITS.segmentRowsMax,
    'a segment has 1 to 122,880 rows',
  );
  assert(schema.columns.length <= LIMITS.columnsMax, 'a table has at most 256 columns');

  let end = PAGE_BYTES + schema.columns.length * COLUMN_DESCRIPTOR.bytes;
  const take = (bytes: number): number => {
    const offset = alignUp(end, PAGE_BYTES);
    end = offset + bytes;
    return offset;
  };

  const bitmapBytes = alignUp(rowCapacity, 64) / 8;
  const maskOffset = take(bitmapBytes);
  const columns = schema.columns.map((column): ColumnPlan => {
    const heapCapacity = heapCapacityOf(column.type, heaps);
    const dictionaryCapacity = column.type === 'dictionary' ? dictionaryEntries : 0;
    const valueBytes = valueBytesOf(column.type);
    return {
      name: column.name,
      type: column.type,
      validityOffset: take(bitmapBytes),
      // Strings have one offset more than rows.
      valuesOffset: take(valueBytes * (hasOffsets(column.type) ? rowCapacity + 1 : rowCapacity)),
      valueBytes,
      heapOffset: heapCapacity === 0 ? 0 : take(heapCapacity),
      heapCapacity,
      dictionaryOffset: dictionaryCapacity === 0 ? 0 : take(4 * (dictionaryCapacity + 1)),
      dictionaryCapacity,
    };
  });
  const fileBytes = alignUp(end, PAGE_BYTES);
  assert(fileBytes < 4 * GIB, 'a segment is below 4 GiB');
  return { schema, rowCapacity, maskOffset, bitmapBytes, columns, fileBytes };
}

/** Writes the header and the descriptors of an empty segment into the start of `buffer`. */
export function writeSegmentHeader(
  buffer: ArrayBuffer,
  plan: SegmentPlan,
  segmentId: number,
  firstRow: number,
): void {
  const view = new DataView(buffer);
  const bytes = new Uint8Array(buffer);
  writeText(bytes, SEGMENT_HEADER.magic, SEGMENT_MAGIC);
  view.setUint32(SEGMENT_HEADER.formatVersion, FORMAT_VERSION, true);
  view.setUint32(SEGMENT_HEADER.columnCount, plan.columns.length, true);
  view.setBigUint64(SEGMENT_HEADER.segmentId, BigInt(segmentId), true);
  view.setBigUint64(SEGMENT_HEADER.firstRow, BigInt(firstRow), true);
  view.setUint32(SEGMENT_HEADER.rowCapacity, plan.rowCapacity, true);
  view.setUint32(SEGMENT_HEADER.schemaId, plan.schema.schemaId, true);
  view.setBigUint64(SEGMENT_HEADER.maskOffset, BigInt(plan.maskOffset), true);
  view.setBigUint64(SEGMENT_HEADER.fileBytes, BigInt(plan.fileBytes), true);

  plan.columns.forEach((column, index) => {
    const at = descriptorOffset(index);
    writeText(bytes, at + COLUMN_DESCRIPTOR.name, column.name);
    view.setUint8(at + COLUMN_DESCRIPTOR.type, COLUMN_TYPE[column.type]);
    const set = (field: number, value: number): void =>
      view.setBigUint64(at + field, BigInt(value), true);
    set(COLUMN_DESCRIPTOR.validityOffset, column.validityOffset);
    set(COLUMN_DESCRIPTOR.valuesOffset, column.valuesOffset);
    set(COLUMN_DESCRIPTOR.heapOffset, column.heapOffset);
    set(COLUMN_DESCRIPTOR.heapCapacity, column.heapCapacity);
    set(COLUMN_DESCRIPTOR.dictionaryOffset, column.dictionaryOffset);
    view.setUint32(at + COLUMN_DESCRIPTOR.dictionaryCapacity, column.dictionaryCapacity, true);
    // No value yet: min above max.
    view.setBigInt64(at + COLUMN_DESCRIPTOR.min, 2n ** 63n - 1n, true);
    view.setBigInt64(at + COLUMN_DESCRIPTOR.max, -(2n ** 63n), true);
  });
}

/** Byte offset of the descriptor of column `index`. */
export function descriptorOffset(index: number): number {
  return PAGE_BYTES + index * COLUMN_DESCRIPTOR.bytes;
}

/** Whether the values of a type are string offsets, one more than rows. */
export function hasOffsets(type: ColumnType): boolean {
  return type === 'utf8' || type === 'json';
}

/** Writes `text` as UTF-8 at `offset`; the caller's buffer was zeroed, so a name is NUL-padded. */
export function writeText(bytes: Uint8Array, offset: number, text: string): void {
  const encoded = new TextEncoder().encode(text);
  assert(encoded.length <= NAME_BYTES_MAX, 'a name has at most 47 bytes');
  bytes.set(encoded, offset);
}

/** The names of the files in a hot directory. */
export const REGISTRY_FILE = 'tables.registry';

export function segmentFile(table: string, segmentId: number): string {
  return `${table}-${segmentId}.seg`;
}

export function arrayFile(name: string): string {
  return `${name}.array`;
}

function valueBytesOf(type: ColumnType): number {
  return type === 'uint32' || type === 'dictionary' || hasOffsets(type) ? 4 : 8;
}

function heapCapacityOf(type: ColumnType, heaps: HeapCapacities): number {
  if (type === 'utf8') return heaps.utf8;
  if (type === 'json') return heaps.json;
  return type === 'dictionary' ? heaps.dictionary : 0;
}
