/** Reads single values out of a segment by its writer: for answers and diagnostics, not for scans. */
import { assert } from '../base/assert.ts';
import type { SegmentFile } from './segment-file.ts';
import type { ColumnPlan } from './segment-format.ts';

/** The text of a staged row in a utf8 or json column; null when it has none. */
export function readText(segment: SegmentFile, columnName: string, row: number): string | null {
  const column = columnOf(segment, columnName, row);
  assert(column.valueBytes === 4 && column.heapCapacity > 0, `${columnName} holds text`);
  return isNull(segment, column, row) ? null : textAt(segment, column, column.valuesOffset, row);
}

/** The text of a staged row in a dictionary column; null when it has none. */
export function readDictionary(
  segment: SegmentFile,
  columnName: string,
  row: number,
): string | null {
  const column = columnOf(segment, columnName, row);
  assert(column.dictionaryCapacity > 0, `${columnName} has a dictionary`);
  if (isNull(segment, column, row)) return null;
  const code = segment.words[column.valuesOffset / 4 + row]!;
  return textAt(segment, column, column.dictionaryOffset, code);
}

/** The number of a staged row in a uint64 or timestamp column without nulls, below 2^53. */
export function readU64(segment: SegmentFile, columnName: string, row: number): number {
  const column = columnOf(segment, columnName, row);
  assert(column.valueBytes === 8, `${columnName} holds 64-bit numbers`);
  const word = column.valuesOffset / 4 + 2 * row;
  return segment.words[word]! + segment.words[word + 1]! * 2 ** 32;
}

function columnOf(segment: SegmentFile, columnName: string, row: number): ColumnPlan {
  const column = segment.plan.columns.find(({ name }) => name === columnName);
  assert(column !== undefined, `${segment.plan.schema.name} has a column ${columnName}`);
  assert(row < segment.stagedRows, 'only staged rows are read');
  return column;
}

function isNull({ words }: SegmentFile, column: ColumnPlan, row: number): boolean {
  return (words[column.validityOffset / 4 + (row >>> 5)]! & (1 << (row & 31))) === 0;
}

/** The text between two entries of an array of offsets into the heap. */
function textAt(
  { words }: SegmentFile,
  column: ColumnPlan,
  offsetsOffset: number,
  index: number,
): string {
  const start = words[offsetsOffset / 4 + index]!;
  const end = words[offsetsOffset / 4 + index + 1]!;
  return Buffer.from(words.buffer, column.heapOffset + start, end - start).toString('utf8');
}
