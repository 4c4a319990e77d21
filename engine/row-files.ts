/**
 * In which files of the lake rows can be, by the bounds that manifests have of each file's columns: no file
 * is opened. A flush makes files of disjoint sequences and compaction sorts by anchor, so that a row is in one
 * of them; two at the border of two files of one anchor.
 */
import type { DataFile } from '../storage/lake/data-file.ts';
import type { LakeTable } from '../storage/lake/lake-table.ts';

/** Values of a row by the names of their columns. */
export type RowValues = Readonly<Record<string, number>>;

/** @returns of each row the locations of the live files that can hold it. */
export async function filesOfRows(
  table: Pick<LakeTable, 'liveFiles' | 'schema'>,
  rows: readonly RowValues[],
): Promise<readonly (readonly string[])[]> {
  if (rows.length === 0) return [];
  const files = await table.liveFiles();
  const ids = new Map(table.schema.columns.map(({ id, name }) => [name, id]));
  return rows.map((row) => {
    const values = Object.entries(row).map(([name, value]) => [ids.get(name) ?? 0, value] as const);
    return files.filter((file) => canHold(file, values)).map(({ location }) => location);
  });
}

/** What is not known of a file excludes nothing. */
function canHold(file: DataFile, values: readonly (readonly [number, number])[]): boolean {
  return values.every(([id, value]) => {
    const { lower, upper } = file.columns.get(id) ?? {};
    return !(Number(lower ?? value) > value || Number(upper ?? value) < value);
  });
}
