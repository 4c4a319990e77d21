/** A hot directory and a DuckDB that reads it, in one process, for the tests of the scan. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DuckDBConnection, DuckDBInstance, type DuckDBValue } from '@duckdb/node-api';
import { GIB, KIB } from '../../base/units.ts';
import { extensionPath, native } from '../../native/index.ts';
import { HotBudget } from '../../storage/hot-budget.ts';
import { HotTable } from '../../storage/hot-table.ts';
import { planSegment, type TableSchema } from '../../storage/segment-format.ts';
import { TableRegistry } from '../../storage/table-registry.ts';

/** One column of every type. */
export const ALL_TYPES = {
  name: 'samples',
  schemaId: 7,
  columns: [
    { name: 'sequence', type: 'uint64' },
    { name: 'signed', type: 'int64' },
    { name: 'small', type: 'uint32' },
    { name: 'real', type: 'float64' },
    { name: 'happened', type: 'timestamp' },
    { name: 'text', type: 'utf8' },
    { name: 'document', type: 'json' },
    { name: 'kind', type: 'dictionary' },
  ],
} as const satisfies TableSchema;

/** Positions of ALL_TYPES' columns. */
export const COLUMN = {
  sequence: 0,
  signed: 1,
  small: 2,
  real: 3,
  happened: 4,
  text: 5,
  document: 6,
  kind: 7,
} as const;

export const SMALL_HEAPS = { utf8: 256 * KIB, json: 256 * KIB, dictionary: 256 * KIB };

export interface HotFixture {
  readonly directory: string;
  readonly registry: TableRegistry;
  readonly budget: HotBudget;
  table(schema: TableSchema, rowCapacity: number): HotTable;
  close(): void;
}

/** A new hot directory; this process's scans read it until the next one is opened. */
export function openHotFixture(budgetBytes: number = 4 * GIB): HotFixture {
  const directory = mkdtempSync(join(tmpdir(), 'tributary-hot-'));
  const registry = TableRegistry.create(directory);
  const budget = new HotBudget(budgetBytes);
  const tables: HotTable[] = [];
  assert.equal(native.openHotDirectory(directory), '');
  return {
    directory,
    registry,
    budget,
    table(schema, rowCapacity) {
      const plan = planSegment(schema, rowCapacity, SMALL_HEAPS);
      const table = new HotTable({ directory, registry, budget, plan, removeFile: unlinkSync });
      tables.push(table);
      return table;
    },
    close() {
      for (const table of tables) table.close();
      registry.close();
      rmSync(directory, { recursive: true });
    },
  };
}

export async function openDuckDb(): Promise<DuckDBConnection> {
  const instance = await DuckDBInstance.create(':memory:', {
    allow_unsigned_extensions: 'true',
    threads: '2',
  });
  const connection = await instance.connect();
  await connection.run(`LOAD '${extensionPath}'`);
  await connection.run(`SET TimeZone = 'UTC'`);
  return connection;
}

/** Rows of a statement; timestamps and UUIDs as text. */
export async function rowsOf(connection: DuckDBConnection, sql: string): Promise<unknown[][]> {
  const reader = await connection.runAndReadAll(sql);
  return reader.getRows().map((row) => row.map(plain));
}

function plain(value: DuckDBValue): unknown {
  return typeof value === 'object' && value !== null ? value.toString() : value;
}
