/** What a statement reads, in words: the row that EXPLAIN and EXPLAIN ANALYZE have beside DuckDB's plan. */
import { formatBytes } from '../base/units.ts';
import { quoteText } from './cold-source.ts';
import type { QueryStatistics } from './result-formats.ts';
import type { TableReads } from './table-snapshots.ts';

/** A row of the two columns of an EXPLAIN, as SQL. @param statistics what was read, once it was. */
export function readsRow(
  tables: readonly TableReads[],
  statistics: QueryStatistics | null,
): string {
  const lines = tables.flatMap(linesOf);
  if (statistics !== null) lines.push(...measured(statistics));
  if (lines.length === 0) lines.push('nothing of the appliance is read');
  return `SELECT 'reads' AS explain_key, ${quoteText(lines.join('\n'))} AS explain_value`;
}

function linesOf({ table, cold, hasHotRows, bounds }: TableReads): string[] {
  const files = cold.filesRead + cold.filesSkipped;
  const rowGroups = cold.rowGroupsRead + cold.rowGroupsSkipped;
  const bytes = formatBytes(cold.bytesRead + cold.bytesSkipped);
  const hot = hasHotRows ? 'hot rows' : 'no hot rows';
  return [
    `${table}: ${hot}, ${cold.filesRead} of ${files} files` +
      ` (${cold.rowGroupsRead} of ${rowGroups} row groups, ${formatBytes(cold.bytesRead)} of ${bytes})`,
    ...bounds.map((bound) => `  bounded by ${bound}`),
  ];
}

function measured(statistics: QueryStatistics): string[] {
  const { rowsScanned, segmentsScanned, segmentsSkipped, bytesFetched } = statistics;
  const segments = segmentsScanned + segmentsSkipped;
  return [
    `scanned ${rowsScanned} hot rows, in ${segmentsScanned} of ${segments} segments`,
    ...(bytesFetched === null ? [] : [`read ${formatBytes(bytesFetched)} of files`]),
  ];
}
