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
  /** Events received on an earlier day (since 1970-01-01) may have been dropped for their age. */
  keptFromDay = 0;
  /** The duplicate window that holds at the end of `entries`, and the one at its beginning. */
  readonly initialWindowMicros: number;
  /** Fingerprints of what was seen, by the number of entries it is the fold of, and its name. */
  readonly #fingerprints = new Map<number, Map<string, string>>();

  constructor(initialWindowMicros: number) {
    this.initialWindowMicros = initialWindowMicros;
  }

  fork(): Witness {
    const copy = new Witness(this.initialWindowMicros);
    copy.entries.push(...this.entries);
    copy.durableCount = this.durableCount;
    copy.keptFromDay = this.keptFromDay;
    for (const [count, seen] of this.#fingerprints) copy.#fingerprints.set(count, new Map(seen));
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
    const count = this.countUntil(nextSequence - 1);
    if (count === undefined) {
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

  /**
   * @param what was seen: the state, or a part of it.
   * @param count of the entries it is the fold of.
   * @returns what is wrong with it: the same log was folded to something else before.
   */
  saw(what: string, fingerprint: string, count = this.entries.length): string[] {
    const seen = this.#fingerprints.get(count) ?? new Map<string, string>();
    this.#fingerprints.set(count, seen);
    const known = seen.get(what);
    seen.set(what, fingerprint);
    if (known === undefined || known === fingerprint) return [];
    return [`${what} of the same log was another one before`];
  }

  /** How many entries end with `sequence`; undefined where none does. */
  countUntil(sequence: number): number | undefined {
    let next = 1;
    let count = 0;
    while (next <= sequence && count < this.entries.length) {
      next += sequencesOf(this.entries[count]!);
      count += 1;
    }
    return next === sequence + 1 ? count : undefined;
  }
}
