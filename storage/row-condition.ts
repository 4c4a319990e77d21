/**
 * Rows of a table that are named by the numbers in their columns: how an erasure says which rows it is
 * about, wherever they are. Hot rows are found here; cold ones are left out by queries and by rewrites, which
 * make SQL of the same conditions (query/cold-source.ts).
 *
 * - A row is named when any condition names it; null names nothing.
 * - Numbers are whole, and below 2^53; 0 stands for null in `uint32` columns.
 */
import { assert } from '../base/assert.ts';
import type { SegmentFile } from './segment-file.ts';

/** Rows with one of `values` in `column`. */
export interface RowCondition {
  readonly column: string;
  readonly values: readonly number[];
}

/** By table; tables that are not named are not touched. */
export type NamedRows = Readonly<Record<string, readonly RowCondition[]>>;

const HIGH_WORD = 2 ** 32;

/** Calls `found` with each row of [fromRow, toRow) of `segment` that a condition names, perhaps more than once. */
export function eachNamedRow(
  segment: SegmentFile,
  conditions: readonly RowCondition[],
  fromRow: number,
  toRow: number,
  found: (row: number) => void,
): void {
  const { plan, words } = segment;
  for (const { column: name, values } of conditions) {
    if (values.length === 0) continue;
    const column = plan.columns.find((candidate) => candidate.name === name);
    assert(column !== undefined, `${plan.schema.name} has a column ${name}`);
    const isWide = column.type === 'uint64';
    assert(isWide || column.type === 'uint32', 'rows are named by whole numbers');
    const wanted = new Set(values);
    const first = column.valuesOffset / 4;
    for (let row = fromRow; row < toRow; row += 1) {
      const value = isWide
        ? words[first + 2 * row]! + words[first + 2 * row + 1]! * HIGH_WORD
        : words[first + row]!;
      if (wanted.has(value)) found(row);
    }
  }
}

/** The conditions of both, one behind another. */
export function joinNamedRows(a: NamedRows, b: NamedRows): NamedRows {
  const joined: Record<string, readonly RowCondition[]> = { ...a };
  for (const [table, conditions] of Object.entries(b)) {
    joined[table] = [...(joined[table] ?? []), ...conditions];
  }
  return joined;
}
