/**
 * How long a producer waits for its acknowledgement at half of the load the appliance can take, over
 * WebSocket, held against the sync of the disk itself.
 *
 * The maximum is found first, by a closed loop. Then batches leave on a timetable at half that rate,
 * whatever happens to the ones before, and a latency counts from the planned moment: a producer that
 * waits for a slow appliance must not hide its slowness (coordinated omission).
 *
 * The peer appends blocks to a file in the same directory and syncs each, before every round. How much of the rest
 * is the machine's, the network's and the client's shows a server that does nothing but append and sync: it takes
 * the same batches on the same timetable after each round.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { KIB } from '../base/units.ts';
import { native } from '../native/index.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';
import { ApplianceProcess } from './appliance-process.ts';
import { BareServer } from './bare-server.ts';
import type { BatchConnection } from './batch-connection.ts';
import { goFirst, goInTurn } from './client-process.ts';
import { BATCH_EVENTS } from './engine-run.ts';
import { prepareRun } from './event-run.ts';
import { openLanes, sendAll, WEBSOCKET } from './ingest-server.ts';
import { median, percentile } from './statistics.ts';
import { perSecond, type Workload, type WorkloadContext } from './workload.ts';

const EVENTS = 2_000_000;
/** Up to which share of the batches they warm up (ingest-server.ts), and then find the maximum. The rest is timed. */
const WARM_UP_SHARE = 0.5;
const MAXIMUM_SHARE = 0.65;
const LOAD_SHARE = 0.5;
/** Of the timed batches, before the bare log is timed. */
const BARE_WARM_UP_SHARE = 0.25;

const PROBE_SYNCS = 400;
/** About what a group of the log holds at half load. */
const PROBE_BYTES = 64 * KIB;

interface Round {
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly syncP99Ms: number;
  readonly bareLogP50Ms: number;
  readonly bareLogP99Ms: number;
}

/** What the batches of a round are for. */
interface Stages {
  readonly warmUp: readonly Buffer[];
  /** They find the maximum. */
  readonly maximum: readonly Buffer[];
  readonly timed: readonly Buffer[];
}

export const ackLatency: Workload = {
  name: 'ack-latency',
  summary: 'acknowledgements over WebSocket at half load; against fdatasync of the disk',
  isClient: true,
  async run(context) {
    const { seed, events = EVENTS } = context.options;
    context.progress(`generating ${events} events`);
    const { payloads } = prepareRun({ seed, events, batchEvents: BATCH_EVENTS });
    const rounds: Round[] = [];
    while (rounds.length < context.options.rounds) {
      rounds.push(await measureRound(context, payloads));
    }
    const of = (key: keyof Round): number => median(rounds.map((round) => round[key]));
    const unit = { unit: 'ms', higherIsBetter: false } as const;
    const peer = { name: 'fdatasync p99', value: of('syncP99Ms') };
    context.report({ metric: 'ack_latency_p50', value: of('p50Ms'), ...unit });
    context.report({ metric: 'ack_latency_p99', value: of('p99Ms'), ...unit, peer });
    context.report({ metric: 'bare_log_p50', value: of('bareLogP50Ms'), ...unit });
    context.report({ metric: 'bare_log_p99', value: of('bareLogP99Ms'), ...unit, peer });
  },
};

async function measureRound(context: WorkloadContext, payloads: readonly Buffer[]): Promise<Round> {
  const syncP99Ms = percentile(await probeSyncs(context.scratch.diskPath('probe')), 0.99);
  const warmUp = Math.ceil(payloads.length * WARM_UP_SHARE);
  const maximum = Math.ceil(payloads.length * MAXIMUM_SHARE);
  const stages: Stages = {
    warmUp: payloads.slice(0, warmUp),
    maximum: payloads.slice(warmUp, maximum),
    timed: payloads.slice(maximum),
  };
  const { latenciesMs, batchesPerSecond } = await askAppliance(context, stages);
  const bareMs = await askBareLog(context, stages.timed, batchesPerSecond);
  return {
    p50Ms: percentile(latenciesMs, 0.5),
    p99Ms: percentile(latenciesMs, 0.99),
    syncP99Ms,
    bareLogP50Ms: percentile(bareMs, 0.5),
    bareLogP99Ms: percentile(bareMs, 0.99),
  };
}

/** @returns milliseconds of each timed batch, and the rate at which they left: half of the maximum. */
async function askAppliance(
  { scratch, progress }: WorkloadContext,
  { warmUp, maximum, timed }: Stages,
): Promise<{ latenciesMs: number[]; batchesPerSecond: number }> {
  const dataDirectory = scratch.makeDiskDirectory('data');
  const appliance = await ApplianceProcess.open(dataDirectory, scratch.hotPath('hot'));
  const lanes: BatchConnection[] = [];
  try {
    lanes.push(...(await openLanes(WEBSOCKET, appliance)));
    await sendAll(lanes, warmUp, []);
    await appliance.flush();
    const startMs = performance.now();
    const events = await sendAll(lanes, maximum, []);
    const batchesPerSecond =
      (perSecond(events, performance.now() - startMs) / BATCH_EVENTS) * LOAD_SHARE;
    progress(`half load is ${Math.round(batchesPerSecond)} batches/s`);
    return { latenciesMs: await timeBatches(lanes, timed, batchesPerSecond), batchesPerSecond };
  } finally {
    for (const connection of lanes) connection.close();
    await appliance.close();
    scratch.discard(dataDirectory);
  }
}

/** @returns milliseconds from the planned moment of each batch to the answer of a log and no more. */
async function askBareLog(
  { scratch }: WorkloadContext,
  payloads: readonly Buffer[],
  batchesPerSecond: number,
): Promise<number[]> {
  const path = scratch.diskPath('bare-log');
  const server = await BareServer.openLog(path);
  const lanes: BatchConnection[] = [];
  try {
    lanes.push(...(await openLanes(WEBSOCKET, server)));
    const warmUp = payloads.slice(0, Math.ceil(payloads.length * BARE_WARM_UP_SHARE));
    await sendOnTime(lanes, warmUp, batchesPerSecond);
    return await timeBatches(lanes, payloads, batchesPerSecond);
  } finally {
    for (const connection of lanes) connection.close();
    server.close();
    scratch.discard(path);
  }
}

/** As {@link sendOnTime}, by a client that goes first. */
async function timeBatches(
  lanes: readonly BatchConnection[],
  payloads: readonly Buffer[],
  batchesPerSecond: number,
): Promise<number[]> {
  const isFirst = goFirst();
  try {
    return await sendOnTime(lanes, payloads, batchesPerSecond);
  } finally {
    if (isFirst) goInTurn();
  }
}

/** Sends each batch at its planned moment. @returns milliseconds from that moment to the answer. */
export async function sendOnTime(
  lanes: readonly BatchConnection[],
  payloads: readonly Buffer[],
  batchesPerSecond: number,
): Promise<number[]> {
  const latenciesMs: number[] = [];
  const pending: Promise<void>[] = [];
  const startMs = performance.now();
  for (const [index, payload] of payloads.entries()) {
    const plannedMs = startMs + (index / batchesPerSecond) * 1000;
    // Timers have millisecond steps: what is due within one leaves at once.
    const waitMs = plannedMs - performance.now();
    if (waitMs > 1) await delay(waitMs);
    const sent = lanes[index % lanes.length]!.send(payload);
    pending.push(
      sent.then(() => {
        latenciesMs.push(performance.now() - Math.min(plannedMs, performance.now()));
      }),
    );
  }
  await Promise.all(pending);
  return latenciesMs;
}

/** Milliseconds of each of PROBE_SYNCS appends with their sync. */
async function probeSyncs(path: string): Promise<number[]> {
  const allocateAligned = (bytes: number): ArrayBuffer => native.allocateAligned(bytes);
  const fileSystem = new NodeFileSystem({ allocateAligned });
  const block = fileSystem.allocate(PROBE_BYTES).fill(0x5a);
  const file = await fileSystem.open(path, 'create', { direct: true });
  const elapsedMs: number[] = [];
  try {
    for (let index = 0; index < PROBE_SYNCS; index += 1) {
      const startMs = performance.now();
      await file.write([block], index * PROBE_BYTES);
      await file.sync();
      elapsedMs.push(performance.now() - startMs);
    }
  } finally {
    await file.close();
    await fileSystem.unlink(path);
  }
  return elapsedMs;
}
