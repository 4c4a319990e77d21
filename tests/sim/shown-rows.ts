/**
 * The visible rows of a table as plain values: numbers, text and null. A count of microseconds or a
 * sequence is below 2^53 here, so a number carries it; rows are the same wherever they lie.
 */
import type { HotTable } from '../../storage/hot-table.ts';
import type { RowCondition } from '../../storage/row-condition.ts';
import { type Row, readRows } from '../support/read-rows.ts';

export type ShownCell = string | number | null;
export type ShownRow = Readonly<Record<string, ShownCell>>;

/** What a query sees of the hot part of a table, in the order of its rows. */
export function hotRows({ segments, floorRow, publishedRows }: HotTable): ShownRow[] {
  const rows: ShownRow[] = [];
  for (const segment of segments) {
    readRows(segment).forEach((row, index) => {
      const tableRow = segment.firstRow + index;
      if (tableRow < floorRow || tableRow >= publishedRows || !isVisible(row)) return;
      rows.push(plainRow(row));
    });
  }
  return rows;
}

/** Whether one of the conditions names the row. */
export function isNamed(row: ShownRow, conditions: readonly RowCondition[]): boolean {
  return conditions.some(({ column, values }) => {
    const cell = row[column];
    return typeof cell === 'number' && values.includes(cell);
  });
}

export function isVisible(row: Row): boolean {
  return !row.hidden;
}

/** Without the mask's bit, which is not a column. */
export function plainRow({ hidden: _, ...cells }: Row): ShownRow {
  return Object.fromEntries(
    Object.entries(cells).map(([column, cell]) => [
      column,
      typeof cell === 'bigint' ? Number(cell) : (cell as ShownCell),
    ]),
  );
}
