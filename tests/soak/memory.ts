/**
 * The memory of a process and its children over time, and whether it is flat.
 *
 * What counts is anonymous memory (RssAnon of proc_pid_status(5)): hot segments and shared arrays are
 * mapped files and counted by the kernel as RssShmem, so hot data is left out by where it lies. The
 * duplicate window grows with every message of its 24 hours by design, and its size is known.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { KIB } from '../../base/units.ts';
import { median } from '../../bench/statistics.ts';

export interface MemorySample {
  readonly seconds: number;
  /** Events stored by then. */
  readonly events: number;
  readonly mainAnonymousBytes: number;
  readonly mainSharedBytes: number;
  /** Of all query workers. */
  readonly workersAnonymousBytes: number;
}

export interface Flatness {
  /** Bytes a minute, after the warm-up, the duplicate window taken off. */
  readonly mainSlope: number;
  readonly workersSlope: number;
  readonly isFlat: boolean;
}

/** The first part of a run, in which code is compiled, heaps find their size and buffers their peak. */
const WARM_UP_SHARE = 1 / 3;
/** What a collector leaves lying between two of its runs, spread over the time measured. */
const NOISE_BYTES = 24 * KIB * KIB;
const FLAT_BYTES_PER_MINUTE = 4 * KIB * KIB;

/** native/src/fingerprint_map.h: a group of 48 KiB for every 1,536 ids. */
const WINDOW_BYTES_PER_ID = (48 * KIB) / 1536;

export function duplicateWindowBytes(events: number): number {
  return WINDOW_BYTES_PER_ID * events;
}

export function sampleMemory(processId: number, seconds: number, events: number): MemorySample {
  const main = residentOf(processId);
  let workersAnonymousBytes = 0;
  for (const child of childrenOf(processId)) {
    if (isQueryWorker(child)) workersAnonymousBytes += residentOf(child).anonymous;
  }
  return {
    seconds,
    events,
    mainAnonymousBytes: main.anonymous,
    mainSharedBytes: main.shared,
    workersAnonymousBytes,
  };
}

/** @param samples in order of time, from the start of the load to its end. */
export function judgeFlatness(samples: readonly MemorySample[]): Flatness {
  const end = samples.at(-1)?.seconds ?? 0;
  const steady = samples.filter(({ seconds }) => seconds >= end * WARM_UP_SHARE);
  const minutes = (end * (1 - WARM_UP_SHARE)) / 60;
  const slope = (bytesOf: (sample: MemorySample) => number): number =>
    theilSen(steady.map((sample) => [sample.seconds / 60, bytesOf(sample)]));
  const mainSlope = slope((one) => one.mainAnonymousBytes - duplicateWindowBytes(one.events));
  const workersSlope = slope((one) => one.workersAnonymousBytes);
  const allowed = FLAT_BYTES_PER_MINUTE + NOISE_BYTES / Math.max(minutes, 1);
  return { mainSlope, workersSlope, isFlat: mainSlope <= allowed && workersSlope <= allowed };
}

/** The median slope of all pairs of points (Theil 1950, Sen 1968): spikes do not move it. */
export function theilSen(points: readonly (readonly [number, number])[]): number {
  const slopes: number[] = [];
  for (const [index, [x, y]] of points.entries()) {
    for (const [laterX, laterY] of points.slice(index + 1)) {
      if (laterX > x) slopes.push((laterY - y) / (laterX - x));
    }
  }
  return slopes.length === 0 ? 0 : median(slopes);
}

function residentOf(processId: number): { anonymous: number; shared: number } {
  const status = readOrEmpty(`/proc/${processId}/status`);
  const kibibytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1] ?? 0) * KIB;
  return { anonymous: kibibytes('RssAnon'), shared: kibibytes('RssShmem') + kibibytes('RssFile') };
}

function childrenOf(processId: number): number[] {
  return readdirSync(`/proc/${processId}/task`).flatMap((thread) =>
    readOrEmpty(`/proc/${processId}/task/${thread}/children`)
      .split(' ')
      .filter((child) => child.trim() !== '')
      .map(Number),
  );
}

/** Others are there for one task, such as a checkpoint, and are gone with their memory behind it. */
function isQueryWorker(processId: number): boolean {
  return readOrEmpty(`/proc/${processId}/cmdline`).includes('/query/worker.js');
}

/** A process may end while it is looked at. */
function readOrEmpty(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}
