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
import { appendAll, BATCH_EVENTS, openEngine } from './engine-run.ts';
import { generateBatches } from './event-generator.ts';
import { GENERATED, hotQueries, middleOf } from './hot-queries.ts';
import { ClickHouse } from './peers.ts';
import { execute, openDatabase, requireSameRows, timeInTurns } from './query-turns.ts';
import { openWorkerService } from './worker-service.ts';
import type { Workload, WorkloadContext } from './workload.ts';

const EVENTS = 5_000_000;

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
      for (const metric of times.hot.keys()) {
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
    if (file !== undefined) writeSync(file, ndjson());
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
    for (const { metric, clickHouseSql } of hotQueries(GENERATED)) {
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

/** @returns for each way the median time of each query, milliseconds. */
async function measureDuckDb(
  context: WorkloadContext,
  hotDirectory: string,
): Promise<Readonly<Record<Way, ReadonlyMap<string, number>>>> {
  const database = await openDatabase(hotDirectory);
  const connection = await database.connect();
  const service = await openWorkerService(hotDirectory, null, context.scratch);
  try {
    context.progress("copying the rows into DuckDB's own table");
    await connection.run(`CREATE TABLE ${OWN} AS SELECT * FROM ${HOT}`);
    const queries = hotQueries(await middleOf(connection, OWN));
    await requireSameRows(
      queries,
      ({ sql }) => connection.rows(sql(HOT)),
      ({ sql }) => connection.rows(sql(OWN)),
    );
    context.progress('timing the queries');
    return await timeInTurns(queries, context.options, {
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
