/**
 * Queries over hot segments, scanned in place, against DuckDB's own in-memory table with the same rows
 * and against ClickHouse with the same events on disk, all with two threads.
 *
 * Ours and DuckDB's run in one database and take turns, so that only the scan differs. The same queries
 * also run through a query worker as the appliance configures it: over the `events` view, in its own
 * process, with the gate before and the JSON result behind; those figures are held against the bare
 * DuckDB table too.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { Bench } from 'tinybench';
import { systemClock } from '../base/clock.ts';
import { jsonLogger } from '../base/log.ts';
import { systemRandom } from '../base/random.ts';
import { GIB } from '../base/units.ts';
import { extensionPath, native } from '../native/index.ts';
import { HOT_CATALOG } from '../query/catalog.ts';
import { type Connection, Database } from '../query/duckdb.ts';
import { SQL_SERVICE_DEFAULTS, SqlService } from '../query/sql-service.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';
import { appendAll, BATCH_EVENTS, openEngine } from './engine-run.ts';
import { generateBatches } from './event-generator.ts';
import { HOT_QUERIES, type HotQuery } from './hot-queries.ts';
import { ClickHouse } from './peers.ts';
import type { Scratch } from './scratch.ts';
import { median } from './statistics.ts';
import type { BenchOptions, Workload, WorkloadContext } from './workload.ts';

const EVENTS = 5_000_000;
const THREADS = 2;
const ITERATIONS_MIN = 3;
const WORKER_MEMORY_BYTES = 4 * GIB;
const TIMEOUT_MS = 600_000;

const HOT = `hot_scan('events')`;
const OWN = 'own_events';

export const hotGroupBy: Workload = {
  name: 'hot-groupby',
  summary: "queries over hot segments; against DuckDB's own table and ClickHouse",
  async run(context) {
    const { options, scratch, progress, report } = context;
    const { seed, peers, events = EVENTS } = options;
    const dataDirectory = scratch.makeDiskDirectory('data');
    const { engine, tenant } = await openEngine(dataDirectory, scratch.hotPath('hot'));
    try {
      progress(`filling hot segments with ${events} events`);
      const ndjsonPath = peers ? scratch.diskPath('events.ndjson') : undefined;
      await appendAll(tenant, payloads({ seed, events, batchEvents: BATCH_EVENTS }, ndjsonPath));
      const clickHouseMs = await measureClickHouse(context, ndjsonPath);
      const times = await measureDuckDb(context, tenant.hotDirectory);
      for (const { metric } of HOT_QUERIES) {
        const lower = { unit: 'ms', higherIsBetter: false };
        const duckDb = { name: "DuckDB's own table", value: times.own.get(metric)! };
        const hot = { metric, value: times.hot.get(metric)!, ...lower };
        report({ ...hot, peer: duckDb });
        const clickHouse = clickHouseMs.get(metric);
        if (clickHouse !== undefined) {
          report({ ...hot, peer: { name: ClickHouse.peerName, value: clickHouse } });
        }
        const worker = { metric: `worker_${metric}`, value: times.worker.get(metric)!, ...lower };
        report({ ...worker, peer: duckDb });
      }
    } finally {
      await engine.close();
    }
  },
};

/** Generates as it is read; the events go to `ndjsonPath` too. */
function* payloads(
  options: Parameters<typeof generateBatches>[0],
  ndjsonPath: string | undefined,
): Generator<Buffer> {
  const file = ndjsonPath === undefined ? undefined : openSync(ndjsonPath, 'wx');
  for (const { payload, ndjson } of generateBatches(options)) {
    if (file !== undefined) writeSync(file, ndjson);
    yield payload;
  }
  if (file !== undefined) closeSync(file);
}

/** @returns the median time of each query it can answer, milliseconds. */
async function measureClickHouse(
  { options, scratch, progress }: WorkloadContext,
  ndjsonPath: string | undefined,
): Promise<ReadonlyMap<string, number>> {
  const medians = new Map<string, number>();
  if (ndjsonPath === undefined) return medians;
  const directory = scratch.makeDiskDirectory('clickhouse');
  const clickHouse = await ClickHouse.open(directory, progress);
  try {
    progress('loading ClickHouse');
    await clickHouse.insert(ndjsonPath);
    for (const { metric, clickHouseSql } of HOT_QUERIES) {
      if (clickHouseSql === undefined) continue;
      const { medianMs } = await clickHouse.query(clickHouseSql, options.seconds);
      medians.set(metric, medianMs);
    }
  } finally {
    await clickHouse.close();
    scratch.discard(directory);
    scratch.discard(ndjsonPath);
  }
  return medians;
}

/** Ways to the same rows: the scan, a table of DuckDB, the scan behind a query worker. */
type Way = 'hot' | 'own' | 'worker';
type Runner = (query: HotQuery) => Promise<unknown>;

/** @returns for each way the median time of each query, milliseconds. */
async function measureDuckDb(
  context: WorkloadContext,
  hotDirectory: string,
): Promise<Readonly<Record<Way, ReadonlyMap<string, number>>>> {
  const database = await openDatabase(hotDirectory);
  const connection = await database.connect();
  const service = await openService(hotDirectory, context.scratch);
  try {
    context.progress("copying the rows into DuckDB's own table");
    await connection.run(`CREATE TABLE ${OWN} AS SELECT * FROM ${HOT}`);
    await requireSameRows(connection);
    context.progress('timing the queries');
    return await timeInTurns(context.options, {
      hot: ({ sql }) => connection.rows(sql(HOT)),
      own: ({ sql }) => connection.rows(sql(OWN)),
      worker: ({ sql }) => execute(service, sql('events')),
    });
  } finally {
    await service.close();
    connection.close();
    database.close();
  }
}

/** Query by query, the three ways one behind another, in `rounds` rounds. */
async function timeInTurns(
  { rounds, seconds }: BenchOptions,
  ways: Readonly<Record<Way, Runner>>,
): Promise<Record<Way, Map<string, number>>> {
  const times: Record<Way, Map<string, number>> = {
    hot: new Map(),
    own: new Map(),
    worker: new Map(),
  };
  const names = Object.keys(times) as Way[];
  for (const query of HOT_QUERIES) {
    const samples: Record<Way, number[]> = { hot: [], own: [], worker: [] };
    for (let round = 0; round < rounds; round += 1) {
      const bench = new Bench({
        time: (seconds * 1000) / rounds,
        iterations: ITERATIONS_MIN,
        warmupTime: 0,
        warmupIterations: 1,
        throws: true,
      });
      for (const way of names) bench.add(way, () => ways[way](query));
      for (const { name, result } of await bench.run()) {
        if (result.state !== 'completed') throw new Error(`${query.metric}: ${result.state}`);
        samples[name as Way].push(result.latency.p50);
      }
    }
    for (const way of names) times[way].set(query.metric, median(samples[way]));
  }
  return times;
}

async function openDatabase(hotDirectory: string): Promise<Database> {
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

/** A scan that skips rows would be fast. */
async function requireSameRows(connection: Connection): Promise<void> {
  for (const { metric, sql } of HOT_QUERIES) {
    const [hot, own] = [await connection.rows(sql(HOT)), await connection.rows(sql(OWN))];
    const [left, right] = [hot, own].map((rows) =>
      rows.map((row) => row.map(String).join()).sort(),
    );
    if (left!.join('\n') !== right!.join('\n')) throw new Error(`${metric} gives different rows`);
  }
}

function openService(hotDirectory: string, scratch: Scratch): Promise<SqlService> {
  return SqlService.open(
    {
      ...SQL_SERVICE_DEFAULTS,
      workerCount: 1,
      settings: {
        hotDirectory,
        coldDirectory: null,
        catalog: HOT_CATALOG,
        threads: THREADS,
        memoryLimitBytes: WORKER_MEMORY_BYTES,
        dataLimitBytes: WORKER_MEMORY_BYTES + GIB,
        temporaryDirectory: scratch.diskPath('temporary'),
        temporaryBytesMax: GIB,
      },
    },
    {
      clock: systemClock,
      random: systemRandom,
      fileSystem: new NodeFileSystem(),
      logger: jsonLogger('warn', (line) => process.stderr.write(line)),
    },
  );
}

function execute(service: SqlService, sql: string): Promise<void> {
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
