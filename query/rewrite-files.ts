/**
 * Rewrites data files of the lake with DuckDB: reads them by field id, leaves rows out, sorts, writes one
 * file, and proves that it holds the same rows.
 *
 * - Written so that every engine reads it (docs/lake.md): Parquet v1 encodings, ZSTD, field ids, a row
 *   group for each 122,880 rows.
 * - The proof is a count and two order-free sums over a 64-bit hash of each row, of the inputs and of the
 *   file as it lies on disk.
 * - Bounds come from the values read back, not from what the writer says of them: COPY's RETURN_STATS
 *   gives texts, with a spelling for each type.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import type { ColumnMetrics, LakeValue } from '../storage/lake/data-file.ts';
import type { RewriteRequest, RewrittenFile } from '../storage/lake/file-rewriter.ts';
import type { LakeColumn } from '../storage/lake/schema.ts';
import { parquetSource, quoteName, quoteText } from './cold-source.ts';
import { type Connection, Database } from './duckdb.ts';

export interface RewriteLimits {
  /** Of DuckDB's buffers, bytes; beyond it a sort spills. */
  readonly memoryBytesMax: number;
  readonly spillBytesMax: number;
}

/** @throws Error with DuckDB's reason, or when the rows of the new file are not those of the inputs. */
export async function rewriteFiles(
  request: RewriteRequest,
  limits: RewriteLimits,
): Promise<RewrittenFile> {
  const database = await Database.open({
    threads: '1',
    memory_limit: `${limits.memoryBytesMax}B`,
    temp_directory: request.temporaryDirectory,
    max_temp_directory_size: `${limits.spillBytesMax}B`,
    autoinstall_known_extensions: 'false',
    autoload_known_extensions: 'false',
  });
  const connection = await database.connect();
  try {
    await connection.run(`SET GLOBAL TimeZone = 'UTC'`);
    return await rewrite(connection, request);
  } finally {
    connection.close();
    database.close();
  }
}

async function rewrite(connection: Connection, request: RewriteRequest): Promise<RewrittenFile> {
  const { inputs, output, columns, sortBy } = request;
  const source = parquetSource(inputs, columns);
  const kept = keptRows(request);
  const [[inputRows, ...expected] = []] = await connection.rows(
    `SELECT count(*), ${proofOf(columns, `FILTER (WHERE ${kept})`)} FROM ${source}`,
  );
  const order = sortBy.map((name) => `${quoteName(name)} ASC NULLS FIRST`).join(', ');
  const ids = columns.map(({ id, name }) => `${quoteName(name)}: ${id}`).join(', ');
  await connection.run(
    `COPY (SELECT ${columns.map(({ name }) => quoteName(name)).join(', ')} FROM ${source}
       WHERE ${kept} ORDER BY ${order})
     TO ${quoteText(output)} (FORMAT parquet, COMPRESSION zstd, PARQUET_VERSION V1,
       ROW_GROUP_SIZE ${LIMITS.segmentRowsMax}, FIELD_IDS {${ids}})`,
  );
  const written = parquetSource([output], columns);
  const statistics = columns.flatMap(statisticsOf).join(', ');
  const [row = []] = await connection.rows(
    `SELECT ${proofOf(columns, '')}, ${statistics} FROM ${written}`,
  );
  const proof = row.slice(0, PROOF_VALUES);
  if (proof.some((value, index) => value !== expected[index])) {
    throw new Error(`the new file holds other rows: ${proof.join('/')}, not ${expected.join('/')}`);
  }
  const { bytes, splitOffsets } = await layoutOf(connection, output);
  const metrics = columns.map((column, index) => {
    const from = PROOF_VALUES + index * STATISTICS_VALUES;
    const own = row.slice(from, from + STATISTICS_VALUES);
    return [column.id, metricsOf(column, Number(row[0]), own, bytes.get(column.name)!)] as const;
  });
  return {
    inputRows: Number(inputRows),
    rows: Number(row[0]),
    columns: new Map(metrics),
    splitOffsets,
  };
}

function keptRows({ except, columns }: RewriteRequest): string {
  if (except === undefined || except.values.length === 0) return 'true';
  assert(
    columns.some(({ name }) => name === except.column),
    'rows are left out by a column of theirs',
  );
  assert(except.values.every(Number.isSafeInteger), 'rows are left out by whole numbers');
  const name = quoteName(except.column);
  return `(${name} IS NULL OR ${name} NOT IN (${except.values.join(', ')}))`;
}

/** Rows, and two sums of their hashes that do not depend on the order, as text. */
const PROOF_VALUES = 3;
function proofOf(columns: readonly LakeColumn[], filter: string): string {
  const hash = `hash(${columns.map(({ name }) => quoteName(name)).join(', ')})`;
  return `count(*) ${filter}, (sum(${hash}) ${filter})::VARCHAR, (bit_xor(${hash}) ${filter})::VARCHAR`;
}

/** Values that are there, the least and the greatest; of columns without bounds, nulls. */
const STATISTICS_VALUES = 3;
function statisticsOf({ name, type, personal }: LakeColumn): string[] {
  const quoted = quoteName(name);
  const bound = (which: 'min' | 'max'): string => {
    if (personal) return 'NULL';
    switch (type) {
      case 'int':
      case 'long':
      case 'string':
        return `${which}(${quoted})`;
      case 'timestamp':
      case 'timestamptz':
        return `epoch_us(${which}(${quoted}))`;
      default:
        return 'NULL';
    }
  };
  return [`count(${quoted})`, bound('min'), bound('max')];
}

function metricsOf(
  { type }: LakeColumn,
  rows: number,
  [present, least, greatest]: readonly unknown[],
  bytes: number,
): ColumnMetrics {
  const counts = { bytes, valueCount: rows, nullCount: rows - Number(present) };
  if (least === null || greatest === null) return counts;
  const bound = (value: unknown): LakeValue => {
    if (type === 'string') return String(value);
    return type === 'int' ? Number(value) : BigInt(value as bigint);
  };
  return { ...counts, lower: bound(least), upper: bound(greatest) };
}

/** Bytes of each column, and where row groups begin. */
async function layoutOf(
  connection: Connection,
  path: string,
): Promise<{ bytes: ReadonlyMap<string, number>; splitOffsets: readonly number[] }> {
  const metadata = `parquet_metadata(${quoteText(path)})`;
  const sizes = await connection.rows(
    `SELECT path_in_schema, sum(total_compressed_size)::BIGINT FROM ${metadata} GROUP BY ALL`,
  );
  const groups = await connection.rows(
    `SELECT min(least(coalesce(dictionary_page_offset, data_page_offset), data_page_offset))
     FROM ${metadata} GROUP BY row_group_id ORDER BY row_group_id`,
  );
  return {
    bytes: new Map(sizes.map(([name, bytes]) => [String(name), Number(bytes)])),
    splitOffsets: groups.map(([offset]) => Number(offset)),
  };
}
