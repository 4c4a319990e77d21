/**
 * Who somebody is, asked over the network: the real appliance in its own process, the clients in this
 * one, on the same machine. Look-ups over WebSocket come a thousand a frame, over HTTP one a request,
 * pipelined as load generators do.
 *
 * First the maximum of each, in a closed loop, with nothing else to do; then the maximum while events arrive at a
 * quarter of what the same appliance had taken. Then latencies, on a timetable, while they go on arriving: at half of
 * the rate that is promised, in turns with a server that answers constant bytes, and at half of the maximum.
 */
import { sendOnTime } from './ack-latency.ts';
import { ApplianceProcess } from './appliance-process.ts';
import { BareServer } from './bare-server.ts';
import type { BatchConnection } from './batch-connection.ts';
import { goFirst, goInTurn } from './client-process.ts';
import { BATCH_EVENTS } from './engine-run.ts';
import { prepareRun } from './event-run.ts';
import { Asking, type Timed, type Way } from './identity-asking.ts';
import { openLanes, sendAll, WEBSOCKET } from './ingest-server.ts';
import { frameQuestion, httpQuestion, Questions } from './question-connection.ts';
import { median, percentile } from './statistics.ts';
import { perSecond, type Workload, type WorkloadContext } from './workload.ts';

/** Taken before anything is asked. */
const POPULATION_EVENTS = 400_000;
/** Of them; they fill hot storage for the first time (ingest-inprocess.ts). The rest tells what it takes at most. */
const WARM_UP_SHARE = 0.5;
const INGEST_SHARE = 0.25;
/** Enough for a share of any machine's rate. */
const INGEST_PER_SECOND_MAX = 230_000;
const LOAD_SHARE = 0.5;
const IDENTIFIERS_MAX = 50_000;
const WARM_UP_MS = 500;
const UNIT = { unit: 'look-ups/s', higherIsBetter: true } as const;

interface PromisedWay extends Way {
  /** Look-ups a second that two processors answer at least. */
  readonly promised: number;
}

const WAYS: readonly PromisedWay[] = [
  {
    name: 'websocket',
    transport: 'websocket',
    connections: 4,
    depth: 2,
    lookUpsPerQuestion: 1000,
    promised: 1_000_000,
  },
  {
    name: 'http',
    transport: 'http',
    connections: 16,
    depth: 16,
    lookUpsPerQuestion: 1,
    promised: 50_000,
  },
];

export const identityResolve: Workload = {
  name: 'identity-resolve',
  summary: 'look-ups of identifiers over WebSocket and HTTP, alone and while events arrive',
  isClient: true,
  async run(context) {
    const { options, scratch, progress } = context;
    const besideSeconds = (2 + 2 * options.rounds) * WAYS.length * options.seconds;
    const { seed, events = POPULATION_EVENTS + besideSeconds * INGEST_PER_SECOND_MAX } = options;
    progress(`generating ${events} events`);
    const { payloads } = prepareRun({ seed, events, batchEvents: BATCH_EVENTS });
    const populationBatches = Math.min(POPULATION_EVENTS / BATCH_EVENTS, payloads.length / 4);
    const population = payloads.slice(0, Math.ceil(populationBatches));
    const appliance = await ApplianceProcess.open(
      scratch.makeDiskDirectory('data'),
      scratch.hotPath('hot'),
    );
    const bare = await BareServer.openConstant();
    const lanes: BatchConnection[] = [];
    const isFirst = goFirst();
    if (!isFirst)
      progress('this process may not go before the appliance: latencies have its lateness');
    try {
      lanes.push(...(await openLanes(WEBSOCKET, appliance)));
      const warmUp = Math.ceil(population.length * WARM_UP_SHARE);
      await sendAll(lanes, population.slice(0, warmUp), []);
      await appliance.flush();
      const startMs = performance.now();
      const taken = await sendAll(lanes, population.slice(warmUp), []);
      const ingestPerSecond = perSecond(taken, performance.now() - startMs);
      progress(`takes ${Math.round(ingestPerSecond)} events/s`);
      const identifiers = identifiersOf(population);
      const rest = payloads.slice(population.length).values();
      for (const way of WAYS) {
        const questions = new Questions(questionsOf(way, identifiers, appliance.adminKey));
        await measureWay(context, way, {
          appliance,
          bare,
          questions,
          lanes,
          rest,
          ingestPerSecond,
        });
      }
    } finally {
      if (isFirst) goInTurn();
      for (const lane of lanes) lane.close();
      bare.close();
      await appliance.close();
    }
  },
};

interface Stage {
  readonly appliance: ApplianceProcess;
  readonly bare: BareServer;
  readonly questions: Questions;
  readonly lanes: readonly BatchConnection[];
  /** Payloads that were not sent yet. */
  readonly rest: IterableIterator<Buffer>;
  readonly ingestPerSecond: number;
}

async function measureWay(
  { options, report, progress }: WorkloadContext,
  way: PromisedWay,
  { appliance, bare, questions, lanes, rest, ingestPerSecond }: Stage,
): Promise<void> {
  const measuredMs = Math.max(options.seconds * 1000, 100);
  const { lookUpsPerQuestion, name, promised } = way;
  const asking = await Asking.open(way, appliance, questions);
  const askingBare = await Asking.open(way, bare, questions);
  /** Asks while events arrive at their share of the rate. */
  const besideIngest = async <Result>(ask: () => Promise<Result>): Promise<Result> => {
    const batchesPerSecond = (ingestPerSecond * INGEST_SHARE) / BATCH_EVENTS;
    const wanted = Math.ceil((batchesPerSecond * measuredMs) / 1000);
    const arriving = take(rest, wanted);
    progress(`${name}: while ${arriving.length} of ${wanted} batches arrive`);
    const ingest = sendOnTime(lanes, arriving, batchesPerSecond);
    const result = await ask();
    await ingest;
    return result;
  };
  const reportRate = (metric: string, questionsPerSecond: number): void => {
    report({
      metric: `${name}_${metric}`,
      value: questionsPerSecond * lookUpsPerQuestion,
      ...UNIT,
    });
  };
  const reportMs = (metric: string, value: number, bareMs?: number): void => {
    const peer = bareMs !== undefined && { peer: { name: 'constant answers', value: bareMs } };
    report({ metric: `${name}_${metric}`, value, unit: 'ms', higherIsBetter: false, ...peer });
  };
  try {
    await asking.closedLoop(Math.min(WARM_UP_MS, measuredMs));
    if (!/[0-9a-f]{8}-[0-9a-f]{4}-8/.test(asking.firstAnswer)) {
      throw new Error(`not resolved: ${asking.firstAnswer.slice(0, 400)}`);
    }
    const alone = await asking.closedLoop(measuredMs);
    reportRate('look_ups_per_second', alone.questionsPerSecond);
    report({
      metric: `${name}_cpu_per_look_up`,
      value: alone.cpuMicros / lookUpsPerQuestion,
      unit: 'µs',
      higherIsBetter: false,
    });
    const maximum = await besideIngest(() => asking.closedLoop(measuredMs));
    reportRate('look_ups_per_second_beside_ingest', maximum.questionsPerSecond);
    const half = (promised / lookUpsPerQuestion) * LOAD_SHARE;
    await askingBare.onTime(half, WARM_UP_MS);
    const ours: Percentiles[] = [];
    const bares: Percentiles[] = [];
    for (let round = 0; round < options.rounds; round += 1) {
      ours.push(percentilesOf(await besideIngest(() => asking.onTime(half, measuredMs))));
      bares.push(percentilesOf(await besideIngest(() => askingBare.onTime(half, measuredMs))));
    }
    for (const key of ['p50', 'p99', 'lateP99'] as const) {
      const of = (rounds: readonly Percentiles[]): number[] => rounds.map((one) => one[key]);
      const list = (values: readonly number[]): string =>
        values.map((value) => value.toFixed(2)).join(', ');
      progress(`${name}: ${key} ${list(of(ours))}; of constant answers ${list(of(bares))} ms`);
      if (key === 'lateP99') reportMs('asked_late_p99', median(of(ours)));
      else reportMs(`latency_${key}`, median(of(ours)), median(of(bares)));
    }
    const full = maximum.questionsPerSecond * LOAD_SHARE;
    const { p50, p99 } = percentilesOf(await besideIngest(() => asking.onTime(full, measuredMs)));
    reportMs('latency_p50_at_half_of_maximum', p50);
    reportMs('latency_p99_at_half_of_maximum', p99);
  } finally {
    askingBare.close();
    asking.close();
  }
}

interface Percentiles {
  readonly p50: number;
  readonly p99: number;
  /** By how much the asking process got its turn late. */
  readonly lateP99: number;
}

function percentilesOf({ latenciesMs, lateMs }: Timed): Percentiles {
  const of = (times: ArrayLike<number>, share: number): number =>
    times.length === 0 ? 0 : percentile(times, share);
  return { p50: of(latenciesMs, 0.5), p99: of(latenciesMs, 0.99), lateP99: of(lateMs, 0.99) };
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
