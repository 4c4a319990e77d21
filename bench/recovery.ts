/**
 * Recovery: how fast a start replays the log, held against the rate at which the same events were
 * ingested a moment before. Each round is a fresh data directory, filled, closed and opened again.
 */
import { appendAll, BATCH_EVENTS, openEngine } from './engine-run.ts';
import { type EventRun, prepareRun } from './event-run.ts';
import type { Scratch } from './scratch.ts';
import { median } from './statistics.ts';
import { EVENTS_PER_SECOND, perSecond, type Workload } from './workload.ts';

const EVENTS = 1_000_000;

/** Events a second, and processor time of all threads, µs an event. */
interface Cost {
  readonly rate: number;
  readonly cpu: number;
}

interface Round {
  readonly live: Cost;
  readonly replay: Cost;
}

export const recovery: Workload = {
  name: 'recovery',
  summary: 'the log replayed at a start; against the live ingest of the same events',
  async run({ options, scratch, report, progress }) {
    const { seed, rounds: roundCount, events = EVENTS } = options;
    progress(`generating ${events} events`);
    const run = prepareRun({ seed, events, batchEvents: BATCH_EVENTS });
    const rounds: Round[] = [];
    for (let round = 1; round <= roundCount; round += 1) {
      const { live, replay } = await measureRound(run, scratch);
      rounds.push({ live, replay });
      const [liveRate, replayRate] = [live, replay].map(({ rate }) => Math.round(rate));
      progress(`round ${round}: live ${liveRate}, replay ${replayRate} events/s`);
    }
    const medianOf = (figure: (round: Round) => number): number => median(rounds.map(figure));
    report({
      metric: 'events_per_second',
      value: medianOf(({ replay }) => replay.rate),
      ...EVENTS_PER_SECOND,
      peer: { name: 'live ingest', value: medianOf(({ live }) => live.rate) },
    });
    report({
      metric: 'cpu_per_event',
      value: medianOf(({ replay }) => replay.cpu),
      unit: 'µs',
      higherIsBetter: false,
      peer: { name: 'live ingest', value: medianOf(({ live }) => live.cpu) },
    });
  },
};

async function costOf(events: number, work: () => Promise<unknown>): Promise<Cost> {
  const cpu = process.cpuUsage();
  const startMs = performance.now();
  await work();
  const elapsedMs = performance.now() - startMs;
  const { user, system } = process.cpuUsage(cpu);
  return { rate: perSecond(events, elapsedMs), cpu: (user + system) / events };
}

async function measureRound(run: EventRun, scratch: Scratch): Promise<Round> {
  const dataDirectory = scratch.makeDiskDirectory('data');
  const hotDirectory = scratch.hotPath('hot');
  try {
    const written = await openEngine(dataDirectory, hotDirectory);
    const live = await costOf(run.events, () => appendAll(written.tenant, run.payloads));
    await written.engine.close();

    let replayed = written;
    const replay = await costOf(run.events, async () => {
      replayed = await openEngine(dataDirectory, hotDirectory);
    });
    const { events } = replayed.tenant.recovery;
    await replayed.engine.close();
    if (events !== run.events) throw new Error(`${events} of ${run.events} events were replayed`);
    return { live, replay };
  } finally {
    scratch.discard(dataDirectory);
    scratch.discard(hotDirectory);
  }
}
