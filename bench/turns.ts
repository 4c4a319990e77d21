/**
 * Ours and ClickHouse in turns over the same events, so that a slow minute of the machine hits both. Before each turn
 * the disk has what was written until then: the file of events, and the parts that ClickHouse leaves to the page cache.
 */
import { execFileSync } from 'node:child_process';
import { BATCH_EVENTS } from './engine-run.ts';
import { type EventRun, prepareRun } from './event-run.ts';
import { ClickHouse } from './peers.ts';
import type { Figure } from './report.ts';
import { median } from './statistics.ts';
import { perSecond, type WorkloadContext } from './workload.ts';

/** What every round of ingest measures, whoever ran it. */
export interface CpuRound {
  readonly eventsPerSecond: number;
  /** Of all threads of the process. */
  readonly cpuMicrosPerEvent: number;
}

export interface Turns<Round> {
  readonly ours: readonly Round[];
  /** Empty without peers. */
  readonly peers: readonly CpuRound[];
}

/** Generates the events, then runs `measureOurs` and ClickHouse's insert once a round. */
export async function takeTurns<Round extends CpuRound>(
  { options, scratch, progress }: WorkloadContext,
  eventsDefault: number,
  measureOurs: (run: EventRun) => Promise<Round>,
): Promise<Turns<Round>> {
  const { seed, events = eventsDefault } = options;
  progress(`generating ${events} events`);
  const ndjsonPath = options.peers ? scratch.diskPath('events.ndjson') : undefined;
  const run = prepareRun({ seed, events, batchEvents: BATCH_EVENTS }, ndjsonPath);
  const clickHouse = options.peers
    ? await ClickHouse.open(scratch.makeDiskDirectory('clickhouse'), progress)
    : undefined;
  const ours: Round[] = [];
  const peers: CpuRound[] = [];
  const tell = (who: string, { eventsPerSecond }: CpuRound): void =>
    progress(`round ${ours.length}: ${who} ${Math.round(eventsPerSecond)} events/s`);
  try {
    while (ours.length < options.rounds) {
      execFileSync('sync');
      ours.push(await measureOurs(run));
      tell('ours', ours.at(-1)!);
      if (clickHouse === undefined || ndjsonPath === undefined) continue;
      execFileSync('sync');
      const { rows, elapsedMs, cpuMicros } = await clickHouse.insert(ndjsonPath);
      if (rows !== events) throw new Error(`ClickHouse took ${rows} of ${events} events`);
      peers.push({
        eventsPerSecond: perSecond(rows, elapsedMs),
        cpuMicrosPerEvent: cpuMicros / rows,
      });
      tell('ClickHouse', peers.at(-1)!);
    }
  } finally {
    await clickHouse?.close();
  }
  return { ours, peers };
}

/** ClickHouse's median of `key`, as a figure wants it. */
export function peerMedian(peers: readonly CpuRound[], key: keyof CpuRound): Pick<Figure, 'peer'> {
  if (peers.length === 0) return {};
  return { peer: { name: ClickHouse.peerName, value: median(peers.map((round) => round[key])) } };
}
