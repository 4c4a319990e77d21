/**
 * Which files of a lake table compaction rewrites: small ones together, and unsorted ones once their day
 * is over. Pure: files in, jobs out.
 *
 * - A job takes files of one day. No two jobs share a file.
 * - What a job reads is bounded by `targetBytes` and `filesMax`, so that a job is short and what is lost when
 *   it is interrupted is little. A file that alone is larger makes a job of its own.
 * - A day that still grows is compacted when `filesMin` small files have gathered; a day that is over,
 *   until its files are large and sorted. Each job leaves fewer files or fewer unsorted ones, so compaction
 *   comes to rest.
 * - A row of a growing day is rewritten about log(target / flushed bytes) / log(filesMin) times, and once
 *   more when the day is over.
 */
import { MIB } from '../../base/units.ts';
import type { LiveFile } from './data-file.ts';

export interface CompactionLimits {
  /** Bytes of files that become one. */
  readonly targetBytes: number;
  /** Files below it are small. */
  readonly smallBytes: number;
  /** Small files of one size class that a growing day gathers before they are rewritten. */
  readonly filesMin: number;
  /** Files of one job. */
  readonly filesMax: number;
}

export const COMPACTION_LIMITS: CompactionLimits = Object.freeze({
  targetBytes: 256 * MIB,
  smallBytes: 128 * MIB,
  filesMin: 8,
  filesMax: 512,
});

export interface CompactionJob {
  /** Days since 1970-01-01; null for a table of one partition. */
  readonly day: number | null;
  /** In order of their commit. */
  readonly files: readonly LiveFile[];
}

/**
 * @param files the live files, in order of their commit.
 * @param today days since 1970-01-01; earlier days get no more rows, but for those that waited.
 * @returns jobs, the one that removes most files first.
 */
export function planCompaction(
  files: readonly LiveFile[],
  today: number,
  limits: CompactionLimits = COMPACTION_LIMITS,
): CompactionJob[] {
  const days = new Map<number | null, LiveFile[]>();
  for (const file of files) {
    const known = days.get(file.day);
    if (known === undefined) days.set(file.day, [file]);
    else known.push(file);
  }
  return [...days]
    .flatMap(([day, own]) =>
      day !== null && day < today
        ? jobsOfClosedDay(day, own, limits)
        : jobsOfGrowingDay(day, own, limits),
    )
    .sort((a, b) => b.files.length - a.files.length);
}

function jobsOfClosedDay(
  day: number,
  files: readonly LiveFile[],
  limits: CompactionLimits,
): CompactionJob[] {
  const candidates = files.filter(
    ({ fileBytes, sorted }) => !sorted || fileBytes < limits.smallBytes,
  );
  return groups(candidates, limits)
    .filter((group) => group.length > 1 || group.some(({ sorted }) => !sorted))
    .map((group) => ({ day, files: group }));
}

/** Files of about one size go together, so that a large one is not rewritten for each small one. */
function jobsOfGrowingDay(
  day: number | null,
  files: readonly LiveFile[],
  limits: CompactionLimits,
): CompactionJob[] {
  const classes = new Map<number, LiveFile[]>();
  for (const file of files.filter(({ fileBytes }) => fileBytes < limits.smallBytes)) {
    const size = Math.floor(Math.log(Math.max(1, file.fileBytes)) / Math.log(limits.filesMin));
    classes.set(size, [...(classes.get(size) ?? []), file]);
  }
  return [...classes.values()]
    .flatMap((own) => groups(own, limits))
    .filter(
      (group) =>
        group.length >= limits.filesMin ||
        (group.length > 1 && bytesOf(group) >= limits.smallBytes),
    )
    .map((group) => ({ day, files: group }));
}

function groups(files: readonly LiveFile[], limits: CompactionLimits): LiveFile[][] {
  const all: LiveFile[][] = [];
  let group: LiveFile[] = [];
  for (const file of files) {
    const isFull =
      group.length === limits.filesMax || bytesOf(group) + file.fileBytes > limits.targetBytes;
    if (group.length > 0 && isFull) {
      all.push(group);
      group = [];
    }
    group.push(file);
  }
  if (group.length > 0) all.push(group);
  return all;
}

function bytesOf(files: readonly LiveFile[]): number {
  return files.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
}
