/**
 * The start of a large tenant: as many people as `--events`, each with a user id and a device, then flushed, put
 * into a checkpoint, and closed. What is measured is the next start, which loads that checkpoint.
 */
import { GIB, MIB } from '../base/units.ts';
import type { Checkpointer } from '../engine/checkpointer.ts';
import type { OpenTenant } from '../engine/engine.ts';
import { appendAll, BATCH_EVENTS, openEngine } from './engine-run.ts';
import type { Workload } from './workload.ts';

const PEOPLE = 10_000_000;
/** Payloads of about 50 MB. */
const SLICE_BATCHES = 5000;
const HOT_BYTES_MAX = 2 * GIB;
/** From here on ingest waits for the flush. */
const UNFLUSHED_BYTES_MAX = HOT_BYTES_MAX / 2;
const SETTINGS = {
  flush: { flushBytes: 256 * MIB, flushAgeMs: 900_000 },
  hotBytesMax: HOT_BYTES_MAX,
  // Made when the workload asks for it.
  checkpointLogBytes: Number.MAX_SAFE_INTEGER,
};

export const recoveryProfiles: Workload = {
  name: 'recovery-profiles',
  summary: 'the start of a tenant of many people, from a checkpoint',
  async run({ options, scratch, report, progress }) {
    const { events: people = PEOPLE } = options;
    const dataDirectory = scratch.makeDiskDirectory('data');
    const hotDirectory = scratch.hotPath('hot');
    const first = await openEngine(dataDirectory, hotDirectory, SETTINGS);
    const open = first.engine.openTenant(first.tenant.id);
    await ingest(open, people, progress);
    await open.flusher.flush();
    progress('flushed');
    const { bytes, elapsedMs } = await checkpointOf(open.checkpointer!);
    progress(`a checkpoint of ${bytes} bytes in ${Math.round(elapsedMs)} ms`);
    await first.engine.close();

    const cpu = process.cpuUsage();
    const startMs = performance.now();
    const second = await openEngine(dataDirectory, hotDirectory, SETTINGS);
    const readyMs = performance.now() - startMs;
    const { user, system } = process.cpuUsage(cpu);
    const { profiles } = second.tenant.identityStatistics;
    const { events: replayed } = second.tenant.recovery;
    await second.engine.close();
    if (profiles !== people) throw new Error(`${profiles} of ${people} people came back`);
    if (replayed > 0) throw new Error(`${replayed} events were replayed`);
    const size = { unit: 'bytes', higherIsBetter: false };
    report({ metric: 'checkpoint', value: bytes, ...size });
    report({ metric: 'checkpoint_per_profile', value: bytes / people, ...size });
    report({
      metric: 'checkpoint_made',
      value: elapsedMs / 1000,
      unit: 's',
      higherIsBetter: false,
    });
    report({ metric: 'ready', value: readyMs / 1000, unit: 's', higherIsBetter: false });
    const cpuSeconds = (user + system) / 1e6;
    report({ metric: 'ready_cpu', value: cpuSeconds, unit: 's', higherIsBetter: false });
  },
};

async function ingest(
  { tenant, flusher }: OpenTenant,
  people: number,
  progress: (text: string) => void,
): Promise<void> {
  for (let from = 0; from < people; from += SLICE_BATCHES * BATCH_EVENTS) {
    while (flusher.unflushedBytes > UNFLUSHED_BYTES_MAX) {
      await (flusher.flushing ?? flusher.flush());
    }
    const end = Math.min(people, from + SLICE_BATCHES * BATCH_EVENTS);
    await appendAll(tenant, payloads(from, end));
    progress(`${end} people`);
  }
}

function* payloads(from: number, end: number): Generator<Buffer> {
  for (let at = from; at < end; at += BATCH_EVENTS) {
    const events: string[] = [];
    for (let person = at; person < Math.min(end, at + BATCH_EVENTS); person += 1) {
      const name = person.toString(16).padStart(8, '0');
      events.push(`{"type":"identify","userId":"user-${name}","anonymousId":"device-${name}"}`);
    }
    yield Buffer.from(`{"batch":[${events.join()}]}`);
  }
}

async function checkpointOf(
  checkpointer: Checkpointer,
): Promise<{ readonly bytes: number; readonly elapsedMs: number }> {
  await checkpointer.checkpoint();
  const { checkpoints, bytes, elapsedMs } = checkpointer.statistics;
  if (checkpoints !== 1) throw new Error('no checkpoint was made; the log of the run says why');
  return { bytes, elapsedMs };
}
