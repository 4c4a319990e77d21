/** Ways to ask the same questions, timed in turns so that a slow minute of the machine hits all. */
import { Bench } from 'tinybench';
import { extensionPath, native } from '../native/index.ts';
import { HOT_CATALOG, policyOf } from '../query/catalog.ts';
import { type Connection, Database } from '../query/duckdb.ts';
import type { SqlService } from '../query/sql-service.ts';
import { StatementParser } from '../query/statement-parser.ts';
import { StatementReads } from '../query/statement-reads.ts';
import { TableSnapshots } from '../query/table-snapshots.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';
import type { HotQuery } from './hot-queries.ts';
import { median } from './statistics.ts';
import type { BenchOptions } from './workload.ts';

/** Of DuckDB, in this process and in workers. */
export const THREADS = 2;
const ITERATIONS_MIN = 3;
const TIMEOUT_MS = 600_000;

export type Query = Pick<HotQuery, 'metric' | 'sql'>;
export type QueryRunner = (query: Query) => Promise<unknown>;

/** Query by query, the ways one behind another, in `rounds` rounds. @returns medians, milliseconds. */
export async function timeInTurns<Way extends string>(
  queries: readonly Query[],
  { rounds, seconds }: BenchOptions,
  ways: Readonly<Record<Way, QueryRunner>>,
): Promise<Record<Way, Map<string, number>>> {
  const names = Object.keys(ways) as Way[];
  const perWay = <Value>(make: () => Value): Record<Way, Value> =>
    Object.fromEntries(names.map((way) => [way, make()])) as Record<Way, Value>;
  const times = perWay(() => new Map<string, number>());
  for (const query of queries) {
    const samples = perWay<number[]>(() => []);
    for (let round = 0; round < rounds; round += 1) {
      const bench = new Bench({
        time: (seconds * 1000) / rounds,
        iterations: ITERATIONS_MIN,
        warmupTime: 0,
        warmupIterations: 1,
        throws: true,
      });
      for (const way of names) bench.add(way, () => ways[way](query), { async: true });
      for (const { name, result } of await bench.run()) {
        if (result.state !== 'completed') throw new Error(`${query.metric}: ${result.state}`);
        samples[name as Way].push(result.latency.p50);
      }
    }
    for (const way of names) times[way].set(query.metric, median(samples[way]));
  }
  return times;
}

/** A database in this process that scans the hot directory. */
export async function openDatabase(hotDirectory: string): Promise<Database> {
  const reason = native.openHotDirectory(hotDirectory);
  if (reason !== '') throw new Error(`the hot directory cannot be scanned: ${reason}`);
  const settings = { threads: String(THREADS), allow_unsigned_extensions: 'true' };
  const database = await Database.open(settings);
  const connection = await database.connect();
  await connection.run(`LOAD '${extensionPath}'`);
  await connection.run(`SET GLOBAL TimeZone = 'UTC'`);
  connection.close();
  return database;
}

/** A way that skips rows would be fast. */
export async function requireSameRows(
  queries: readonly Query[],
  ours: (query: Query) => Promise<unknown[][]>,
  peers: (query: Query) => Promise<unknown[][]>,
): Promise<void> {
  for (const query of queries) {
    const [left, right] = [await ours(query), await peers(query)].map((rows) =>
      rows.map((row) => row.map(asText).join()).sort(),
    );
    if (left!.join('\n') !== right!.join('\n')) {
      throw new Error(`${query.metric} gives different rows`);
    }
  }
}

/** Sums of doubles depend on the order in which threads add them. */
function asText(value: unknown): string {
  return typeof value === 'number' ? value.toPrecision(9) : String(value);
}

/** Where statements run as in a query worker, but in this process. */
export interface PlannedReads {
  readonly connection: Connection;
  readonly parser: StatementParser;
  readonly snapshots: TableSnapshots;
}

/** @param hotDirectory the one that {@link openDatabase} opened. */
export async function openPlannedReads(
  hotDirectory: string,
  connection: Connection,
): Promise<PlannedReads> {
  const parser = await StatementParser.open(policyOf(HOT_CATALOG));
  const snapshots = new TableSnapshots(hotDirectory, native, new NodeFileSystem());
  return { connection, parser, snapshots };
}

/**
 * Runs a statement over the appliance's relations as a worker does once the gate has passed it, rows not encoded.
 * @throws Error when the gate refuses it.
 */
export async function planned(
  { connection, parser, snapshots }: PlannedReads,
  sql: string,
): Promise<() => Promise<unknown[][]>> {
  const parsed = await parser.parse(sql);
  if ('code' in parsed) throw new Error(`${sql}: ${parsed.code}`);
  return async () => {
    try {
      const reads = new StatementReads({ parser, scans: native, snapshots }, connection);
      await reads.make(parsed, HOT_CATALOG, []);
      const rows = await connection.rows(parsed.sql);
      await reads.keep();
      return rows;
    } finally {
      native.clearScanBounds();
      snapshots.release();
    }
  };
}

export function execute(service: SqlService, sql: string): Promise<void> {
  return new Promise((resolve, reject) => {
    service.execute(
      { sql, parameters: [], format: 'json', timeoutMs: TIMEOUT_MS },
      {
        begin() {},
        write: () => true,
        onDrain() {},
        end: () => resolve(),
        fail: reject,
      },
    );
  });
}
