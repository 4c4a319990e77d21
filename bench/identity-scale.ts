/**
 * What an identifier costs when there are tens of millions: memory by array, and the time of a look-up
 * while the graph grows. Events go the way of the write path from the decoder on: rows, nodes, anchors,
 * profiles, edges. The log, the tables that edges become rows of, and the duplicate window are left out:
 * they hold nothing for each identifier that memory must keep.
 */
import { seededRandom } from '../base/random.ts';
import { DirectRows } from './direct-rows.ts';
import {
  EVENTS_PER_PERSON,
  IDENTIFIERS_PER_PERSON,
  identifierAt,
  populationBatches,
  valueBytesOf,
} from './identity-population.ts';
import { median } from './statistics.ts';
import { perSecond, type Workload, type WorkloadContext } from './workload.ts';

const IDENTIFIERS = 1_000_000;
/** Where it is measured on the way, and at the end. */
const STAGES = [1_000_000, 10_000_000, 50_000_000];
const PEOPLE_PER_BATCH = 1000;
const REQUESTS = 300;
const LOOK_UPS_PER_REQUEST = 1000;

export const identityScale: Workload = {
  name: 'identity-scale',
  summary: 'bytes an identifier takes and look-up time, up to tens of millions',
  async run({ options, scratch, report, progress }) {
    const identifiers = options.identifiers ?? IDENTIFIERS;
    const stages = [...STAGES.filter((stage) => stage < identifiers), identifiers];
    const rows = new DirectRows(scratch.hotPath('identity'));
    try {
      let people = 0;
      let valueBytes = 0;
      let firstNanoseconds: number | undefined;
      for (const stage of stages) {
        const goal = Math.ceil(stage / IDENTIFIERS_PER_PERSON);
        const startMs = performance.now();
        const before = people;
        while (people < goal) {
          const count = Math.min(PEOPLE_PER_BATCH, goal - people);
          for (const payload of populationBatches(people, count)) rows.take(payload);
          for (let person = people; person < people + count; person += 1) {
            valueBytes += valueBytesOf(person);
          }
          people += count;
        }
        const events = (people - before) * EVENTS_PER_PERSON;
        const rate = Math.round(perSecond(events, performance.now() - startMs));
        const count = people * IDENTIFIERS_PER_PERSON;
        progress(`${count} identifiers, ${rate} events/s with the making of their events`);
        if (rows.identity.nodeCount !== count) throw new Error('an identifier was not taken');
        reportMemory({ report, progress }, rows, count, valueBytes);
        const nanoseconds = lookUpNanoseconds(rows, count, options.seed);
        firstNanoseconds ??= nanoseconds;
        report({
          metric: `look_up_at_${label(count)}`,
          value: nanoseconds,
          unit: 'ns',
          higherIsBetter: false,
          peer: { name: `at ${label(stages[0]!)}`, value: firstNanoseconds },
        });
      }
    } finally {
      rows.close();
    }
  },
};

function reportMemory(
  { report, progress }: Pick<WorkloadContext, 'report' | 'progress'>,
  { identity }: DirectRows,
  count: number,
  valueBytes: number,
): void {
  for (const { name, bytes } of identity.memory) {
    const own = name === 'identifier_values' ? bytes - valueBytes : bytes;
    progress(`  ${name.padEnd(18)}${(own / count).toFixed(2).padStart(8)} bytes`);
  }
  report({
    metric: `bytes_per_identifier_at_${label(count)}`,
    value: (identity.memoryBytes - valueBytes) / count,
    unit: 'bytes',
    higherIsBetter: false,
  });
}

/** Of the median request for identifiers drawn at random; each is asked for once. */
function lookUpNanoseconds({ identity }: DirectRows, count: number, seed: number): number {
  const random = seededRandom(seed);
  const times: number[] = [];
  for (let made = 0; made < REQUESTS; made += 1) {
    const list = Array.from({ length: LOOK_UPS_PER_REQUEST }, () =>
      identifierAt(Math.floor(random() * count)),
    );
    const request = Buffer.from(JSON.stringify(list));
    const startMs = performance.now();
    const answer = identity.resolveRequest(request);
    times.push(((performance.now() - startMs) * 1e6) / LOOK_UPS_PER_REQUEST);
    const isWhole = answer !== undefined && !Buffer.from(answer.profiles).includes('null');
    if (!isWhole) throw new Error('an identifier was not found');
  }
  return median(times);
}

function label(count: number): string {
  return count % 1_000_000 === 0 ? `${count / 1_000_000}m` : String(count);
}
