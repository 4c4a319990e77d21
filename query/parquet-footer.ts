/**
 * What the footer of a Parquet file says of its columns, as a manifest wants it. Only the footer is read.
 *
 * DuckDB gives the statistics of row groups as text; each is cast back to the type it was made from, which
 * is exact. Where one row group has values and no statistics (very long strings), the column has no bounds.
 */
import type { ColumnMetrics, LakeValue } from '../storage/lake/data-file.ts';
import type { LakeColumn } from '../storage/lake/schema.ts';
import { quoteText } from './cold-source.ts';
import type { Connection } from './duckdb.ts';

export interface ParquetFooter {
  readonly rows: number;
  /** By field id; personal columns without bounds. */
  readonly columns: ReadonlyMap<number, ColumnMetrics>;
  /** Where row groups begin, bytes. */
  readonly splitOffsets: readonly number[];
}

/** @param columns those of the file, by their names in it. */
export async function readFooter(
  connection: Connection,
  path: string,
  columns: readonly LakeColumn[],
): Promise<ParquetFooter> {
  const metadata = `parquet_metadata(${quoteText(path)})`;
  const statistics = await connection.rows(
    `SELECT path_in_schema, sum(num_values)::BIGINT, sum(stats_null_count)::BIGINT,
       sum(total_compressed_size)::BIGINT,
       bool_and(stats_null_count = num_values OR stats_min_value IS NOT NULL),
       min(stats_min_value), max(stats_max_value),
       min(TRY_CAST(stats_min_value AS BIGINT)), max(TRY_CAST(stats_max_value AS BIGINT)),
       epoch_us(min(TRY_CAST(stats_min_value AS TIMESTAMPTZ))),
       epoch_us(max(TRY_CAST(stats_max_value AS TIMESTAMPTZ)))
     FROM ${metadata} GROUP BY ALL`,
  );
  const byName = new Map(statistics.map(([name, ...values]) => [String(name), values]));
  const [[rows] = [0]] = await connection.rows(
    `SELECT num_rows FROM parquet_file_metadata(${quoteText(path)})`,
  );
  const groups = await connection.rows(
    `SELECT min(least(coalesce(dictionary_page_offset, data_page_offset), data_page_offset))
     FROM ${metadata} GROUP BY row_group_id ORDER BY row_group_id`,
  );
  return {
    rows: Number(rows),
    columns: new Map(columns.map((column) => [column.id, metricsOf(column, byName)])),
    splitOffsets: groups.map(([offset]) => Number(offset)),
  };
}

function metricsOf(
  column: LakeColumn,
  byName: ReadonlyMap<string, readonly unknown[]>,
): ColumnMetrics {
  const [values, nulls, bytes, complete, ...bounds] = byName.get(column.name) ?? [0, 0, 0, false];
  const counts = {
    bytes: Number(bytes),
    valueCount: Number(values),
    nullCount: Number(nulls),
  };
  if (column.personal || complete !== true) return counts;
  const [lower, upper] = boundsOf(column, bounds);
  return lower === undefined || upper === undefined ? counts : { ...counts, lower, upper };
}

/** @param bounds least and greatest as text, as an integer, and as microseconds since 1970. */
function boundsOf(
  { type }: LakeColumn,
  bounds: readonly unknown[],
): readonly [LakeValue | undefined, LakeValue | undefined] {
  const pair = (index: number, read: (value: unknown) => LakeValue) =>
    [bounds[index], bounds[index + 1]].map((value) =>
      value === null || value === undefined ? undefined : read(value),
    ) as [LakeValue | undefined, LakeValue | undefined];
  switch (type) {
    case 'string':
      return pair(0, String);
    case 'int':
      return pair(2, Number);
    case 'long':
      return pair(2, (value) => BigInt(value as bigint));
    case 'timestamp':
    case 'timestamptz':
      return pair(4, (value) => BigInt(value as bigint));
    default:
      return [undefined, undefined];
  }
}
