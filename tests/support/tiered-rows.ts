/** All visible rows of a table, hot and cold, read without the query path: slow and obvious. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { DuckDBConnection } from '@duckdb/node-api';
import type { ColdTable } from '../../engine/cold-table.ts';
import { keyOf } from '../../storage/lake/location.ts';
import type { ObjectStore } from '../../storage/lake/object-store.ts';
import { readRows } from './read-rows.ts';

/** One text column of every visible row, by sequence; a row that is stored twice comes twice. */
export async function tieredValues(
  duckdb: DuckDBConnection,
  table: ColdTable,
  store: ObjectStore,
  column: string,
): Promise<string[]> {
  const { floorRow, publishedRows, segments } = table.hot;
  const hot = segments.flatMap((segment) =>
    readRows(segment)
      .filter((row, index) => {
        const tableRow = segment.firstRow + index;
        return tableRow >= floorRow && tableRow < publishedRows && !row.hidden;
      })
      .map((row) => ({ sequence: Number(row['sequence']), value: String(row[column]) })),
  );
  const cold: { sequence: number; value: string }[] = [];
  const directory = mkdtempSync(join(tmpdir(), 'tributary-tiered-'));
  try {
    for (const { location, recordCount } of await table.lake.liveFiles()) {
      const path = join(directory, 'file.parquet');
      writeFileSync(path, await store.get(keyOf(store.bucket, location)));
      const reader = await duckdb.runAndReadAll(
        `SELECT sequence, "${column}" FROM read_parquet('${path}')`,
      );
      const rows = reader.getRows();
      if (rows.length !== recordCount) throw new Error('a file has the rows its manifest says');
      for (const [sequence, value] of rows) {
        cold.push({ sequence: Number(sequence), value: String(value) });
      }
    }
  } finally {
    rmSync(directory, { recursive: true });
  }
  return [...cold, ...hot].sort((a, b) => a.sequence - b.sequence).map(({ value }) => value);
}
