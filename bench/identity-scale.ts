/**
 * What an identifier costs when there are tens of millions: memory by array, and the time of a look-up
 * while the graph grows, in turns with one that is a stage behind. Events go the way of the write path from the decoder on: rows, nodes, anchors,
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
    const grown = new Population(scratch.hotPath('identity'));
    const small = new Population(scratch.hotPath('small'));
    try {
      for (const [place, stage] of stages.entries()) {
        const startMs = performance.now();
        const events = grown.growTo(stage);
        const rate = Math.round(perSecond(events, performance.now() - startMs));
        const { count } = grown;
        progress(`${count} identifiers, ${rate} events/s with the making of their events`);
        reportMemory({ report, progress }, grown);
        if (place > 0) small.growTo(stages[place - 1]!);
        const compared = place > 0 ? [grown, small] : [grown];
        const [own, other] = lookUpNanoseconds(compared, options.seed);
        report({
          metric: `look_up_at_${label(count)}`,
          value: own!,
          unit: 'ns',
          higherIsBetter: false,
          ...(other !== undefined && {
            peer: { name: `at ${label(small.count)}`, value: other },
          }),
        });
      }
    } finally {
      grown.close();
      small.close();
    }
  },
};

/** Identity with so many people in it. */
class Population {
  readonly rows: DirectRows;
  #people = 0;
  /** Of the values of all its identifiers. */
  valueBytes = 0;

  /** @param directory where nothing is yet. */
  constructor(directory: string) {
    this.rows = new DirectRows(directory);
  }

  /** Identifiers. */
  get count(): number {
    return this.#people * IDENTIFIERS_PER_PERSON;
  }

  /** Takes people in until there are so many identifiers. @returns the events it took. */
  growTo(identifiers: number): number {
    const before = this.#people;
    const goal = Math.ceil(identifiers / IDENTIFIERS_PER_PERSON);
    while (this.#people < goal) {
      const first = this.#people;
      const count = Math.min(PEOPLE_PER_BATCH, goal - first);
      for (const payload of populationBatches(first, count)) this.rows.take(payload);
      for (let person = first; person < first + count; person += 1) {
        this.valueBytes += valueBytesOf(person);
      }
      this.#people += count;
    }
    const isWhole = this.rows.identity.nodeCount === this.count;
    if (!isWhole) throw new Error('an identifier was not taken');
    return (this.#people - before) * EVENTS_PER_PERSON;
  }

  close(): void {
    this.rows.close();
  }
}

function reportMemory(
  { report, progress }: Pick<WorkloadContext, 'report' | 'progress'>,
  { rows: { identity }, count, valueBytes }: Population,
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

/**
 * Processor time of a look-up in the median request of each population, for identifiers drawn at random that
 * are asked for once. They are asked in turns: what the machine does beside meets all of them alike.
 */
function lookUpNanoseconds(populations: readonly Population[], seed: number): number[] {
  const random = seededRandom(seed);
  const times = populations.map((): number[] => []);
  for (let made = 0; made < REQUESTS; made += 1) {
    for (const [place, { rows, count }] of populations.entries()) {
      const list = Array.from({ length: LOOK_UPS_PER_REQUEST }, () =>
        identifierAt(Math.floor(random() * count)),
      );
      const request = Buffer.from(JSON.stringify(list));
      const before = process.cpuUsage();
      const answer = rows.identity.resolveRequest(request);
      const { user, system } = process.cpuUsage(before);
      times[place]!.push(((user + system) * 1000) / LOOK_UPS_PER_REQUEST);
      const isWhole = answer !== undefined && !Buffer.from(answer.profiles).includes('null');
      if (!isWhole) throw new Error('an identifier was not found');
    }
  }
  return times.map(median);
}

function label(count: number): string {
  return count % 1_000_000 === 0 ? `${count / 1_000_000}m` : String(count);
}
