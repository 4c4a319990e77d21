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

interface Round {
  readonly live: number;
  readonly replay: number;
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
      progress(`round ${round}: live ${Math.round(live)}, replay ${Math.round(replay)} events/s`);
    }
    report({
      metric: 'events_per_second',
      value: median(rounds.map(({ replay }) => replay)),
      ...EVENTS_PER_SECOND,
      peer: { name: 'live ingest', value: median(rounds.map(({ live }) => live)) },
    });
  },
};

async function measureRound(run: EventRun, scratch: Scratch): Promise<Round> {
  const dataDirectory = scratch.makeDiskDirectory('data');
  const hotDirectory = scratch.hotPath('hot');
  try {
    const written = await openEngine(dataDirectory, hotDirectory);
    let startMs = performance.now();
    await appendAll(written.tenant, run.payloads);
    const live = perSecond(run.events, performance.now() - startMs);
    await written.engine.close();

    startMs = performance.now();
    const replayed = await openEngine(dataDirectory, hotDirectory);
    const replay = perSecond(run.events, performance.now() - startMs);
    const { events } = replayed.tenant.recovery;
    await replayed.engine.close();
    if (events !== run.events) throw new Error(`${events} of ${run.events} events were replayed`);
    return { live, replay };
  } finally {
    scratch.discard(dataDirectory);
    scratch.discard(hotDirectory);
  }
}
