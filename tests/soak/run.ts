/**
 * `npm run soak -- --minutes 10 --seed 1`: the real appliance under load for long.
 *
 * It finds what the appliance takes at most, then loads it at 80 % of that over HTTP, WebSocket and imports,
 * in JSON and msgpack, with slow readers, stalled requests, reconnects and 1 % garbage, while a query runs now
 * and then. In the middle the appliance is killed and started again. It ends with
 * - the sum: every event sent is stored, rejected, a duplicate or refused, by the answers and by SQL;
 * - a verdict on the memory of each of its two lives: see memory.ts.
 * Exit code 1 when one does not hold.
 *
 * Hot rows are flushed meanwhile, by a process that takes its processor time from both sides. Where that cannot keep up,
 * hot storage fills, and batches are turned away and come again, as those of an SDK do; the report says how many.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { seededRandom } from '../../base/random.ts';
import { MIB } from '../../base/units.ts';
import { ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';
import { proofFlags } from '../support/proof-flags.ts';
import {
  cuttingHttpLane,
  importLane,
  type LaneContext,
  stallingLane,
  steadyHttpLane,
} from './lanes.ts';
import { Ledger } from './ledger.ts';
import { judgeFlatness, type MemorySample, sampleMemory } from './memory.ts';
import { Pacer } from './pacer.ts';
import { storedSumViolations } from './stored-sum.ts';
import {
  msgpackStreamLane,
  reconnectingLane,
  resumingLane,
  slowReaderLane,
  steadyStreamLane,
} from './stream-lanes.ts';

const LOAD_SHARE = 0.8;
const WARM_UP_MS = 4000;
const PROBE_MS = 8000;
const SAMPLE_MS = 1000;
const QUERY_EVERY_SAMPLES = 5;
/** A replay of the log while all lanes knock. */
const RECOVERY_MS_MAX = 600_000;

const {
  minutes,
  seed,
  'hot-gib': hotGib,
} = proofFlags(
  'soak',
  'Loads the real appliance at 80 % of what it takes, with garbage, stalls and a kill -9, and counts.',
  {
    minutes: { about: 'of load', value: 10 },
    seed: { about: 'of what is sent', value: 1 },
    'hot-gib': { about: 'GiB of memory for hot data', value: 4, least: 1 },
  },
);

async function main(): Promise<boolean> {
  const hotDirectory = mkdtempSync('/dev/shm/tributary-soak-');
  const appliance = await ApplianceProcess.start({
    flags: ['--hot-dir', join(hotDirectory, 'hot'), '--hot-bytes-max', `${hotGib}GiB`],
    readyMsMax: RECOVERY_MS_MAX,
  });
  const kill = (): void => void appliance.kill();
  process.once('exit', kill);
  try {
    return await soak(appliance);
  } finally {
    process.off('exit', kill);
    await appliance.remove();
    rmSync(hotDirectory, { recursive: true, force: true });
  }
}

async function soak(appliance: ApplianceProcess): Promise<boolean> {
  const ledger = new Ledger(seed);
  const pacer = new Pacer();
  const context: LaneContext = {
    port: appliance.port,
    writeKey: WRITE_KEY,
    ledger,
    pacer,
    random: seededRandom(seed + 1),
    isStopping: false,
  };
  const steady = [steadyHttpLane, steadyHttpLane, steadyStreamLane, msgpackStreamLane];
  const lanes = steady.map((lane) => lane(context));
  const rate = await findRate(ledger);
  pacer.setRate(rate);
  const awkward = [cuttingHttpLane, slowReaderLane, reconnectingLane, resumingLane, stallingLane];
  lanes.push(...[...awkward, importLane].map((lane) => lane(context)));

  const ended = Promise.all(lanes);
  const beforeKill = await watch(appliance, ledger, ended);
  const restartMs = await restart(appliance);
  const afterKill = await watch(appliance, ledger, ended);
  context.isStopping = true;
  pacer.setRate(Number.POSITIVE_INFINITY);
  await ended;
  return report(appliance, ledger, { rate, restartMs, lives: [beforeKill, afterKill] });
}

/** The rate of the soak, from what the steady lanes reach unpaced. */
async function findRate(ledger: Ledger): Promise<number> {
  await delay(WARM_UP_MS);
  const before = ledger.sent;
  const startedAt = performance.now();
  await delay(PROBE_MS);
  const maximum = ((ledger.sent - before) / (performance.now() - startedAt)) * 1000;
  const rate = maximum * LOAD_SHARE;
  console.log(`maximum ${figure(maximum)} events/s, loading at ${figure(rate)} events/s`);
  return rate;
}

/** Kills the appliance under load and starts it over its data. @returns how long that took, milliseconds. */
async function restart(appliance: ApplianceProcess): Promise<number> {
  const startedAt = performance.now();
  await appliance.kill();
  await appliance.restart();
  const milliseconds = performance.now() - startedAt;
  console.log(`killed, and ready again after ${figure(milliseconds)} ms`);
  return milliseconds;
}

/** Samples memory and queries for half of the time. @throws what a lane fails with. */
async function watch(
  appliance: ApplianceProcess,
  ledger: Ledger,
  lanes: Promise<unknown>,
): Promise<MemorySample[]> {
  const samples: MemorySample[] = [];
  const startedAt = performance.now();
  const seconds = (): number => (performance.now() - startedAt) / 1000;
  while (seconds() < minutes * 30) {
    await Promise.race([delay(SAMPLE_MS), lanes]);
    const sample = sampleMemory(appliance.processId, seconds(), ledger.accepted);
    samples.push(sample);
    if (samples.length % QUERY_EVERY_SAMPLES === 0)
      await appliance.sql('SELECT count(*) FROM events');
    if (samples.length % 15 === 0) console.log(progressLine(sample, ledger));
  }
  return samples;
}

interface Run {
  readonly rate: number;
  readonly restartMs: number;
  /** What was sampled of each process. */
  readonly lives: readonly (readonly MemorySample[])[];
}

async function report(appliance: ApplianceProcess, ledger: Ledger, run: Run): Promise<boolean> {
  const violations = [...ledger.violations, ...(await storedSumViolations(appliance, ledger))];
  const lives = run.lives.map((samples) => judgeFlatness(samples));
  const isFlat = lives.every((life) => life.isFlat);
  const seconds = run.lives.reduce((sum, samples) => sum + (samples.at(-1)?.seconds ?? 0), 0);
  const loaded = ledger.sent / (seconds + (WARM_UP_MS + PROBE_MS + run.restartMs) / 1000);
  console.log(
    [
      `sent ${ledger.sent} = accepted ${ledger.accepted} + duplicates ${ledger.duplicates}` +
        ` + rejected ${ledger.rejected} + refused ${ledger.refused}`,
      `stored ${ledger.goodEvents} = accepted ${ledger.accepted} + stored by ${ledger.lostAttempts} lost attempts ${ledger.recovered}`,
      `${ledger.batches} batches, ${figure(loaded)} events/s over the whole run, aimed at ${figure(run.rate)}; ` +
        `${ledger.turnedAway} times a batch was turned away, and came again`,
      ...lives.map(
        (life, index) =>
          `memory ${['before', 'after'][index]} the kill, main process: ${perMinute(life.mainSlope)}, ` +
          `query workers: ${perMinute(life.workersSlope)}: ${life.isFlat ? 'flat' : 'NOT FLAT'}`,
      ),
      ...violations.slice(0, 20).map((violation) => `VIOLATION: ${violation}`),
      `${violations.length} violations, seed ${seed}`,
    ].join('\n'),
  );
  return violations.length === 0 && isFlat;
}

function progressLine(sample: MemorySample, ledger: Ledger): string {
  const mib = (bytes: number): string => `${Math.round(bytes / MIB)} MiB`;
  return (
    `${Math.round(sample.seconds)} s: ${ledger.sent} sent, main ${mib(sample.mainAnonymousBytes)} ` +
    `+ ${mib(sample.mainSharedBytes)} shared, workers ${mib(sample.workersAnonymousBytes)}, ` +
    `${ledger.lostAttempts} lost attempts`
  );
}

function perMinute(bytes: number): string {
  return `${(bytes / MIB).toFixed(2)} MiB/min`;
}

function figure(value: number): string {
  return Math.round(value).toLocaleString('en');
}

process.exitCode = (await main()) ? 0 : 1;
