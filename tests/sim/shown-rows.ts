/**
 * The visible rows of a table as plain values: numbers, text and null. A count of microseconds or a
 * sequence is below 2^53 here, so a number carries it; rows are the same wherever they lie.
 */
import type { HotTable } from '../../storage/hot-table.ts';
import type { Row } from '../support/read-rows.ts';
import { readRows } from '../support/read-rows.ts';

export type ShownCell = string | number | null;
export type ShownRow = Readonly<Record<string, ShownCell>>;

/** What a query sees of a table, in the order of its rows. */
export function shownRows(table: HotTable): ShownRow[] {
  const rows = table.segments.flatMap((segment) => readRows(segment));
  return rows.slice(0, table.publishedRows).filter(isVisible).map(plainRow);
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
