/**
 * Ingest over the network: the real appliance in its own process, the load generator in this one, on the
 * same machine. Batches are acknowledged after their sync. Held against ClickHouse loading the same
 * events in its own process, without a network.
 *
 * Each round starts a new appliance. Its code is compiled while it takes the first batches, which come
 * before anything is measured; they are flushed, so that what is measured finds hot storage with its memory.
 *
 * Closed loop: each lane sends its next batch when the last one was acknowledged. So the latencies are
 * those of a saturated appliance; most of them is waiting for one's turn.
 */
import { ApplianceProcess } from './appliance-process.ts';
import type { BatchConnection } from './batch-connection.ts';
import type { EventRun } from './event-run.ts';
import { HttpConnection } from './http-connection.ts';
import type { Scratch } from './scratch.ts';
import { median, percentile } from './statistics.ts';
import { StreamConnection } from './stream-connection.ts';
import { type CpuRound, peerMedian, takeTurns } from './turns.ts';
import { EVENTS_PER_SECOND, perSecond, type Workload, type WorkloadContext } from './workload.ts';

const EVENTS = 3_000_000;
/** Of the batches: they fill hot storage for the first time and are flushed (ingest-inprocess.ts). */
const WARM_UP_SHARE = 0.5;

export interface Protocol {
  readonly connections: number;
  /** Batches that one connection has unacknowledged. */
  readonly lanesPerConnection: number;
  open(port: number, writeKey: string): Promise<BatchConnection>;
}

export const WEBSOCKET: Protocol = {
  connections: 8,
  lanesPerConnection: 16,
  open: (port, writeKey) => StreamConnection.open(port, writeKey),
};

/** As many batches under way as over WebSocket. */
const HTTP: Protocol = {
  connections: 128,
  lanesPerConnection: 1,
  open: (port, writeKey) => HttpConnection.open(port, writeKey),
};

export const ingestWebSocket: Workload = {
  name: 'ingest-ws',
  summary: 'events over WebSocket into a real appliance; against ClickHouse',
  isClient: true,
  run: (context) => measure(context, WEBSOCKET),
};

export const ingestHttp: Workload = {
  name: 'ingest-http',
  summary: 'events over HTTP into a real appliance; against ClickHouse',
  isClient: true,
  run: (context) => measure(context, HTTP),
};

async function measure(context: WorkloadContext, protocol: Protocol): Promise<void> {
  const { scratch, report } = context;
  const latenciesMs: number[] = [];
  const turns = await takeTurns(context, EVENTS, (run) =>
    measureRound(run, scratch, protocol, latenciesMs),
  );
  report({
    metric: 'events_per_second',
    value: median(turns.ours.map(({ eventsPerSecond }) => eventsPerSecond)),
    ...EVENTS_PER_SECOND,
    ...peerMedian(turns.peers, 'eventsPerSecond'),
  });
  report({
    metric: 'cpu_per_event',
    value: median(turns.ours.map(({ cpuMicrosPerEvent }) => cpuMicrosPerEvent)),
    unit: 'µs',
    higherIsBetter: false,
    ...peerMedian(turns.peers, 'cpuMicrosPerEvent'),
  });
  for (const [metric, share] of [
    ['ack_latency_p50', 0.5],
    ['ack_latency_p99', 0.99],
  ] as const) {
    const value = percentile(latenciesMs, share);
    report({ metric, value, unit: 'ms', higherIsBetter: false });
  }
}

/** The latency of each measured batch is added to `latenciesMs`. */
async function measureRound(
  run: EventRun,
  scratch: Scratch,
  protocol: Protocol,
  latenciesMs: number[],
): Promise<CpuRound> {
  const dataDirectory = scratch.makeDiskDirectory('data');
  const appliance = await ApplianceProcess.open(dataDirectory, scratch.hotPath('hot'));
  const lanes: BatchConnection[] = [];
  try {
    lanes.push(...(await openLanes(protocol, appliance)));
    const warmUpBatches = Math.ceil(run.payloads.length * WARM_UP_SHARE);
    const warmUpEvents = await sendAll(lanes, run.payloads.slice(0, warmUpBatches), []);
    await appliance.flush();
    const cpuMicros = appliance.cpuMicros;
    const startMs = performance.now();
    const events = await sendAll(lanes, run.payloads.slice(warmUpBatches), latenciesMs);
    const elapsedMs = performance.now() - startMs;
    const total = warmUpEvents + events;
    if (total !== run.events) throw new Error(`${total} of ${run.events} events were accepted`);
    return {
      eventsPerSecond: perSecond(events, elapsedMs),
      cpuMicrosPerEvent: (appliance.cpuMicros - cpuMicros) / events,
    };
  } finally {
    for (const connection of lanes) connection.close();
    await appliance.close();
    scratch.discard(dataDirectory);
  }
}

/** One entry per batch that may be unacknowledged; lanes of one connection share it. */
export async function openLanes(
  protocol: Protocol,
  server: { readonly port: number; readonly writeKey: string },
): Promise<BatchConnection[]> {
  const lanes: BatchConnection[] = [];
  for (let index = 0; index < protocol.connections; index += 1) {
    const connection = await protocol.open(server.port, server.writeKey);
    for (let lane = 0; lane < protocol.lanesPerConnection; lane += 1) lanes.push(connection);
  }
  return lanes;
}

/** Has each lane send its next batch when its last one was acknowledged. @returns events accepted. */
export async function sendAll(
  lanes: readonly BatchConnection[],
  payloads: readonly Buffer[],
  latenciesMs: number[],
): Promise<number> {
  const next = payloads.values();
  const accepted = await Promise.all(
    lanes.map((connection) => sendInTurn(connection, next, latenciesMs)),
  );
  return accepted.reduce((sum, count) => sum + count, 0);
}

/** Sends from `payloads`, which all lanes share, until there is none left. @returns events accepted. */
async function sendInTurn(
  connection: BatchConnection,
  payloads: Iterator<Buffer>,
  latenciesMs: number[],
): Promise<number> {
  let accepted = 0;
  for (let next = payloads.next(); !next.done; next = payloads.next()) {
    const startMs = performance.now();
    accepted += await connection.send(next.value);
    latenciesMs.push(performance.now() - startMs);
  }
  return accepted;
}
