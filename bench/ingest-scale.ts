/**
 * Ingest as the store grows: the same rate at the last tenth of the events as at the first, with rows on
 * their way to the lake all the time and checkpoints made as by default, and in the end every event there once,
 * hot and cold together.
 *
 * Events are made in slices that fit memory, and only the time of their ingest counts, with the time it waits for
 * room. While a slice is made the processes that flush and make checkpoints stand still, or they would get time
 * that nobody counts. What comes before the end of the first flush, a twentieth of the events at most, warms up.
 */
import { readdirSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { formatBytes, GIB, MIB } from '../base/units.ts';
import type { OpenTenant } from '../engine/engine.ts';
import { native } from '../native/index.ts';
import { TableSnapshots } from '../query/table-snapshots.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';
import { appendAll, BATCH_EVENTS, type OpenedEngine, openEngine } from './engine-run.ts';
import { type EventBatch, generateBatches } from './event-generator.ts';
import { childrenCpuMicrosOf, cpuMicrosOf } from './processor-time.ts';
import { openDatabase, rowsAsPlanned } from './query-turns.ts';
import { allocatedBytes } from './scratch.ts';
import { median } from './statistics.ts';
import { EVENTS_PER_SECOND, perSecond, type Workload, type WorkloadContext } from './workload.ts';

const EVENTS = 10_000_000;
const STEPS = 10;
/** 100 MB of payloads. */
const SLICE_BATCHES = 2500;
const FLUSH = { flushBytes: 512 * MIB, flushAgeMs: 900_000 };
const HOT_BYTES_MAX = 4 * GIB;
const CHECKPOINT_LOG_BYTES = GIB;
/** From here on ingest waits for the flush. */
const UNFLUSHED_BYTES_MAX = HOT_BYTES_MAX / 2;
const FLUSH_FAILURES_MAX = 5;
const FLUSH_RETRY_MS = 1000;
const WARM_UP_SHARE = 1 / 20;

export const ingestScale: Workload = {
  name: 'ingest-scale',
  summary: 'ingest of many events with flushes; its last tenth against its first',
  async run(context) {
    const { options, scratch, report } = context;
    const { seed, events = EVENTS } = options;
    const dataDirectory = scratch.makeDiskDirectory('data');
    const settings = {
      flush: FLUSH,
      hotBytesMax: HOT_BYTES_MAX,
      checkpointLogBytes: CHECKPOINT_LOG_BYTES,
    };
    const hotDirectory = scratch.hotPath('hot');
    const opened = await openEngine(dataDirectory, hotDirectory, settings);
    const { engine, tenant } = opened;
    try {
      const open = engine.openTenant(tenant.id);
      const run = { seed, events, batchEvents: BATCH_EVENTS };
      const steps = await ingestInSteps(context, opened, run, { dataDirectory, hotDirectory });
      const rates = steps.map(({ eventsPerSecond }) => eventsPerSecond);
      report({ metric: 'events_per_second', value: median(rates), ...EVENTS_PER_SECOND });
      const [first, last] = [steps[0]!, steps.at(-1)!];
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
      await settleFlushes(open);
      await requireExact(context, open, events);
      const bytes = { unit: 'bytes', higherIsBetter: false };
      report({
        metric: 'lake_bytes_per_event',
        value: allocatedBytes(`${dataDirectory}/lake`) / events,
        ...bytes,
      });
      const { checkpoints } = open.checkpointer!.statistics;
      report({ metric: 'checkpoints', value: checkpoints, unit: '', higherIsBetter: true });
      await engine.close();
      report({
        metric: 'log_and_checkpoints',
        value: allocatedBytes(`${dataDirectory}/tenants`),
        ...bytes,
      });
      const startMs = performance.now();
      const again = await openEngine(dataDirectory, hotDirectory, settings);
      const readySeconds = (performance.now() - startMs) / 1000;
      const { events: replayed } = again.tenant.recovery;
      const { profiles } = again.tenant.identityStatistics;
      await again.engine.close();
      context.progress(`ready again with ${profiles} profiles, ${replayed} events replayed`);
      report({ metric: 'ready_again', value: readySeconds, unit: 's', higherIsBetter: false });
    } finally {
      await engine.close();
    }
  },
};

/** A tenth of the run. */
interface Step {
  readonly eventsPerSecond: number;
  /** Of all threads of the process and of the encoder's, microseconds. */
  readonly cpuPerEvent: number;
}

async function ingestInSteps(
  { progress, report }: WorkloadContext,
  opened: OpenedEngine,
  run: Parameters<typeof generateBatches>[0],
  directories: Directories,
): Promise<Step[]> {
  const { statistics } = opened.engine.openTenant(opened.tenant.id).flusher;
  const batches = generateBatches(run);
  const steps: Step[] = [];
  let sent = 0;
  for (let step = 1; step <= STEPS; step += 1) {
    const end = Math.ceil((run.events * step) / STEPS);
    let total: SliceCost = { events: 0, elapsedMs: 0, cpuMicros: 0 };
    while (sent < end) {
      const isWarmingUp = statistics.flushes === 0 && sent < run.events * WARM_UP_SHARE;
      const slice = whileStopped(helpersOf(opened), () => takeSlice(batches, end - sent));
      const cost = await ingestSlice(opened, slice);
      sent += cost.events;
      if (!isWarmingUp) total = sumOf(total, cost);
    }
    if (total.events === 0) continue;
    const rate = perSecond(total.events, total.elapsedMs);
    steps.push({ eventsPerSecond: rate, cpuPerEvent: total.cpuMicros / total.events });
    report({ metric: `step_${String(step).padStart(2, '0')}`, value: rate, ...EVENTS_PER_SECOND });
    const cpu = steps.at(-1)!.cpuPerEvent.toFixed(2);
    progress(
      `${sent} events, ${Math.round(rate)} events/s, ${cpu} µs each; ${describe(opened, directories)}`,
    );
  }
  return steps;
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
    `${checkpoints} checkpoints, the last in ${(elapsedMs / 1000).toFixed(1)} s`,
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

async function ingestSlice(opened: OpenedEngine, slice: readonly EventBatch[]): Promise<SliceCost> {
  const { engine, tenant } = opened;
  const { flusher } = engine.openTenant(tenant.id);
  const cpuBefore = cpuMicrosWith(helpersOf(opened));
  const startMs = performance.now();
  // Producers that are told 503 (hot storage is full) wait, and so do these: it is part of the time. A flush that
  // fails is tried again, as the flusher does; one in a while does not end a run of an hour.
  while (flusher.unflushedBytes > UNFLUSHED_BYTES_MAX) {
    if (flusher.statistics.failures > FLUSH_FAILURES_MAX) {
      throw new Error('flushes fail; the log of the run says why');
    }
    await (flusher.flushing ?? flusher.flush().catch(() => pause(FLUSH_RETRY_MS)));
  }
  await appendAll(
    tenant,
    slice.map(({ payload }) => payload),
  );
  return {
    events: slice.reduce((sum, { events }) => sum + events, 0),
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

function whileStopped<Result>(helpers: readonly number[], make: () => Result): Result {
  for (const id of helpers) process.kill(id, 'SIGSTOP');
  try {
    return make();
  } finally {
    for (const id of helpers) process.kill(id, 'SIGCONT');
  }
}

/** The next batches, of `events` events or somewhat more. */
function takeSlice(batches: Generator<EventBatch>, events: number): EventBatch[] {
  const slice: EventBatch[] = [];
  let count = 0;
  while (count < events && slice.length < SLICE_BATCHES) {
    const { done, value } = batches.next();
    if (done === true) break;
    slice.push(value);
    count += value.events;
  }
  return slice;
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
  try {
    const fileSystem = new NodeFileSystem();
    const snapshots = new TableSnapshots(tenant.hotDirectory, native, fileSystem);
    const startMs = performance.now();
    // A message id begins with the number of its event.
    const [row] = await rowsAsPlanned(
      connection,
      snapshots,
      `SELECT count(*), sum(CAST('0x' || message_id[1:8] AS BIGINT)),
         max(sequence) - min(sequence) + 1 FROM events`,
    );
    const elapsedMs = performance.now() - startMs;
    const expected = [events, (BigInt(events) * BigInt(events - 1)) / 2n, events].join();
    if (row!.join() !== expected) throw new Error(`events are ${row!.join()}, not ${expected}`);
    const files = cold.tables.find(({ hot }) => hot === tenant.hot.events)!.lake.currentSnapshot;
    progress(
      `count, sum and sequences are exact over ${files?.totalFiles ?? 0} files and hot rows`,
    );
    report({ metric: 'exact_sum', value: elapsedMs, unit: 'ms', higherIsBetter: false });
  } finally {
    connection.close();
    database.close();
    process.chdir(directory);
  }
}
