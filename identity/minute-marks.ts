/**
 * When things that are numbered in the order of the log came, to the minute: a mark where the
 * minute changes, with the first thing of it. A year has half a million minutes, so this takes megabytes
 * where a time beside each thing would take hundreds.
 *
 * - Ordinals ascend from mark to mark; minutes do too, but where the clock was set back.
 */
import { type ArrayMemory, memoryOf, SharedArray } from '../storage/shared-array.ts';
import {
  partOfArray,
  restoreArray,
  type StatePart,
  type StateSource,
} from '../storage/state-part.ts';

/** Words of a mark: the first ordinal, and the minute since 1970. */
const MARK_WORDS = 2;
const ORDINAL = 0;
const MINUTE = 1;
const MINUTE_SECONDS = 60;
/** The minutes of all seconds that fit 32 bits: a clock would have to be set to and fro to need more. */
const MARKS_MAX = Math.ceil(2 ** 32 / MINUTE_SECONDS);

export class MinuteMarks {
  readonly #marks: SharedArray<'u32'>;
  #count = 0;
  #lastMinute = -1;
  /** The second of the last thing: most come in the same. */
  #lastSeconds = -1;
  readonly #countMax: number;

  /** @param thingsMax how many things there can be: each has one mark at most. */
  constructor(directory: string, name: string, thingsMax: number) {
    this.#countMax = Math.min(MARKS_MAX, thingsMax);
    const capacity = this.#countMax * MARK_WORDS;
    this.#marks = SharedArray.create({ directory, name, type: 'u32', capacity });
  }

  get memory(): ArrayMemory {
    return memoryOf(this.#marks);
  }

  /** Makes room for things of `minutes` more minutes. @throws TRIBUTARY_STORAGE_REGION_FULL */
  prepare(minutes: number): void {
    this.#marks.ensure(Math.min(this.#count + minutes, this.#countMax) * MARK_WORDS);
  }

  /** The next thing is `ordinal`, and came at `seconds` since 1970. Room was prepared. */
  note(ordinal: number, seconds: number): void {
    if (seconds === this.#lastSeconds) return;
    this.#lastSeconds = seconds;
    const minute = Math.floor(seconds / MINUTE_SECONDS);
    if (minute === this.#lastMinute || this.#count === this.#countMax) return;
    this.#lastMinute = minute;
    const at = this.#count * MARK_WORDS;
    this.#marks.values[at + ORDINAL] = ordinal;
    this.#marks.values[at + MINUTE] = minute;
    this.#count += 1;
  }

  /** When the minute began in which a thing came, seconds since 1970. */
  secondsOf(ordinal: number): number {
    const marks = this.#marks.values;
    // Mostly it was of late: steps back that double, then halves.
    let high = this.#count - 1;
    let low = high;
    for (let step = 1; low > 0 && marks[low * MARK_WORDS]! > ordinal; step *= 2) {
      high = low - 1;
      low = Math.max(0, low - step);
    }
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (marks[middle * MARK_WORDS]! <= ordinal) low = middle;
      else high = middle - 1;
    }
    return marks[low * MARK_WORDS + MINUTE]! * MINUTE_SECONDS;
  }

  /** Lets readers see the marks made so far. */
  publish(): void {
    this.#marks.publish(this.#count * MARK_WORDS);
  }

  /** What a checkpoint keeps. */
  state(): StatePart {
    return partOfArray(this.#marks, this.#count * MARK_WORDS);
  }

  /** Takes over what {@link MinuteMarks.state} was; this is fresh. */
  async restore(source: StateSource): Promise<void> {
    this.#count = (await restoreArray(this.#marks, source)) / MARK_WORDS;
    if (this.#count > 0) {
      this.#lastMinute = this.#marks.values[(this.#count - 1) * MARK_WORDS + MINUTE]!;
    }
  }

  /** Unmaps the marks. Idempotent. */
  close(): void {
    this.#marks.close();
  }
}
