/**
 * Files of dropped segments that wait to become segments of the same table again. A new page of shared
 * memory costs more than what is written to it, so a file whose rows are cold is kept with its pages.
 *
 * - A file is used again only when nobody maps it. Until then its rows stay as they are, for readers that
 *   began before they were dropped.
 * - Spares stay charged to the hot budget. They are given up, oldest first, before the budget refuses
 *   anything, where they would take more than a quarter of it, and when none came or went for a while.
 */
import type { NativeRegion } from '../native/index.ts';
import type { HotBudget } from './hot-budget.ts';
import { reuseFile, type SegmentFile } from './segment-file.ts';

/** Of the hot budget: as much as a flush drops at once, by default. */
const BUDGET_SHARE = 1 / 4;
const IDLE_MS = 600_000;

/** The file of a segment to come. */
export interface SparePages {
  readonly region: NativeRegion;
  /** What the budget was charged for it already. */
  readonly chargedBytes: number;
}

export class SpareSegments {
  readonly #budget: HotBudget;
  readonly #removeFile: (path: string) => void;
  /** Oldest first. */
  #segments: SegmentFile[] = [];
  #bytes = 0;
  #reusedCount = 0;
  /** When one was first seen unused since the last came or went. */
  #idleSinceMs: number | undefined;

  constructor(budget: HotBudget, removeFile: (path: string) => void) {
    this.#budget = budget;
    this.#removeFile = removeFile;
    budget.reclaimFrom((bytes) => this.giveUp(bytes));
  }

  get count(): number {
    return this.#segments.length;
  }

  /** Memory of the files. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Files that were used again. */
  get reusedCount(): number {
    return this.#reusedCount;
  }

  /** Takes over a dropped segment, and what the budget was charged for its memory. */
  keep(segment: SegmentFile): void {
    segment.detach();
    this.#segments.push(segment);
    this.#bytes += segment.memoryBytes;
    this.#idleSinceMs = undefined;
    this.giveUp(this.#bytes - this.#budget.limitBytes * BUDGET_SHARE);
  }

  /** The oldest file that nobody maps, as `path`; it is the caller's to make a segment of, or to close. */
  take(path: string): SparePages | undefined {
    const taken = this.#segments.find((segment) => reuseFile(segment, path));
    if (taken === undefined) return undefined;
    const { region } = taken;
    this.#segments = this.#segments.filter((segment) => segment !== taken);
    this.#bytes -= region.memoryBytes;
    this.#reusedCount += 1;
    this.#idleSinceMs = undefined;
    return { region, chargedBytes: region.memoryBytes };
  }

  /** Removes the oldest files, of at least so many bytes if there are as many. */
  giveUp(bytes: number): void {
    const goal = this.#bytes - bytes;
    while (this.#segments.length > 0 && this.#bytes > goal) {
      const segment = this.#segments.shift()!;
      this.#bytes -= segment.memoryBytes;
      this.#budget.release(segment.memoryBytes);
      segment.close();
      this.#removeFile(segment.path);
    }
  }

  /** To be called now and then; `nowMs` is of a monotonic clock. */
  giveUpIdle(nowMs: number): void {
    this.#idleSinceMs ??= nowMs;
    if (nowMs - this.#idleSinceMs >= IDLE_MS) this.giveUp(this.#bytes);
  }

  /** Unmaps all and leaves their files. Idempotent. */
  close(): void {
    for (const segment of this.#segments.splice(0)) {
      this.#budget.release(segment.memoryBytes);
      segment.close();
    }
    this.#bytes = 0;
  }
}
