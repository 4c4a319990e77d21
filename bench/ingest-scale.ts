/**
 * Ingest as the store grows: the same rate at the last tenth of the events as at the first, with rows on
 * their way to the lake all the time and checkpoints made as by default; in the end every event there once,
 * hot and cold together, and the queries of cold-groupby over all of them.
 *
 * Events are written over prepared ones as they are sent (event-stream.ts), which takes a few hundredths of the
 * time of their ingest. What comes before the end of the first flush, a twentieth of the events at most, warms up.
 *
 * A signal stops it in order: what was measured so far is reported, and what needs all events is left out.
 */
import { readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { formatBytes, GIB, KIB, MIB } from '../base/units.ts';
import type { OpenTenant } from '../engine/engine.ts';
import { compareColdQueries } from './cold-comparison.ts';
import { appendAll, BATCH_EVENTS, type OpenedEngine, openEngine } from './engine-run.ts';
import { streamBatches } from './event-stream.ts';
import { childrenCpuMicrosOf, cpuMicrosOf } from './processor-time.ts';
import { openDatabase, openPlannedReads, planned } from './query-turns.ts';
import { allocatedBytes } from './scratch.ts';
import { median } from './statistics.ts';
import { EVENTS_PER_SECOND, perSecond, type Workload, type WorkloadContext } from './workload.ts';

const EVENTS = 10_000_000;
const STEPS = 10;
/** Between two looks at how much waits for a flush: 100 MB of payloads. */
const SLICE_BATCHES = 2500;
const FLUSH = { flushBytes: 512 * MIB, flushAgeMs: 900_000 };
const HOT_BYTES_MAX = 4 * GIB;
const CHECKPOINT_LOG_BYTES = GIB;
/** From here on ingest waits for the flush. */
const UNFLUSHED_BYTES_MAX = HOT_BYTES_MAX / 2;
const FLUSH_FAILURES_MAX = 5;
const FLUSH_RETRY_MS = 1000;
const WARM_UP_SHARE = 1 / 20;

const BYTES = { unit: 'bytes', higherIsBetter: false } as const;

export const ingestScale: Workload = {
  name: 'ingest-scale',
  summary: 'ingest of many events with flushes; its last tenth against its first',
  stopsInOrder: true,
  async run(context) {
    const { options, scratch, stopping, report, progress } = context;
    const { events = EVENTS } = options;
    const dataDirectory = scratch.makeDiskDirectory('data');
    const hotDirectory = scratch.hotPath('hot');
    const settings = {
      flush: FLUSH,
      hotBytesMax: HOT_BYTES_MAX,
      checkpointLogBytes: CHECKPOINT_LOG_BYTES,
    };
    const opened = await openEngine(dataDirectory, hotDirectory, settings);
    const { engine, tenant } = opened;
    try {
      const open = engine.openTenant(tenant.id);
      const store = { dataDirectory, hotDirectory };
      reportSteps(context, await ingestInSteps(context, opened, events, store));
      const { checkpoints } = open.checkpointer!.statistics;
      report({ metric: 'checkpoints', value: checkpoints, unit: '', higherIsBetter: true });
      if (stopping.aborted) return;
      await settleFlushes(open);
      await requireExact(context, open, events);
      const lakeBytes = allocatedBytes(`${dataDirectory}/lake`);
      report({ metric: 'lake_bytes_per_event', value: lakeBytes / events, ...BYTES });
      await open.checkpointer!.checkpointing;
      await open.flusher.flush();
      await compareColdQueries(context, open, engine.store);
      if (stopping.aborted) return;
      await engine.close();
      const logBytes = allocatedBytes(`${dataDirectory}/tenants`);
      report({ metric: 'log_and_checkpoints', value: logBytes, ...BYTES });
      const startMs = performance.now();
      const again = await openEngine(dataDirectory, hotDirectory, settings);
      const readySeconds = (performance.now() - startMs) / 1000;
      const { events: replayed } = again.tenant.recovery;
      const { profiles } = again.tenant.identityStatistics;
      await again.engine.close();
      progress(`ready again with ${profiles} profiles, ${replayed} events replayed`);
      report({ metric: 'ready_again', value: readySeconds, unit: 's', higherIsBetter: false });
    } finally {
      await engine.close();
    }
  },
};

/** A tenth of the run. */
interface Step {
  readonly eventsPerSecond: number;
  /** Of all threads of the process and of those that flush and make checkpoints, microseconds. */
  readonly cpuPerEvent: number;
  /** All files of the store, at the end of the tenth. */
  readonly diskBytes: number;
}

/** @returns the tenths that were measured: none is left out but those that only warmed up. */
async function ingestInSteps(
  { options, stopping, progress, report }: WorkloadContext,
  opened: OpenedEngine,
  events: number,
  directories: Directories,
): Promise<Step[]> {
  const { statistics } = opened.engine.openTenant(opened.tenant.id).flusher;
  const batches = streamBatches({ seed: options.seed, events, batchEvents: BATCH_EVENTS });
  const steps: Step[] = [];
  let sent = 0;
  for (let step = 1; step <= STEPS && !stopping.aborted; step += 1) {
    const end = Math.ceil((events * step) / STEPS);
    let total: SliceCost = { events: 0, elapsedMs: 0, cpuMicros: 0 };
    while (sent < end && !stopping.aborted) {
      const isWarmingUp = statistics.flushes === 0 && sent < events * WARM_UP_SHARE;
      const cost = await ingestSlice(opened, takeSlice(batches, end - sent));
      sent += cost.events;
      if (!isWarmingUp) total = sumOf(total, cost);
    }
    if (total.events === 0) continue;
    const rate = perSecond(total.events, total.elapsedMs);
    const cpuPerEvent = total.cpuMicros / total.events;
    const diskBytes = allocatedBytes(directories.dataDirectory);
    steps.push({ eventsPerSecond: rate, cpuPerEvent, diskBytes });
    report({ metric: `step_${String(step).padStart(2, '0')}`, value: rate, ...EVENTS_PER_SECOND });
    progress(
      `${sent} events, ${Math.round(rate)} events/s, ${cpuPerEvent.toFixed(2)} µs each; ${describe(opened, directories)}`,
    );
  }
  return steps;
}

function reportSteps({ report }: WorkloadContext, steps: readonly Step[]): void {
  const [first, last] = [steps[0], steps.at(-1)];
  if (first === undefined || last === undefined) return;
  const rates = steps.map(({ eventsPerSecond }) => eventsPerSecond);
  report({ metric: 'events_per_second', value: median(rates), ...EVENTS_PER_SECOND });
  report({
    metric: 'last_tenth',
    value: last.eventsPerSecond,
    ...EVENTS_PER_SECOND,
    peer: { name: 'the first tenth', value: first.eventsPerSecond },
  });
  report({
    metric: 'cpu_per_event_of_last_tenth',
    value: last.cpuPerEvent,
    unit: 'µs',
    higherIsBetter: false,
    peer: { name: 'the first tenth', value: first.cpuPerEvent },
  });
  const memory = process.resourceUsage().maxRSS * KIB;
  report({ metric: 'memory_max', value: memory, ...BYTES });
  const disk = Math.max(...steps.map(({ diskBytes }) => diskBytes));
  report({ metric: 'disk_max', value: disk, ...BYTES });
}

interface Directories {
  readonly dataDirectory: string;
  readonly hotDirectory: string;
}

/** What the store takes by now. */
function describe({ engine, tenant }: OpenedEngine, directories: Directories): string {
  const { flusher, checkpointer } = engine.openTenant(tenant.id);
  const { checkpoints, elapsedMs } = checkpointer!.statistics;
  const data = readdirSync(directories.dataDirectory, { recursive: true }).length;
  return [
    `${flusher.statistics.rows} rows flushed`,
    `${formatBytes(allocatedBytes(directories.hotDirectory))} hot`,
    `${formatBytes(process.memoryUsage().rss)} of memory, hot files included`,
    `${formatBytes(allocatedBytes(directories.dataDirectory))} on disk in ${data} files`,
    `${checkpoints} checkpoints, made in ${(elapsedMs / 1000).toFixed(1)} s together`,
  ].join('; ');
}

interface SliceCost {
  readonly events: number;
  readonly elapsedMs: number;
  readonly cpuMicros: number;
}

function sumOf(a: SliceCost, b: SliceCost): SliceCost {
  return {
    events: a.events + b.events,
    elapsedMs: a.elapsedMs + b.elapsedMs,
    cpuMicros: a.cpuMicros + b.cpuMicros,
  };
}

async function ingestSlice(opened: OpenedEngine, slice: Iterable<Buffer>): Promise<SliceCost> {
  const { engine, tenant } = opened;
  const { flusher } = engine.openTenant(tenant.id);
  const cpuBefore = cpuMicrosWith(helpersOf(opened));
  const startMs = performance.now();
  // Producers that are told 503 (hot storage is full) wait, and so do these: it is part of the time. A flush that
  // fails is tried again, as the flusher does; one in a while does not end a run of many minutes.
  while (flusher.unflushedBytes > UNFLUSHED_BYTES_MAX) {
    if (flusher.statistics.failures > FLUSH_FAILURES_MAX) {
      throw new Error('flushes fail; the log of the run says why');
    }
    await (flusher.flushing ?? flusher.flush().catch(() => pause(FLUSH_RETRY_MS)));
  }
  const events = await appendAll(tenant, slice);
  return {
    events,
    elapsedMs: performance.now() - startMs,
    cpuMicros: Math.max(0, cpuMicrosWith(helpersOf(opened)) - cpuBefore),
  };
}

/** The processes that encode and that make a checkpoint, where they run. */
function helpersOf({ engine, tenant, encoder }: OpenedEngine): readonly number[] {
  const id = engine.openTenant(tenant.id).checkpointer?.processId;
  return id === undefined ? encoder.processIds : [...encoder.processIds, id];
}

/** Of this process, of those that helped and have ended, and of those that do. */
function cpuMicrosWith(helpers: readonly number[]): number {
  const { user, system } = process.cpuUsage();
  const own = user + system + childrenCpuMicrosOf(process.pid);
  return helpers.reduce((sum, id) => sum + cpuMicrosOf(id), own);
}

/** The payloads of the next batches, of `events` events or somewhat more, one at a time. */
function* takeSlice(batches: ReturnType<typeof streamBatches>, events: number): Generator<Buffer> {
  let count = 0;
  for (let taken = 0; count < events && taken < SLICE_BATCHES; taken += 1) {
    const { done, value } = batches.next();
    if (done === true) return;
    yield value.payload;
    count += value.events;
  }
}

/** Waits for the flush that runs; a run too small for one is flushed, so that something is cold. */
async function settleFlushes({ flusher }: OpenTenant): Promise<void> {
  await flusher.flushing;
  if (flusher.statistics.flushes === 0) await flusher.flush();
}

/** @throws Error unless hot and cold rows together are the events, each once. */
async function requireExact(
  { report, progress }: WorkloadContext,
  { tenant, cold }: OpenTenant,
  events: number,
): Promise<void> {
  const directory = process.cwd();
  // Statements name cold files relative to the tenant's directory, as in a query worker.
  process.chdir(cold.directory!);
  const database = await openDatabase(tenant.hotDirectory);
  const connection = await database.connect();
  const reads = await openPlannedReads(tenant.hotDirectory, connection);
  try {
    // A message id begins with the number of its event.
    const exact = await planned(
      reads,
      `SELECT count(*), sum(CAST('0x' || message_id[1:8] AS BIGINT)),
         max(sequence) - min(sequence) + 1 FROM events`,
    );
    const startMs = performance.now();
    const [row] = await exact();
    const elapsedMs = performance.now() - startMs;
    const expected = [events, (BigInt(events) * BigInt(events - 1)) / 2n, events].join();
    if (row!.join() !== expected) throw new Error(`events are ${row!.join()}, not ${expected}`);
    const lake = cold.tables.find(({ hot }) => hot === tenant.hot.events)!.lake.currentSnapshot;
    const { totalFiles = 0, totalRecords = 0 } = lake ?? {};
    progress(
      `count, sum and sequences are exact: ${totalRecords} cold rows in ${totalFiles} files and ${events - totalRecords} hot ones`,
    );
    const rows = { unit: 'events', higherIsBetter: true };
    report({ metric: 'cold_rows', value: totalRecords, ...rows });
    report({ metric: 'hot_rows', value: events - totalRecords, ...rows });
    report({ metric: 'exact_sum', value: elapsedMs, unit: 'ms', higherIsBetter: false });
  } finally {
    reads.parser.close();
    connection.close();
    database.close();
    process.chdir(directory);
  }
}
