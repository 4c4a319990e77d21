/**
 * Ingest without a network: batches go into the engine of this process and are acknowledged when they
 * are durable, deduplicated, attributed to people and visible. Held against ClickHouse loading the same
 * events into a MergeTree table.
 *
 * The producer always has the next batch ready and only stops when BATCHES_IN_FLIGHT are unanswered. So
 * whenever the event loop is idle, the main thread waits for the stager or for the disk.
 */
import { performance } from 'node:perf_hooks';
import type { WalStatistics } from '../storage/wal-writer.ts';
import { appendAll, openEngine } from './engine-run.ts';
import type { EventRun } from './event-run.ts';
import { allocatedBytes, type Scratch } from './scratch.ts';
import { median } from './statistics.ts';
import { type CpuRound, peerMedian, takeTurns } from './turns.ts';
import { EVENTS_PER_SECOND, perSecond, type Workload } from './workload.ts';

const EVENTS = 4_000_000;
/**
 * Of the events: they fill hot storage for the first time, and are flushed. The rest finds what an appliance has that
 * runs for a while: compiled code, tables of identity, and the memory of flushed segments, which cost more to make for
 * the first time than to fill (docs/performance.md).
 */
const WARM_UP_SHARE = 0.5;

interface Round extends CpuRound {
  readonly firstFillPerSecond: number;
  readonly walBytesPerEvent: number;
  readonly mainIdleShare: number;
  readonly diskBusyShare: number;
  readonly eventsPerSync: number;
  readonly hotBytesPerEvent: number;
  readonly identityBytesPerEvent: number;
}

const SHARE = 'share of wall time';

export const ingestInProcess: Workload = {
  name: 'ingest-inprocess',
  summary: 'events into the engine, durable, deduplicated and attributed; against ClickHouse',
  async run(context) {
    const { scratch, report } = context;
    const turns = await takeTurns(context, EVENTS, (run) => measureRound(run, scratch));
    const of = (key: keyof Round): number => median(turns.ours.map((round) => round[key]));
    const lower = (metric: string, key: keyof Round, unit: string): void =>
      report({ metric, value: of(key), unit, higherIsBetter: false });
    report({
      metric: 'events_per_second',
      value: of('eventsPerSecond'),
      ...EVENTS_PER_SECOND,
      ...peerMedian(turns.peers, 'eventsPerSecond'),
    });
    report({
      metric: 'first_fill_events_per_second',
      value: of('firstFillPerSecond'),
      ...EVENTS_PER_SECOND,
      ...peerMedian(turns.peers, 'eventsPerSecond'),
    });
    report({
      metric: 'cpu_per_event',
      value: of('cpuMicrosPerEvent'),
      unit: 'µs',
      higherIsBetter: false,
      ...peerMedian(turns.peers, 'cpuMicrosPerEvent'),
    });
    lower('wal_bytes_per_event', 'walBytesPerEvent', 'bytes');
    lower('main_idle_share', 'mainIdleShare', SHARE);
    lower('disk_busy_share', 'diskBusyShare', SHARE);
    const events = { unit: 'events', higherIsBetter: true };
    report({ metric: 'events_per_sync', value: of('eventsPerSync'), ...events });
    lower('hot_bytes_per_event', 'hotBytesPerEvent', 'bytes');
    lower('identity_bytes_per_event', 'identityBytesPerEvent', 'bytes');
  },
};

async function measureRound(run: EventRun, scratch: Scratch): Promise<Round> {
  const dataDirectory = scratch.makeDiskDirectory('data');
  const hotDirectory = scratch.hotPath('hot');
  const { engine, tenant } = await openEngine(dataDirectory, hotDirectory);
  try {
    const warmUpBatches = Math.ceil(run.payloads.length * WARM_UP_SHARE);
    const warmUpMs = performance.now();
    const warmUpEvents = await appendAll(tenant, run.payloads.slice(0, warmUpBatches));
    const firstFillPerSecond = perSecond(warmUpEvents, performance.now() - warmUpMs);
    await engine.openTenant(tenant.id).flusher.flush();
    const before = { ...tenant.walStatistics };
    const loop = performance.eventLoopUtilization();
    const cpu = process.cpuUsage();
    const startMs = performance.now();
    const events = await appendAll(tenant, run.payloads.slice(warmUpBatches));
    const elapsedMs = performance.now() - startMs;
    const cpuUsed = process.cpuUsage(cpu);
    const { idle } = performance.eventLoopUtilization(loop);
    const wal = tenant.walStatistics;
    return {
      eventsPerSecond: perSecond(events, elapsedMs),
      firstFillPerSecond,
      walBytesPerEvent: (wal.bytes - before.bytes) / events,
      eventsPerSync: events / (wal.groups - before.groups),
      mainIdleShare: idle / elapsedMs,
      diskBusyShare: (diskMsOf(wal) - diskMsOf(before)) / elapsedMs,
      cpuMicrosPerEvent: (cpuUsed.user + cpuUsed.system) / events,
      hotBytesPerEvent: allocatedBytes(tenant.hotDirectory) / events,
      identityBytesPerEvent: tenant.identityStatistics.bytes / run.events,
    };
  } finally {
    await engine.close();
    scratch.discard(dataDirectory);
    scratch.discard(hotDirectory);
  }
}

function diskMsOf({ writeMs, syncMs }: WalStatistics): number {
  return writeMs + syncMs;
}
