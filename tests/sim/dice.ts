/**
 * Seeded chance. Every purpose has a stream of its own, named: drawing once more for the workload does
 * not change what the scheduler draws, so a run that is cut short stays the beginning of the whole one.
 */
import { seededRandom } from '../../base/random.ts';
import { crc32c } from '../../storage/crc32c.ts';

export class Dice {
  readonly #next: () => number;

  constructor(seed: number, purpose: string) {
    const name = new TextEncoder().encode(`${seed}/${purpose}`);
    this.#next = seededRandom(crc32c(name, 0, name.length, 0));
  }

  /** Whether something of this probability happens. */
  chance(probability: number): boolean {
    return this.#next() < probability;
  }

  /** A whole number from 0 to `count - 1`. */
  below(count: number): number {
    return Math.floor(this.#next() * count);
  }

  /** A whole number from `least` to `most`, both included. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!;
  }
}
