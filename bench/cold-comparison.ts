/**
 * Queries over flushed events, as the appliance plans them, against DuckDB over the same Parquet files
 * as they lie, with two threads.
 *
 * Both sides run in one database and take turns, so that only the plan differs. Ours is what a worker does once
 * the gate has passed a statement: it reads the bounds, takes a snapshot of hot rows (there are none left) and of the
 * list of files, leaves out those that hold none of the wanted rows, and casts to the types of hot columns. The
 * same queries through a query worker have its process, gate and JSON beside.
 */
import type { OpenTenant } from '../engine/engine.ts';
import { quoteText } from '../query/cold-source.ts';
import { keyOf } from '../storage/lake/location.ts';
import type { ObjectStore } from '../storage/lake/object-store.ts';
import { coldQueries } from './cold-queries.ts';
import { middleOf } from './hot-queries.ts';
import {
  execute,
  openDatabase,
  openPlannedReads,
  planned,
  requireSameRows,
  timeInTurns,
} from './query-turns.ts';
import { openWorkerService } from './worker-service.ts';
import type { WorkloadContext } from './workload.ts';

const PLAIN = 'plain_events';

/**
 * Reports each query once it is measured. All events of the tenant are flushed.
 * @throws Error when the two sides give different rows.
 */
export async function compareColdQueries(
  { options, scratch, stopping, progress, report }: WorkloadContext,
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
  const reads = await openPlannedReads(tenant.hotDirectory, connection);
  try {
    const files = paths.map((path) => quoteText(path!)).join(', ');
    await connection.run(`CREATE VIEW ${PLAIN} AS SELECT * FROM read_parquet([${files}])`);
    for (const query of coldQueries(await middleOf(connection, PLAIN))) {
      if (stopping.aborted) return;
      const { metric } = query;
      const ours = await planned(reads, query.sql('events'));
      await requireSameRows([query], ours, ({ sql }) => connection.rows(sql(PLAIN)));
      progress(`timing ${metric} over ${paths.length} files`);
      const times = await timeInTurns([query], options, {
        cold: ours,
        plain: ({ sql }) => connection.rows(sql(PLAIN)),
        worker: ({ sql }) => execute(service, sql('events')),
      });
      const lower = { unit: 'ms', higherIsBetter: false };
      const peer = { name: 'plain Parquet', value: times.plain.get(metric)! };
      report({ metric, value: times.cold.get(metric)!, ...lower, peer });
      report({ metric: `worker_${metric}`, value: times.worker.get(metric)!, ...lower, peer });
    }
  } finally {
    await service.close();
    reads.parser.close();
    connection.close();
    database.close();
    process.chdir(directory);
  }
}
