/**
 * Files of {@link plainEncoder} written anew, at the port where the appliance starts a process that does it with
 * Parquet: the same rows in one file, sorted, through the file system that the simulation sees.
 */
import { type FileSystem, readFile } from '../../storage/file-system.ts';
import type { FileRewriter, RewriteRequest } from '../../storage/lake/file-rewriter.ts';
import { decodePlain, plainMetrics, writeLines } from './plain-encoder.ts';
import type { ShownRow } from './shown-rows.ts';

/** @param keep which of the rows; all but those that are to be left out unless given. */
export function plainRewriter(
  fileSystem: FileSystem,
  keep: (rows: readonly ShownRow[]) => readonly ShownRow[] = (rows) => rows,
): FileRewriter {
  return {
    async rewrite({ inputs, output, columns, sortBy, except = [] }: RewriteRequest) {
      const rows: ShownRow[] = [];
      for (const path of inputs) rows.push(...decodePlain(await readFile(fileSystem, path)));
      const isKept = (row: ShownRow): boolean =>
        !except.some(({ column, values }) => values.includes(Number(row[column])));
      const kept = keep(rows.filter(isKept).sort(by(sortBy)));
      await writeLines(fileSystem, output, kept);
      const metrics = plainMetrics(columns, kept.length);
      return { inputRows: rows.length, rows: kept.length, columns: metrics, splitOffsets: [] };
    },
    close: () => Promise.resolve(),
  };
}

/** Ascending by the first column that differs, nulls first. */
function by(columns: readonly string[]): (a: ShownRow, b: ShownRow) => number {
  return (a, b) => {
    for (const column of columns) {
      const [left, right] = [a[column] ?? null, b[column] ?? null];
      if (left === right) continue;
      if (left === null || right === null) return left === null ? -1 : 1;
      return left < right ? -1 : 1;
    }
    return 0;
  };
}
