/**
 * What an event costs the whole way from its batch to a visible row, by the format of the batch: copied, decoded,
 * logged, synced, deduplicated and attributed. decode-formats has the one stage that formats differ in most.
 *
 * One tenant takes all of them in turns, a slice of the events each, so that whatever else the machine does, and how
 * much the tenant holds, falls on all of them. The figure is the median slice.
 */
import { performance } from 'node:perf_hooks';
import { type BatchFormat, FORMATS } from './batch-formats.ts';
import { appendAll, BATCH_EVENTS, openEngine } from './engine-run.ts';
import { type EventBatch, generateBatches } from './event-generator.ts';
import { FormatCosts } from './format-costs.ts';
import type { Workload } from './workload.ts';

const EVENTS = 2_400_000;
const SLICE_BATCHES = 250;
/** Of the events: they make code and memory that an appliance has when it runs for a while. */
const WARM_UP_SHARE = 0.5;

interface Slice {
  readonly format: BatchFormat;
  readonly bodies: readonly Uint8Array[];
}

export const ingestFormats: Workload = {
  name: 'ingest-formats',
  summary: 'the same tenant taking events as JSON, NDJSON and msgpack, the whole way; against JSON',
  async run({ options, scratch, report, progress }) {
    const { seed, events = EVENTS } = options;
    progress(`writing ${events} events in ${FORMATS.length} formats`);
    const slices = slicesOf(generateBatches({ seed, events, batchEvents: BATCH_EVENTS }));
    const warmUp = Math.floor(slices.length * WARM_UP_SHARE);
    const dataDirectory = scratch.makeDiskDirectory('data');
    const hotDirectory = scratch.hotPath('hot');
    const costs = FORMATS.map(({ name }) => new FormatCosts(name, 'ns'));
    const { engine, tenant } = await openEngine(dataDirectory, hotDirectory);
    try {
      for (const { format, bodies } of slices.slice(0, warmUp)) {
        await appendAll(tenant, preparedBy(format, bodies), format.codec);
      }
      await engine.openTenant(tenant.id).flusher.flush();
      for (const { format, bodies } of slices.slice(warmUp)) {
        const cpu = process.cpuUsage();
        const startMs = performance.now();
        const taken = await appendAll(tenant, preparedBy(format, bodies), format.codec);
        const elapsedMs = performance.now() - startMs;
        const { user, system } = process.cpuUsage(cpu);
        costs[FORMATS.indexOf(format)]!.add(
          ((user + system) * 1000) / taken,
          (elapsedMs * 1e6) / taken,
        );
      }
    } finally {
      await engine.close();
      scratch.discard(dataDirectory);
      scratch.discard(hotDirectory);
    }
    for (const cost of costs) cost.report(report, costs[0]!);
  },
};

/** The batches in the order in which they come, each slice in the format whose turn it is. */
function slicesOf(batches: Iterable<EventBatch>): Slice[] {
  const slices: { format: BatchFormat; bodies: Uint8Array[] }[] = [];
  for (const batch of batches) {
    const last = slices.at(-1);
    if (last === undefined || last.bodies.length === SLICE_BATCHES) {
      const format = FORMATS[slices.length % FORMATS.length]!;
      slices.push({ format, bodies: [format.write(batch)] });
    } else {
      last.bodies.push(last.format.write(batch));
    }
  }
  return slices;
}

function* preparedBy(
  format: BatchFormat,
  bodies: readonly Uint8Array[],
): IterableIterator<Uint8Array> {
  for (const body of bodies) yield format.prepare(body);
}
