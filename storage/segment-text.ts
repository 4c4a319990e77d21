/** Reads single strings out of a segment by its writer: for answers and diagnostics, not for scans. */
import { assert } from '../base/assert.ts';
import type { SegmentFile } from './segment-file.ts';

/** The text of a staged row in a utf8 or json column; null when it has none. */
export function readText(segment: SegmentFile, columnName: string, row: number): string | null {
  const column = segment.plan.columns.find((candidate) => candidate.name === columnName);
  assert(column !== undefined && column.heapCapacity > 0, `${columnName} holds text`);
  assert(row < segment.stagedRows, 'only staged rows are read');
  const { words } = segment;
  const valid = words[column.validityOffset / 4 + (row >>> 5)]! & (1 << (row & 31));
  if (valid === 0) return null;
  const start = words[column.valuesOffset / 4 + row]!;
  const end = words[column.valuesOffset / 4 + row + 1]!;
  return Buffer.from(words.buffer, column.heapOffset + start, end - start).toString('utf8');
}
