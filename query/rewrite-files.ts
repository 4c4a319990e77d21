/**
 * Rewrites data files of the lake with DuckDB: reads them by field id, leaves rows out, sorts, writes one
 * file, and proves that it holds the same rows.
 *
 * - Written so that every engine reads it (docs/lake.md): Parquet v1 encodings, ZSTD, field ids, a row
 *   group for each 122,880 rows.
 * - The proof is a count and two order-free sums over a 64-bit hash of each row, of the inputs and of the
 *   file as it lies on disk.
 * - Counts and bounds are those of the new file's footer.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import type { RewriteRequest, RewrittenFile } from '../storage/lake/file-rewriter.ts';
import type { LakeColumn } from '../storage/lake/schema.ts';
import { parquetSource, quoteName, quoteText, withoutRows } from './cold-source.ts';
import type { Connection } from './duckdb.ts';
import { type FileDatabaseLimits, withFileDatabase } from './file-database.ts';
import { readFooter } from './parquet-footer.ts';

/** @throws Error with DuckDB's reason, or when the rows of the new file are not those of the inputs. */
export function rewriteFiles(
  request: RewriteRequest,
  limits: FileDatabaseLimits,
): Promise<RewrittenFile> {
  return withFileDatabase(limits, request.temporaryDirectory, (connection) =>
    rewrite(connection, request),
  );
}

async function rewrite(connection: Connection, request: RewriteRequest): Promise<RewrittenFile> {
  const { inputs, output, columns, sortBy } = request;
  const source = parquetSource(inputs, columns);
  const kept = keptRows(request);
  if (request.except !== undefined) {
    // Reads the columns that conditions are about, and of those the row groups that may match.
    const counts = `SELECT count(*), count(*) FILTER (WHERE ${kept}) FROM ${source}`;
    const [[all, left] = []] = await connection.rows(counts);
    if (all === left) return unchanged(Number(all));
  }
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
  const [proof = []] = await connection.rows(`SELECT ${proofOf(columns, '')} FROM ${written}`);
  if (proof.some((value, index) => value !== expected[index])) {
    throw new Error(`the new file holds other rows: ${proof.join('/')}, not ${expected.join('/')}`);
  }
  const { rows, columns: metrics, splitOffsets } = await readFooter(connection, output, columns);
  return { inputRows: Number(inputRows), rows, columns: metrics, splitOffsets };
}

/** What is told of inputs that have none of the rows that are to be left out. */
function unchanged(rows: number): RewrittenFile {
  return { inputRows: rows, rows, columns: new Map(), splitOffsets: [] };
}

function keptRows({ except = [], columns }: RewriteRequest): string {
  for (const { column, values } of except) {
    assert(
      columns.some(({ name }) => name === column),
      'rows are left out by a column of theirs',
    );
    assert(values.every(Number.isSafeInteger), 'rows are left out by whole numbers');
  }
  return withoutRows(except);
}

/** Rows, and two sums of their hashes that do not depend on the order, as text. */
function proofOf(columns: readonly LakeColumn[], filter: string): string {
  const hash = `hash(${columns.map(({ name }) => quoteName(name)).join(', ')})`;
  return `count(*) ${filter}, (sum(${hash}) ${filter})::VARCHAR, (bit_xor(${hash}) ${filter})::VARCHAR`;
}
