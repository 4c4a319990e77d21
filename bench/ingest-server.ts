/**
 * Ingest over the network: the real appliance in its own process, the load generator in this one, on the
 * same machine. Batches are acknowledged after their sync. Held against ClickHouse loading the same
 * events in its own process, without a network.
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
import { peerMedian, takeTurns } from './turns.ts';
import { EVENTS_PER_SECOND, perSecond, type Workload, type WorkloadContext } from './workload.ts';

const EVENTS = 500_000;

interface Protocol {
  readonly connections: number;
  /** Batches that one connection has unacknowledged. */
  readonly lanesPerConnection: number;
  open(port: number, writeKey: string): Promise<BatchConnection>;
}

const WEBSOCKET: Protocol = {
  connections: 8,
  lanesPerConnection: 16,
  open: (port, writeKey) => StreamConnection.open(port, writeKey),
};

const HTTP: Protocol = {
  connections: 64,
  lanesPerConnection: 1,
  open: (port, writeKey) => HttpConnection.open(port, writeKey),
};

export const ingestWebSocket: Workload = {
  name: 'ingest-ws',
  summary: 'events over WebSocket into a real appliance; against ClickHouse',
  run: (context) => measure(context, WEBSOCKET),
};

export const ingestHttp: Workload = {
  name: 'ingest-http',
  summary: 'events over HTTP into a real appliance; against ClickHouse',
  run: (context) => measure(context, HTTP),
};

async function measure(context: WorkloadContext, protocol: Protocol): Promise<void> {
  const { scratch, report } = context;
  const latenciesMs: number[] = [];
  const turns = await takeTurns(context, EVENTS, async (run) => ({
    eventsPerSecond: await measureRound(run, scratch, protocol, latenciesMs),
  }));
  report({
    metric: 'events_per_second',
    value: median(turns.ours.map(({ eventsPerSecond }) => eventsPerSecond)),
    ...EVENTS_PER_SECOND,
    ...peerMedian(turns.peers, 'eventsPerSecond'),
  });
  for (const [metric, share] of [
    ['ack_latency_p50', 0.5],
    ['ack_latency_p99', 0.99],
  ] as const) {
    const value = percentile(latenciesMs, share);
    report({ metric, value, unit: 'ms', higherIsBetter: false });
  }
}

/** @returns events per second; the latency of each batch is added to `latenciesMs`. */
async function measureRound(
  run: EventRun,
  scratch: Scratch,
  protocol: Protocol,
  latenciesMs: number[],
): Promise<number> {
  const dataDirectory = scratch.makeDiskDirectory('data');
  const appliance = await ApplianceProcess.open(dataDirectory, scratch.hotPath('hot'));
  const connections: BatchConnection[] = [];
  try {
    for (let index = 0; index < protocol.connections; index += 1) {
      connections.push(await protocol.open(appliance.port, appliance.writeKey));
    }
    const payloads = run.payloads.values();
    const lanes = connections.flatMap((connection) =>
      Array.from({ length: protocol.lanesPerConnection }, () => connection),
    );
    const startMs = performance.now();
    const accepted = await Promise.all(
      lanes.map((connection) => sendInTurn(connection, payloads, latenciesMs)),
    );
    const elapsedMs = performance.now() - startMs;
    const total = accepted.reduce((sum, count) => sum + count, 0);
    if (total !== run.events) throw new Error(`${total} of ${run.events} events were accepted`);
    return perSecond(run.events, elapsedMs);
  } finally {
    for (const connection of connections) connection.close();
    await appliance.close();
    scratch.discard(dataDirectory);
  }
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
