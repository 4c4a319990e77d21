/**
 * Who somebody is, asked over the network: the real appliance in its own process, the clients in this
 * one, on the same machine. Look-ups over WebSocket come a thousand a frame, over HTTP one a request,
 * pipelined as load generators do.
 *
 * First the maximum of each, in a closed loop, with nothing else to do; then latencies at half of it, on a
 * timetable, while events arrive at a quarter of what the same appliance had taken.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { sendOnTime } from './ack-latency.ts';
import { ApplianceProcess } from './appliance-process.ts';
import type { BatchConnection } from './batch-connection.ts';
import { BATCH_EVENTS } from './engine-run.ts';
import { prepareRun } from './event-run.ts';
import { openLanes, sendAll, WEBSOCKET } from './ingest-server.ts';
import {
  frameQuestion,
  httpQuestion,
  QuestionConnection,
  type Transport,
} from './question-connection.ts';
import { percentile } from './statistics.ts';
import { perSecond, type Workload, type WorkloadContext } from './workload.ts';

const EVENTS = 400_000;
/** Of the events, taken before anything is asked; the rest arrives while latencies are measured. */
const POPULATION_SHARE = 0.5;
const INGEST_SHARE = 0.25;
const LOAD_SHARE = 0.5;
const IDENTIFIERS_MAX = 50_000;
const WARM_UP_MS = 500;
const TICK_MS = 1;
const UNIT = { unit: 'look-ups/s', higherIsBetter: true } as const;

interface Way {
  readonly name: string;
  readonly transport: Transport;
  readonly connections: number;
  /** Questions that one connection has unanswered. */
  readonly depth: number;
  readonly lookUpsPerQuestion: number;
}

const WAYS: readonly Way[] = [
  { name: 'websocket', transport: 'websocket', connections: 4, depth: 2, lookUpsPerQuestion: 1000 },
  { name: 'http', transport: 'http', connections: 16, depth: 16, lookUpsPerQuestion: 1 },
];

export const identityResolve: Workload = {
  name: 'identity-resolve',
  summary: 'look-ups of identifiers over WebSocket and HTTP, alone and while events arrive',
  async run(context) {
    const { options, scratch, progress } = context;
    const { seed, events = EVENTS } = options;
    progress(`generating ${events} events`);
    const { payloads } = prepareRun({ seed, events, batchEvents: BATCH_EVENTS });
    const population = payloads.slice(0, Math.ceil(payloads.length * POPULATION_SHARE));
    const appliance = await ApplianceProcess.open(
      scratch.makeDiskDirectory('data'),
      scratch.hotPath('hot'),
    );
    const lanes: BatchConnection[] = [];
    try {
      lanes.push(...(await openLanes(WEBSOCKET, appliance)));
      const startMs = performance.now();
      const taken = await sendAll(lanes, population, []);
      const ingestPerSecond = perSecond(taken, performance.now() - startMs);
      progress(`${taken} events taken, ${Math.round(ingestPerSecond)} events/s`);
      const identifiers = identifiersOf(population);
      const rest = payloads.slice(population.length).values();
      for (const way of WAYS) {
        const questions = questionsOf(way, identifiers, appliance.adminKey);
        await measureWay(context, way, { appliance, questions, lanes, rest, ingestPerSecond });
      }
    } finally {
      for (const lane of lanes) lane.close();
      await appliance.close();
    }
  },
};

interface Stage {
  readonly appliance: ApplianceProcess;
  readonly questions: readonly Buffer[];
  readonly lanes: readonly BatchConnection[];
  /** Payloads that were not sent yet. */
  readonly rest: IterableIterator<Buffer>;
  readonly ingestPerSecond: number;
}

async function measureWay(
  { options, report, progress }: WorkloadContext,
  way: Way,
  { appliance, questions, lanes, rest, ingestPerSecond }: Stage,
): Promise<void> {
  const measuredMs = Math.max(options.seconds * 1000, 100);
  let answers = 0;
  let latencies: number[] = [];
  let isAsking = true;
  let isClosedLoop = true;
  const connections: QuestionConnection[] = [];
  try {
    for (let index = 0; index < way.connections; index += 1) {
      const onAnswers = (connection: QuestionConnection, latenciesMs: readonly number[]): void => {
        answers += latenciesMs.length;
        if (isAsking && isClosedLoop) connection.ask(latenciesMs.length);
        else for (const latencyMs of latenciesMs) latencies.push(latencyMs);
      };
      const connection = await QuestionConnection.open(
        way.transport,
        appliance,
        questions,
        onAnswers,
      );
      connections.push(connection);
      connection.ask(way.depth);
    }
    await delay(Math.min(WARM_UP_MS, measuredMs));
    if (!/[0-9a-f]{8}-[0-9a-f]{4}-8/.test(connections[0]!.firstAnswer)) {
      throw new Error(`not resolved: ${connections[0]!.firstAnswer.slice(0, 400)}`);
    }
    const before = { answers, cpuMicros: appliance.cpuMicros };
    const startMs = performance.now();
    await delay(measuredMs);
    const counted = answers - before.answers;
    const questionsPerSecond = perSecond(counted, performance.now() - startMs);
    const lookUps = counted * way.lookUpsPerQuestion;
    report({
      metric: `${way.name}_look_ups_per_second`,
      value: questionsPerSecond * way.lookUpsPerQuestion,
      ...UNIT,
    });
    report({
      metric: `${way.name}_cpu_per_look_up`,
      value: lookUps === 0 ? 0 : (appliance.cpuMicros - before.cpuMicros) / lookUps,
      unit: 'µs',
      higherIsBetter: false,
    });
    isAsking = false;
    while (connections.some(({ unanswered }) => unanswered > 0)) await delay(1);
    isClosedLoop = false;
    latencies = [];
    const batchesPerSecond = (ingestPerSecond * INGEST_SHARE) / BATCH_EVENTS;
    const arriving = take(rest, Math.ceil((batchesPerSecond * measuredMs) / 1000));
    progress(`${way.name}: half load while ${arriving.length} batches arrive`);
    const ingest = sendOnTime(lanes, arriving, batchesPerSecond);
    const latenessMs = await askOnTime(connections, questionsPerSecond * LOAD_SHARE, measuredMs);
    await ingest;
    while (connections.some(({ unanswered }) => unanswered > 0)) await delay(1);
    for (const [metric, times, share] of [
      ['latency_p50', latencies, 0.5],
      ['latency_p99', latencies, 0.99],
      ['asked_late_p99', latenessMs, 0.99],
    ] as const) {
      const value = times.length === 0 ? 0 : percentile(times, share);
      report({ metric: `${way.name}_${metric}`, value, unit: 'ms', higherIsBetter: false });
    }
  } finally {
    for (const connection of connections) connection.close();
  }
}

/**
 * Asks at an even rate, in steps of a tick, the connections in turn.
 * @returns by how much each tick came late: how long this process waits for its own turn.
 */
async function askOnTime(
  connections: readonly QuestionConnection[],
  perSecondWanted: number,
  durationMs: number,
): Promise<number[]> {
  const startMs = performance.now();
  const latenessMs: number[] = [];
  let asked = 0;
  let turn = 0;
  let plannedMs = 0;
  for (;;) {
    const elapsedMs = performance.now() - startMs;
    latenessMs.push(Math.max(0, elapsedMs - plannedMs));
    if (elapsedMs >= durationMs) return latenessMs;
    const due = Math.floor((elapsedMs * perSecondWanted) / 1000) - asked;
    for (let count = 0; count < due; count += 1) {
      connections[turn]!.ask(1);
      turn = (turn + 1) % connections.length;
    }
    asked += due;
    plannedMs = performance.now() - startMs + TICK_MS;
    await delay(TICK_MS);
  }
}

function take(payloads: IterableIterator<Buffer>, count: number): Buffer[] {
  const taken: Buffer[] = [];
  for (let next = payloads.next(); !next.done; next = payloads.next()) {
    taken.push(next.value);
    if (taken.length >= count) break;
  }
  return taken;
}

/** Devices that were seen, no two the same. */
function identifiersOf(payloads: readonly Buffer[]): string[] {
  const found = new Set<string>();
  for (const payload of payloads) {
    const { batch } = JSON.parse(payload.toString('utf8')) as { batch: { anonymousId?: string }[] };
    for (const { anonymousId } of batch) if (anonymousId !== undefined) found.add(anonymousId);
    if (found.size >= IDENTIFIERS_MAX) break;
  }
  return [...found];
}

function questionsOf(way: Way, identifiers: readonly string[], adminKey: string): Buffer[] {
  if (way.transport === 'http') {
    return identifiers.map((value) =>
      httpQuestion(`/v1/identity/resolve?type=anonymous_id&value=${value}`, adminKey),
    );
  }
  const questions: Buffer[] = [];
  const { lookUpsPerQuestion: count } = way;
  for (let first = 0; first < identifiers.length; first += count) {
    // The last frame is filled up from the start, so that all hold equally many.
    const values = Array.from(
      { length: count },
      (_, index) => identifiers[(first + index) % identifiers.length]!,
    );
    const resolve = { type: 'anonymous_id', values };
    questions.push(frameQuestion(JSON.stringify({ resolve, id: questions.length })));
  }
  return questions;
}
