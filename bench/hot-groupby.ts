/**
 * Queries over hot segments, scanned in place, against DuckDB's own in-memory table with the same rows
 * and against ClickHouse with the same events on disk, all with two threads.
 *
 * Ours and DuckDB's run in one database, so that only the scan differs. The same queries also run through
 * a query worker as the appliance configures it: over the `events` view, in its own process, with the
 * gate before and the JSON result behind; those figures are held against the bare DuckDB table too.
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
import { HOT_QUERIES } from './hot-queries.ts';
import { ClickHouse } from './peers.ts';
import type { Scratch } from './scratch.ts';
import type { Workload, WorkloadContext } from './workload.ts';

const EVENTS = 5_000_000;
const THREADS = 2;
const ITERATIONS_MIN = 5;
const WORKER_MEMORY_BYTES = 4 * GIB;
const TIMEOUT_MS = 600_000;

const HOT = `hot_scan('events')`;
const OWN = 'own_events';

export const hotGroupBy: Workload = {
  name: 'hot-groupby',
  summary: "queries over hot segments; against DuckDB's own table and ClickHouse",
  async run(context) {
    const { options, scratch, progress } = context;
    const { seed, peers, events = EVENTS } = options;
    const dataDirectory = scratch.makeDiskDirectory('data');
    const { engine, tenant } = await openEngine(dataDirectory, scratch.hotPath('hot'));
    try {
      progress(`filling hot segments with ${events} events`);
      const ndjsonPath = peers ? scratch.diskPath('events.ndjson') : undefined;
      await appendAll(tenant, payloads({ seed, events, batchEvents: BATCH_EVENTS }, ndjsonPath));
      const clickHouseMs = await measureClickHouse(context, ndjsonPath);
      progress("copying the rows into DuckDB's own table");
      const { hotMs, ownMs } = await measureDatabase(tenant.hotDirectory, options.seconds);
      progress('through a query worker');
      const workerMs = await measureWorker(tenant.hotDirectory, scratch, options.seconds);
      for (const { metric } of HOT_QUERIES) {
        const duckDb = { name: "DuckDB's own table", value: ownMs.get(metric)! };
        const lower = { unit: 'ms', higherIsBetter: false };
        const hot = { metric, value: hotMs.get(metric)!, ...lower };
        context.report({ ...hot, peer: duckDb });
        const value = clickHouseMs.get(metric);
        if (value !== undefined)
          context.report({ ...hot, peer: { name: ClickHouse.peerName, value } });
        const worker = { metric: `worker_${metric}`, value: workerMs.get(metric)!, ...lower };
        context.report({ ...worker, peer: duckDb });
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

interface DatabaseMedians {
  readonly hotMs: ReadonlyMap<string, number>;
  readonly ownMs: ReadonlyMap<string, number>;
}

async function measureDatabase(hotDirectory: string, seconds: number): Promise<DatabaseMedians> {
  const reason = native.openHotDirectory(hotDirectory);
  if (reason !== '') throw new Error(`the hot directory cannot be scanned: ${reason}`);
  const database = await Database.open({
    threads: String(THREADS),
    allow_unsigned_extensions: 'true',
  });
  const connection = await database.connect();
  try {
    await connection.run(`LOAD '${extensionPath}'`);
    await connection.run(`SET TimeZone = 'UTC'`);
    await connection.run(`CREATE TABLE ${OWN} AS SELECT * FROM ${HOT}`);
    const ours = tasksOver(connection, HOT);
    const theirs = tasksOver(connection, OWN);
    await requireSameRows(connection);
    return { hotMs: await medianTimes(ours, seconds), ownMs: await medianTimes(theirs, seconds) };
  } finally {
    connection.close();
    database.close();
  }
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

type Tasks = ReadonlyMap<string, () => Promise<unknown>>;

function tasksOver(connection: Connection, relation: string): Tasks {
  return new Map(
    HOT_QUERIES.map(({ metric, sql }) => [metric, () => connection.rows(sql(relation))] as const),
  );
}

async function medianTimes(tasks: Tasks, seconds: number): Promise<ReadonlyMap<string, number>> {
  const bench = new Bench({
    time: seconds * 1000,
    iterations: ITERATIONS_MIN,
    warmupTime: 0,
    warmupIterations: 1,
    throws: true,
  });
  for (const [metric, task] of tasks) bench.add(metric, task);
  const medians = new Map<string, number>();
  for (const { name, result } of await bench.run()) {
    if (result.state !== 'completed') throw new Error(`${name} did not complete: ${result.state}`);
    medians.set(name, result.latency.p50);
  }
  return medians;
}

async function measureWorker(
  hotDirectory: string,
  scratch: Scratch,
  seconds: number,
): Promise<ReadonlyMap<string, number>> {
  const service = await SqlService.open(
    {
      ...SQL_SERVICE_DEFAULTS,
      workerCount: 1,
      settings: {
        hotDirectory,
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
  try {
    const tasks = HOT_QUERIES.map(
      ({ metric, sql }) => [metric, () => execute(service, sql('events'))] as const,
    );
    return await medianTimes(new Map(tasks), seconds);
  } finally {
    await service.close();
  }
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
