/**
 * Which rows of a slice go where, as runs: ascending, disjoint ranges [start, end) of row numbers.
 *
 * Why runs and not rows: hidden rows are rare and the day changes once a day, so a slice of 122,880
 * rows is mostly one run, and copying is by the run. Pure functions over bits and times.
 */
const DAY_MICROS = 86_400_000_000;
const HIGH_WORD = 2 ** 32;

export interface RowRuns {
  /** Start and end of each run in turn. */
  readonly edges: readonly number[];
  /** Rows of all runs together. */
  readonly count: number;
}

/** The rows of [0, count) whose bit in `hidden` is 0. */
export function visibleRuns(hidden: Uint8Array, count: number): RowRuns {
  const edges: number[] = [];
  let visible = 0;
  let start = 0;
  for (let row = 0; row < count; row += 1) {
    if ((row & 7) === 0 && hidden[row >> 3] === 0) {
      row += 7; // eight visible rows
      continue;
    }
    if (((hidden[row >> 3]! >> (row & 7)) & 1) === 0) continue;
    if (row > start) edges.push(start, row);
    visible += row - start;
    start = row + 1;
  }
  if (count > start) edges.push(start, count);
  return { edges, count: visible + Math.max(0, count - start) };
}

/**
 * `runs` by the day of `times`: days since 1970-01-01 (UTC), in ascending order.
 * @param times microseconds since 1970 as words, low then high, of every row of the slice.
 */
export function runsByDay(runs: RowRuns, times: Int32Array): ReadonlyMap<number, RowRuns> {
  const days = new Map<number, { edges: number[]; count: number }>();
  for (let at = 0; at < runs.edges.length; at += 2) {
    const end = runs.edges[at + 1]!;
    let start = runs.edges[at]!;
    while (start < end) {
      const day = dayAt(times, start);
      let next = start + 1;
      while (next < end && dayAt(times, next) === day) next += 1;
      const known = days.get(day) ?? { edges: [], count: 0 };
      known.edges.push(start, next);
      known.count += next - start;
      days.set(day, known);
      start = next;
    }
  }
  return new Map([...days].sort(([a], [b]) => a - b));
}

/** Whether the runs are all of [0, count). */
export function isWhole(runs: RowRuns, count: number): boolean {
  return runs.count === count;
}

function dayAt(words: Int32Array, row: number): number {
  const micros = words[row * 2 + 1]! * HIGH_WORD + (words[row * 2]! >>> 0);
  return Math.floor(micros / DAY_MICROS);
}

/** The bits of the runs, one behind another. */
export function gatherBits(bits: Uint8Array, runs: RowRuns): Uint8Array {
  const gathered = new Uint8Array((runs.count + 7) >> 3);
  let to = 0;
  for (let at = 0; at < runs.edges.length; at += 2) {
    const end = runs.edges[at + 1]!;
    for (let row = runs.edges[at]!; row < end; row += 1, to += 1) {
      gathered[to >> 3]! |= ((bits[row >> 3]! >> (row & 7)) & 1) << (to & 7);
    }
  }
  return gathered;
}

/** The values of the runs, `width` bytes each, one behind another. */
export function gatherValues(values: Uint8Array, width: number, runs: RowRuns): Uint8Array {
  const gathered = new Uint8Array(runs.count * width);
  let to = 0;
  for (let at = 0; at < runs.edges.length; at += 2) {
    const run = values.subarray(runs.edges[at]! * width, runs.edges[at + 1]! * width);
    gathered.set(run, to);
    to += run.length;
  }
  return gathered;
}

/** Strings: offset `n + 1` is where string `n` ends; the first offset is where the bytes begin. */
export interface Texts {
  readonly offsets: Int32Array;
  readonly bytes: Uint8Array;
}

/** The strings of the runs; offsets start at 0. */
export function gatherTexts({ offsets, bytes }: Texts, runs: RowRuns): Texts {
  const base = offsets[0]!;
  const gathered = new Int32Array(runs.count + 1);
  let row = 0;
  let length = 0;
  for (let at = 0; at < runs.edges.length; at += 2) {
    const [start, end] = [runs.edges[at]!, runs.edges[at + 1]!];
    const shift = length - offsets[start]!;
    for (let from = start; from < end; from += 1) gathered[row++] = offsets[from]! + shift;
    length += offsets[end]! - offsets[start]!;
  }
  gathered[row] = length;
  const copied = new Uint8Array(length);
  let to = 0;
  for (let at = 0; at < runs.edges.length; at += 2) {
    const start = offsets[runs.edges[at]!]! - base;
    const run = bytes.subarray(start, offsets[runs.edges[at + 1]!]! - base);
    copied.set(run, to);
    to += run.length;
  }
  return { offsets: gathered, bytes: copied };
}
