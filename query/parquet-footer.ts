/**
 * What the footer of a Parquet file says of its columns, as a manifest wants it.
 *
 * DuckDB gives the statistics of row groups as text; each is cast back to the type it was made from, which
 * is exact. Where one row group has values and no statistics (very long strings), the column has no bounds.
 *
 * Of the rest of the file only the texts are read that are not personal and have few values in each row group,
 * as the footer counts them: those values are listed, for queries that ask for some of them.
 */
import type { ColumnMetrics, LakeValue } from '../storage/lake/data-file.ts';
import type { LakeColumn } from '../storage/lake/schema.ts';
import { quoteName, quoteText } from './cold-source.ts';
import type { Connection } from './duckdb.ts';

/** Of one column of one file; beyond either, files are not chosen by it. */
const LISTED_VALUES_MAX = 64;
const LISTED_CHARACTERS_MAX = 4096;
/** Values of a column whose footer does not count them. */
const FAR_TOO_MANY = 1_000_000_000;

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
       epoch_us(max(TRY_CAST(stats_max_value AS TIMESTAMPTZ))),
       max(CASE WHEN stats_null_count = num_values THEN 0 ELSE coalesce(stats_distinct_count, ${FAR_TOO_MANY}) END)
     FROM ${metadata} GROUP BY ALL`,
  );
  const byName = new Map(statistics.map(([name, ...values]) => [String(name), values]));
  const metrics = new Map<number, ColumnMetrics>();
  for (const column of columns) {
    const known = metricsOf(column, byName);
    const distinct = Number(byName.get(column.name)?.at(-1) ?? FAR_TOO_MANY);
    const isListed = column.type === 'string' && !column.personal && distinct <= LISTED_VALUES_MAX;
    const values = isListed ? await valuesOf(connection, path, column) : undefined;
    metrics.set(column.id, values === undefined ? known : { ...known, values });
  }
  const [[rows] = [0]] = await connection.rows(
    `SELECT num_rows FROM parquet_file_metadata(${quoteText(path)})`,
  );
  const groups = await connection.rows(
    `SELECT min(least(coalesce(dictionary_page_offset, data_page_offset), data_page_offset))
     FROM ${metadata} GROUP BY row_group_id ORDER BY row_group_id`,
  );
  return {
    rows: Number(rows),
    columns: metrics,
    splitOffsets: groups.map(([offset]) => Number(offset)),
  };
}

/** The distinct values of a column, or undefined when they are too many. */
async function valuesOf(
  connection: Connection,
  path: string,
  { name }: LakeColumn,
): Promise<readonly string[] | undefined> {
  const column = quoteName(name);
  const rows = await connection.rows(
    `SELECT DISTINCT ${column} FROM read_parquet(${quoteText(path)}) WHERE ${column} IS NOT NULL`,
  );
  const values = rows.map(([value]) => String(value)).sort();
  const characters = values.reduce((sum, value) => sum + value.length, 0);
  const isFew = values.length <= LISTED_VALUES_MAX && characters <= LISTED_CHARACTERS_MAX;
  return isFew ? values : undefined;
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
