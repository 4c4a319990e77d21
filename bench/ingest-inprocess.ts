/**
 * Ingest without a network: batches go into the engine of this process and are acknowledged when they
 * are durable, deduplicated, attributed to people and visible. Held against ClickHouse loading the same
 * events into a MergeTree table.
 *
 * The producer always has the next batch ready and only stops when BATCHES_IN_FLIGHT are unanswered. So
 * whenever the event loop is idle, all that is under way is a write or a sync of the log, and the idle
 * share of the wall time is the share the writer waits for the disk.
 */
import { performance } from 'node:perf_hooks';
import { appendAll, BATCH_EVENTS, openEngine } from './engine-run.ts';
import { type EventRun, prepareRun } from './event-run.ts';
import { ClickHouse } from './peers.ts';
import type { Figure } from './report.ts';
import { allocatedBytes, type Scratch } from './scratch.ts';
import { median } from './statistics.ts';
import { EVENTS_PER_SECOND, perSecond, type Workload } from './workload.ts';

const EVENTS = 1_000_000;

interface Round {
  readonly eventsPerSecond: number;
  readonly walBytesPerEvent: number;
  readonly eventsPerSync: number;
  readonly diskWaitShare: number;
  readonly diskBusyShare: number;
  readonly cpuMicrosPerEvent: number;
  readonly hotBytesPerEvent: number;
  readonly identityBytesPerEvent: number;
}

export const ingestInProcess: Workload = {
  name: 'ingest-inprocess',
  summary: 'events into the engine, durable, deduplicated and attributed; against ClickHouse',
  async run({ options, scratch, report, progress }) {
    const { seed, peers, rounds: roundCount, events = EVENTS } = options;
    progress(`generating ${events} events`);
    const ndjsonPath = peers ? scratch.diskPath('events.ndjson') : undefined;
    const run = prepareRun({ seed, events, batchEvents: BATCH_EVENTS }, ndjsonPath);
    const clickHouse = peers
      ? await ClickHouse.open(scratch.makeDiskDirectory('clickhouse'), progress)
      : undefined;
    const rounds: Round[] = [];
    const peerRounds: Pick<Round, 'eventsPerSecond' | 'cpuMicrosPerEvent'>[] = [];
    try {
      for (let round = 1; round <= roundCount; round += 1) {
        rounds.push(await measureRound(run, scratch));
        progress(`round ${round}: ${Math.round(rounds.at(-1)!.eventsPerSecond)} events/s`);
        if (clickHouse === undefined || run.ndjsonPath === undefined) continue;
        const { rows, elapsedMs, cpuMicros } = await clickHouse.insert(run.ndjsonPath);
        const eventsPerSecond = perSecond(rows, elapsedMs);
        peerRounds.push({ eventsPerSecond, cpuMicrosPerEvent: cpuMicros / rows });
        progress(`round ${round}: ClickHouse ${Math.round(eventsPerSecond)} events/s`);
      }
    } finally {
      await clickHouse?.close();
    }
    const of = (key: keyof Round): number => median(rounds.map((round) => round[key]));
    const peerOf = (key: 'eventsPerSecond' | 'cpuMicrosPerEvent'): Pick<Figure, 'peer'> =>
      peerRounds.length === 0
        ? {}
        : { peer: { name: ClickHouse.peerName, value: median(peerRounds.map((r) => r[key])) } };
    report({
      metric: 'events_per_second',
      value: of('eventsPerSecond'),
      ...EVENTS_PER_SECOND,
      ...peerOf('eventsPerSecond'),
    });
    report({
      metric: 'cpu_per_event',
      value: of('cpuMicrosPerEvent'),
      unit: 'µs',
      higherIsBetter: false,
      ...peerOf('cpuMicrosPerEvent'),
    });
    const lower = (metric: string, key: keyof Round, unit: string): void =>
      report({ metric, value: of(key), unit, higherIsBetter: false });
    lower('wal_bytes_per_event', 'walBytesPerEvent', 'bytes');
    lower('disk_wait_share', 'diskWaitShare', 'share of wall time');
    lower('disk_busy_share', 'diskBusyShare', 'share of wall time');
    report({
      metric: 'events_per_sync',
      value: of('eventsPerSync'),
      unit: 'events',
      higherIsBetter: true,
    });
    lower('hot_bytes_per_event', 'hotBytesPerEvent', 'bytes');
    lower('identity_bytes_per_event', 'identityBytesPerEvent', 'bytes');
  },
};

async function measureRound(run: EventRun, scratch: Scratch): Promise<Round> {
  const dataDirectory = scratch.makeDiskDirectory('data');
  const hotDirectory = scratch.hotPath('hot');
  const { engine, tenant } = await openEngine(dataDirectory, hotDirectory);
  try {
    const loop = performance.eventLoopUtilization();
    const cpu = process.cpuUsage();
    const startMs = performance.now();
    const events = await appendAll(tenant, run.payloads);
    const elapsedMs = performance.now() - startMs;
    const cpuUsed = process.cpuUsage(cpu);
    const { idle } = performance.eventLoopUtilization(loop);
    const wal = tenant.walStatistics;
    return {
      eventsPerSecond: perSecond(events, elapsedMs),
      walBytesPerEvent: wal.bytes / events,
      eventsPerSync: events / wal.groups,
      diskWaitShare: idle / elapsedMs,
      diskBusyShare: (wal.writeMs + wal.syncMs) / elapsedMs,
      cpuMicrosPerEvent: (cpuUsed.user + cpuUsed.system) / events,
      hotBytesPerEvent: allocatedBytes(tenant.hotDirectory) / events,
      identityBytesPerEvent: tenant.identityStatistics.bytes / events,
    };
  } finally {
    await engine.close();
    scratch.discard(dataDirectory);
    scratch.discard(hotDirectory);
  }
}
