/**
 * Files of {@link plainEncoder} written anew, at the port where the appliance starts a process that does it with
 * Parquet: the same rows in one file, sorted, through the file system that the simulation sees.
 */
import { type FileSystem, readFile } from '../../storage/file-system.ts';
import type { FileRewriter, RewriteRequest } from '../../storage/lake/file-rewriter.ts';
import { decodePlain, plainMetrics, writeLines } from './plain-encoder.ts';
import type { Sabotage } from './sabotage.ts';
import { isNamed, type ShownRow } from './shown-rows.ts';

export function plainRewriter(
  fileSystem: FileSystem,
  { rewritten = (rows) => rows, keepsErased = false }: Sabotage = {},
): FileRewriter {
  return {
    async rewrite({ inputs, output, columns, sortBy, except = [] }: RewriteRequest) {
      const rows: ShownRow[] = [];
      for (const path of inputs) rows.push(...decodePlain(await readFile(fileSystem, path)));
      const wanted = rows.filter((row) => keepsErased || !isNamed(row, except));
      const kept = rewritten(wanted.sort(by(sortBy)));
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
