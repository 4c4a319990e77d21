/** Reads staged rows of a segment column by column, straight from the format: slow and obvious. */

import type { SegmentFile } from '../../storage/segment-file.ts';
import { COLUMN_TYPE } from '../../storage/segment-format.ts';

export type Cell = string | number | bigint | null;
export type Row = Readonly<Record<string, Cell>> & { readonly hidden: boolean };

/** As much of a segment as reading takes. */
export interface ReadableSegment extends Pick<SegmentFile, 'plan' | 'stagedRows'> {
  readonly region: { readonly buffer: ArrayBuffer };
}

/** The staged rows from `first` on, hidden ones included; timestamps and 64-bit numbers as bigint. */
export function readRows(segment: ReadableSegment, first = 0): Row[] {
  const { plan, stagedRows, region } = segment;
  const view = new DataView(region.buffer);
  const bit = (offset: number, row: number): boolean =>
    ((view.getUint8(offset + (row >> 3)) >> (row & 7)) & 1) === 1;
  const text = (start: number, end: number): string =>
    Buffer.from(region.buffer, start, end - start).toString('utf8');

  return Array.from({ length: stagedRows - first }, (_, index) => {
    const row = first + index;
    const cells: Record<string, Cell> = {};
    for (const column of plan.columns) {
      const at = column.valuesOffset + row * column.valueBytes;
      const read = (): Cell => {
        switch (COLUMN_TYPE[column.type]) {
          case COLUMN_TYPE.uint32:
            return view.getUint32(at, true);
          case COLUMN_TYPE.uint64:
            return view.getBigUint64(at, true);
          case COLUMN_TYPE.float64:
            return view.getFloat64(at, true);
          case COLUMN_TYPE.utf8:
          case COLUMN_TYPE.json:
            return text(
              column.heapOffset + view.getUint32(at, true),
              column.heapOffset + view.getUint32(at + 4, true),
            );
          case COLUMN_TYPE.dictionary: {
            const entry = column.dictionaryOffset + 4 * view.getUint32(at, true);
            return text(
              column.heapOffset + view.getUint32(entry, true),
              column.heapOffset + view.getUint32(entry + 4, true),
            );
          }
          default:
            return view.getBigInt64(at, true);
        }
      };
      cells[column.name] = bit(column.validityOffset, row) ? read() : null;
    }
    return { ...cells, hidden: bit(plan.maskOffset, row) } as Row;
  });
}
