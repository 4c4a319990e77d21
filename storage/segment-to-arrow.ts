/**
 * Rows of a segment slice as an Arrow record batch, and what they add to the bounds of their file.
 *
 * Columns are found in the segment by name. A slice that goes out whole keeps its buffers as they were
 * read. `uint64` and `uint32` become signed without a change of bits: see storage/lake/schema.ts.
 */
import { assert } from '../base/assert.ts';
import {
  type Data,
  type DataType,
  Dictionary,
  Field,
  Float64,
  Int32,
  Int64,
  makeData,
  RecordBatch,
  Schema,
  Struct,
  TimestampMicrosecond,
  Utf8,
  Vector,
} from './arrow.ts';
import type { ColumnBounds } from './column-bounds.ts';
import { gatherBits, gatherTexts, gatherValues, isWhole, type RowRuns } from './row-runs.ts';
import type { ColumnPlan, ColumnType } from './segment-format.ts';
import type { SegmentSlice } from './segment-slice.ts';

/** A column of a data file: how its hot rows are stored, and what the lake calls it. */
export interface FlushColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly fieldId: number;
  /** Then its values never reach a bound. */
  readonly personal: boolean;
}

/** The schema of a file's record batches; each field carries its id in the lake. */
export function arrowSchema(columns: readonly FlushColumn[]): Schema {
  return new Schema(
    columns.map(({ name, type, fieldId }, index) => {
      const metadata = new Map([['PARQUET:field_id', String(fieldId)]]);
      return new Field(name, arrowType(type, index), true, metadata);
    }),
  );
}

/** The rows of `runs`, and `bounds[i]` widened to what column i holds. */
export async function toRecordBatch(
  slice: SegmentSlice,
  runs: RowRuns,
  columns: readonly FlushColumn[],
  schema: Schema,
  bounds: readonly ColumnBounds[],
): Promise<RecordBatch> {
  const children: Data[] = [];
  for (const [index, column] of columns.entries()) {
    const type = schema.fields[index]!.type;
    const plan = slice.plan.columns.find((candidate) => candidate.name === column.name);
    assert(plan?.type === column.type, `${column.name} is a ${column.type} column of the segment`);
    children.push(await readColumn(slice, plan, runs, type, column.personal, bounds[index]!));
  }
  const struct = new Struct(schema.fields);
  return new RecordBatch(
    schema,
    makeData({ type: struct, length: runs.count, nullCount: 0, children }),
  );
}

function arrowType(type: ColumnType, dictionaryId: number): DataType {
  switch (type) {
    case 'int64':
    case 'uint64':
      return new Int64();
    case 'uint32':
      return new Int32();
    case 'float64':
      return new Float64();
    case 'timestamp':
      return new TimestampMicrosecond('UTC');
    case 'utf8':
    case 'json':
      return new Utf8();
    case 'dictionary':
      return new Dictionary(new Utf8(), new Int32(), dictionaryId);
  }
}

async function readColumn(
  slice: SegmentSlice,
  plan: ColumnPlan,
  runs: RowRuns,
  type: DataType,
  personal: boolean,
  bounds: ColumnBounds,
): Promise<Data> {
  const whole = isWhole(runs, slice.rowCount);
  const bits = await slice.validityBits(plan);
  const validity = whole ? bits : gatherBits(bits, runs);
  const nullCount = runs.count - countBits(validity, runs.count);
  bounds.count(runs.count, nullCount);
  const nullBitmap = nullCount === 0 ? undefined : validity;
  const common = {
    length: runs.count,
    nullCount,
    ...(nullBitmap !== undefined && { nullBitmap }),
  };
  if (plan.type === 'utf8' || plan.type === 'json') {
    const read = await slice.texts(plan);
    const { offsets, bytes } = whole && read.offsets[0] === 0 ? read : gatherTexts(read, runs);
    return makeData({ type: type as Utf8, ...common, valueOffsets: offsets, data: bytes });
  }
  const read = await slice.values(plan);
  const values = whole ? read : gatherValues(read, plan.valueBytes, runs);
  if (plan.type === 'dictionary') {
    const entries = await slice.dictionary(plan);
    if (!personal && nullCount < runs.count) addEntries(bounds, entries);
    return makeData({
      type: type as Dictionary<Utf8, Int32>,
      ...common,
      data: wordsOf(values),
      dictionary: new Vector([textData(entries)]),
    });
  }
  if (plan.type === 'float64') {
    const data = new Float64Array(values.buffer, values.byteOffset, runs.count);
    return makeData({ type: type as Float64, ...common, data });
  }
  const words = wordsOf(values);
  if (plan.type === 'uint32') {
    if (!personal) bounds.addIntegers(words, nullBitmap);
    return makeData({ type: type as Int32, ...common, data: words });
  }
  if (!personal) bounds.addWords(words, nullBitmap);
  const data = new BigInt64Array(values.buffer, values.byteOffset, runs.count);
  return makeData({ type: type as Int64, ...common, data });
}

function textData({ offsets, bytes }: { offsets: Int32Array; bytes: Uint8Array }): Data<Utf8> {
  const length = offsets.length - 1;
  return makeData({ type: new Utf8(), length, nullCount: 0, valueOffsets: offsets, data: bytes });
}

function addEntries(
  bounds: ColumnBounds,
  { offsets, bytes }: { offsets: Int32Array; bytes: Uint8Array },
): void {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let entry = 0; entry + 1 < offsets.length; entry += 1) {
    bounds.add(
      text.toString('utf8', offsets[entry]! - offsets[0]!, offsets[entry + 1]! - offsets[0]!),
    );
  }
}

function wordsOf(values: Uint8Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length / 4);
}

/** Bits set among the first `count`. */
function countBits(bits: Uint8Array, count: number): number {
  let set = 0;
  for (let row = 0; row < count; row += 1) {
    if ((row & 7) === 0 && row + 8 <= count && bits[row >> 3] === 0xff) {
      set += 8;
      row += 7;
      continue;
    }
    set += (bits[row >> 3]! >> (row & 7)) & 1;
  }
  return set;
}
