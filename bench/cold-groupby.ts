/**
 * Queries over flushed events, as the appliance plans them, against DuckDB over the same Parquet files
 * as they lie, with two threads; and what flushing takes of ingest.
 *
 * Both sides run in one database and take turns, so that only the plan differs: ours joins the hot rows
 * (there are none left), reads by field id, casts to the types of hot columns, and is made anew for each
 * statement. The same queries through a query worker have its process, gate and JSON beside.
 */
import type { OpenTenant } from '../engine/engine.ts';
import { native } from '../native/index.ts';
import { quoteText } from '../query/cold-source.ts';
import { TableSnapshots } from '../query/table-snapshots.ts';
import { keyOf } from '../storage/lake/location.ts';
import type { ObjectStore } from '../storage/lake/object-store.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';
import { COLD_QUERIES } from './cold-queries.ts';
import { appendAll, BATCH_EVENTS, openEngine } from './engine-run.ts';
import { type EventRun, prepareRun } from './event-run.ts';
import {
  execute,
  openDatabase,
  requireSameRows,
  rowsAsPlanned,
  timeInTurns,
} from './query-turns.ts';
import type { Scratch } from './scratch.ts';
import { openWorkerService } from './worker-service.ts';
import { EVENTS_PER_SECOND, perSecond, type Workload, type WorkloadContext } from './workload.ts';

const EVENTS = 2_000_000;
const FLUSH_PAUSE_MS = 20;
const PLAIN = 'plain_events';

export const coldGroupBy: Workload = {
  name: 'cold-groupby',
  summary: 'queries over flushed events; against DuckDB over the same Parquet files',
  async run(context) {
    const { options, scratch, progress, report } = context;
    const { seed, events = EVENTS } = options;
    progress(`generating ${events} events`);
    const run = prepareRun({ seed, events, batchEvents: BATCH_EVENTS });
    progress('ingesting without flushes');
    const alone = await ingestAlone(run, scratch);
    progress('ingesting while flushing');
    const { engine, tenant } = await openEngine(
      scratch.makeDiskDirectory('data'),
      scratch.hotPath('hot'),
    );
    try {
      const open = engine.openTenant(tenant.id);
      const startMs = performance.now();
      const ingest = appendAll(tenant, run.payloads).then(() => performance.now());
      const ingestMs = (await flushUntil(open, ingest)) - startMs;
      report({
        metric: 'ingest_while_flushing',
        value: perSecond(events, ingestMs),
        ...EVENTS_PER_SECOND,
        peer: { name: 'without flushes', value: alone },
      });
      await open.flusher.flush();
      const { rows, elapsedMs } = open.flusher.statistics;
      report({ metric: 'flushed', value: perSecond(rows, elapsedMs), ...EVENTS_PER_SECOND });
      await measureQueries(context, open, engine.store);
    } finally {
      await engine.close();
    }
  },
};

async function ingestAlone(run: EventRun, scratch: Scratch): Promise<number> {
  const [data, hot] = [scratch.makeDiskDirectory('alone'), scratch.hotPath('alone')];
  const { engine, tenant } = await openEngine(data, hot);
  try {
    const startMs = performance.now();
    await appendAll(tenant, run.payloads);
    return perSecond(run.events, performance.now() - startMs);
  } finally {
    await engine.close();
    scratch.discard(data);
  }
}

/** Flushes again and again until `ended` settles. */
async function flushUntil({ flusher }: OpenTenant, ended: Promise<number>): Promise<number> {
  let endedMs: number | undefined;
  const noted = ended.then((ms) => {
    endedMs = ms;
  });
  while (endedMs === undefined) {
    await flusher.flush();
    await Promise.race([noted, new Promise((resolve) => setTimeout(resolve, FLUSH_PAUSE_MS))]);
  }
  return endedMs;
}

async function measureQueries(
  { options, scratch, progress, report }: WorkloadContext,
  { tenant, cold }: OpenTenant,
  store: ObjectStore,
): Promise<void> {
  const events = cold.tables.find(({ hot }) => hot === tenant.hot.events)!;
  const paths = (await events.lake.liveFiles()).map(({ location }) =>
    store.localPath(keyOf(store.bucket, location)),
  );
  const directory = process.cwd();
  // Statements name cold files relative to the tenant's directory, as in a query worker.
  process.chdir(cold.directory!);
  const database = await openDatabase(tenant.hotDirectory);
  const connection = await database.connect();
  const service = await openWorkerService(tenant.hotDirectory, cold.directory!, scratch);
  try {
    const files = paths.map((path) => quoteText(path!)).join(', ');
    await connection.run(`CREATE VIEW ${PLAIN} AS SELECT * FROM read_parquet([${files}])`);
    const snapshots = new TableSnapshots(tenant.hotDirectory, native, new NodeFileSystem());
    const ours = (sql: string): Promise<unknown[][]> => rowsAsPlanned(connection, snapshots, sql);
    await requireSameRows(
      COLD_QUERIES,
      ({ sql }) => ours(sql('events')),
      ({ sql }) => connection.rows(sql(PLAIN)),
    );
    progress(`timing the queries over ${paths.length} files`);
    const times = await timeInTurns(COLD_QUERIES, options, {
      cold: ({ sql }) => ours(sql('events')),
      plain: ({ sql }) => connection.rows(sql(PLAIN)),
      worker: ({ sql }) => execute(service, sql('events')),
    });
    for (const { metric } of COLD_QUERIES) {
      const lower = { unit: 'ms', higherIsBetter: false };
      const peer = { name: 'plain Parquet', value: times.plain.get(metric)! };
      report({ metric, value: times.cold.get(metric)!, ...lower, peer });
      report({ metric: `worker_${metric}`, value: times.worker.get(metric)!, ...lower, peer });
    }
  } finally {
    await service.close();
    connection.close();
    database.close();
    process.chdir(directory);
  }
}
