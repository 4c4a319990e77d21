/**
 * The columns of a record batch as the native writer of rows takes them: of the types that most files
 * consist of. What it does not take is written by event-columns.ts, which knows every type.
 */
import type { NativeColumn, NativeColumnRows } from '../native/index.ts';
import { type Data, DataType, type RecordBatch } from '../storage/arrow.ts';
import { TICKS_PER_SECOND } from '../storage/arrow-metadata.ts';
import { keyOf, kindOf, newNativeRows, placeOf } from './native-rows.ts';

/** Arrow's own recommendation for the length of an array, and what fits a word of ours. */
const ROWS_MAX = 2 ** 31 - 1;

/**
 * A writer of the batch's rows; undefined when a column is of a type that it does not take.
 * @throws RangeError for columns that contradict themselves.
 */
export function nativeRowsOf(
  batch: RecordBatch,
  rows: NativeColumnRows = newNativeRows(),
): NativeColumnRows | undefined {
  const { numRows } = batch;
  if (!(numRows >= 0 && numRows <= ROWS_MAX)) throw new RangeError(`a batch of ${numRows} rows`);
  const columns: NativeColumn[] = [];
  for (const [index, { name }] of batch.schema.fields.entries()) {
    const data = batch.data.children[index];
    if (data === undefined) throw new RangeError(`column ${name} has no values`);
    const column = columnOf(data);
    if (column === undefined) return undefined;
    columns.push({ ...column, ...placeOf(name) });
  }
  const failure = rows.attach(columns, numRows);
  if (failure !== '') throw new RangeError(failure);
  return rows;
}

/** Without its key. */
type NamelessColumn = Omit<NativeColumn, 'key'>;

function columnOf(data: Data): NamelessColumn | undefined {
  const values = valuesOf(data);
  if (values === undefined) return undefined;
  const { nullBitmap, nullCount, offset } = data;
  const hasNulls = nullCount !== 0 && nullBitmap !== undefined && nullBitmap.length > 0;
  return {
    firstBit: offset,
    validity: hasNulls ? nullBitmap : undefined,
    ...values,
  };
}

/** What is particular to the type. */
function valuesOf(data: Data): NamelessColumn | undefined {
  const { type, values } = data;
  if (DataType.isNull(type)) return { kind: kindOf('null') };
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return textOf(data);
  if (DataType.isDictionary(type)) return dictionaryOf(data);
  if (DataType.isInt(type)) {
    const valueBytes = (values as NodeJS.TypedArray).BYTES_PER_ELEMENT;
    return { kind: kindOf('integer'), values, valueBytes, isSigned: type.isSigned };
  }
  // Precision 0 is a half: 16 bits.
  if (DataType.isFloat(type) && type.precision > 0) {
    return { kind: kindOf('float'), values, valueBytes: type.precision === 1 ? 4 : 8 };
  }
  if (DataType.isBool(type)) return { kind: kindOf('boolean'), values };
  if (DataType.isTimestamp(type)) {
    const ticksPerSecond = TICKS_PER_SECOND[type.unit];
    return { kind: kindOf('timestamp'), values, valueBytes: 8, isSigned: true, ticksPerSecond };
  }
  return DataType.isStruct(type) ? structOf(data) : undefined;
}

function textOf({ values, valueOffsets }: Data): NamelessColumn {
  const offsets = valueOffsets as NodeJS.TypedArray;
  return { kind: kindOf('text'), values, offsets, valueBytes: offsets.BYTES_PER_ELEMENT };
}

/** Of texts without nulls in one piece, whose positions cannot be negative once they are checked. */
function dictionaryOf(data: Data): NamelessColumn | undefined {
  const chunks = data.dictionary?.data ?? [];
  const [texts] = chunks;
  if (chunks.length !== 1 || texts === undefined || texts.nullCount !== 0) return undefined;
  if (!DataType.isUtf8(texts.type) && !DataType.isLargeUtf8(texts.type)) return undefined;
  const indices = data.values as NodeJS.TypedArray;
  return {
    ...textOf(texts),
    indices,
    indexBytes: indices.BYTES_PER_ELEMENT,
    entries: texts.length,
  };
}

function structOf(data: Data): NamelessColumn | undefined {
  const fields = DataType.isStruct(data.type) ? data.type.children : [];
  const children: NativeColumn[] = [];
  for (const [index, { name }] of fields.entries()) {
    const child = data.children[index];
    if (child === undefined) throw new RangeError('a nested column has no values');
    const column = columnOf(child);
    if (column === undefined) return undefined;
    children.push({ ...column, key: keyOf(name) });
  }
  return { kind: kindOf('struct'), children };
}
