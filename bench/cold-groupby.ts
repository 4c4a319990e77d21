/** Queries over flushed events (cold-comparison.ts), and what flushing takes of ingest. */
import type { OpenTenant } from '../engine/engine.ts';
import { compareColdQueries } from './cold-comparison.ts';
import { appendAll, BATCH_EVENTS, openEngine } from './engine-run.ts';
import { type EventRun, prepareRun } from './event-run.ts';
import type { Scratch } from './scratch.ts';
import { EVENTS_PER_SECOND, perSecond, type Workload } from './workload.ts';

const EVENTS = 2_000_000;
const FLUSH_PAUSE_MS = 20;

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
      await compareColdQueries(context, open, engine.store);
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
