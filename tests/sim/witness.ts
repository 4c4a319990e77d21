/**
 * What the world outside knows about one data directory: what was sent, in the order of the log, and how
 * much of it was acknowledged or seen. Every crash image carries a copy of the witness as of its moment.
 *
 * - The log on disk is a prefix of `entries`, and holds at least the first `durableCount` of them.
 * - A state that was seen at some length of the log is the state at that length for ever.
 */
import { foldLog, type LogEntry, type ModelState, sequencesOf } from './log-model.ts';

export class Witness {
  readonly entries: LogEntry[] = [];
  /** Entries that an acknowledgement, or a start that showed them, has promised. */
  durableCount = 0;
  /** The duplicate window that holds at the end of `entries`, and the one at its beginning. */
  readonly initialWindowMicros: number;
  /** Fingerprints of the states seen, by the number of entries they are the fold of. */
  readonly #fingerprints = new Map<number, string>();

  constructor(initialWindowMicros: number) {
    this.initialWindowMicros = initialWindowMicros;
  }

  fork(): Witness {
    const copy = new Witness(this.initialWindowMicros);
    copy.entries.push(...this.entries);
    copy.durableCount = this.durableCount;
    for (const [count, fingerprint] of this.#fingerprints)
      copy.#fingerprints.set(count, fingerprint);
    return copy;
  }

  /** The duplicate window after all entries. */
  get windowMicros(): number {
    const last = this.entries.findLast((entry) => entry.kind === 'configuration');
    return last?.kind === 'configuration' ? last.dedupeWindowMicros : this.initialWindowMicros;
  }

  /** The sequence that follows the first `count` entries. */
  sequenceAfter(count: number): number {
    return this.entries.slice(0, count).reduce((sum, entry) => sum + sequencesOf(entry), 1);
  }

  model(): ModelState {
    return foldLog(this.entries, this.initialWindowMicros);
  }

  /**
   * Takes note that a start found the log to end before `nextSequence`: the rest is gone, and what is
   * there was seen. @returns what is wrong with that.
   */
  recovered(nextSequence: number): string[] {
    let count = 0;
    while (count < this.entries.length && this.sequenceAfter(count) < nextSequence) count += 1;
    if (this.sequenceAfter(count) !== nextSequence) {
      return [`the log ends before sequence ${nextSequence}, where nothing that was sent ends`];
    }
    const { durableCount } = this;
    this.entries.length = count;
    this.durableCount = count;
    for (const known of this.#fingerprints.keys()) {
      if (known > count) this.#fingerprints.delete(known);
    }
    if (count >= durableCount) return [];
    return [`${durableCount - count} of ${durableCount} acknowledged entries of the log are lost`];
  }

  /** @returns what is wrong with a state of all entries that has this fingerprint. */
  saw(fingerprint: string): string[] {
    const known = this.#fingerprints.get(this.entries.length);
    this.#fingerprints.set(this.entries.length, fingerprint);
    if (known === undefined || known === fingerprint) return [];
    return ['the same log was folded to another state before'];
  }
}
