/**
 * The directories a run works in: one on a disk, for logs and peers, and one in shared memory, for hot
 * data. Both are removed when the run ends, also by an error or a signal.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';

const SHARED_MEMORY = '/dev/shm';
/** What stat(2) counts blocks in, whatever the file system's own block is. */
const STAT_BLOCK_BYTES = 512;

export class Scratch {
  readonly #diskDirectory: string;
  readonly #hotDirectory: string;
  #count = 0;

  /** @param parent on the disk to be measured; made when missing. */
  constructor(parent: string) {
    mkdirSync(parent, { recursive: true });
    this.#diskDirectory = mkdtempSync(join(resolve(parent), 'bench-'));
    this.#hotDirectory = mkdtempSync(join(SHARED_MEMORY, 'tributary-bench-'));
  }

  /** A path on the disk where nothing is yet. */
  diskPath(name: string): string {
    return this.#next(this.#diskDirectory, name);
  }

  /** A new empty directory on the disk. */
  makeDiskDirectory(name: string): string {
    const path = this.diskPath(name);
    mkdirSync(path);
    return path;
  }

  /** A path in shared memory where nothing is yet. */
  hotPath(name: string): string {
    return this.#next(this.#hotDirectory, name);
  }

  /** Removes what a round left, so that the next one finds the same room. */
  discard(path: string): void {
    rmSync(path, { recursive: true, force: true });
  }

  close(): void {
    this.discard(this.#diskDirectory);
    this.discard(this.#hotDirectory);
  }

  #next(directory: string, name: string): string {
    this.#count += 1;
    return join(directory, `${name}-${this.#count}`);
  }
}

/** Bytes that the files below `directory` really take; files that go away meanwhile take none. */
export function allocatedBytes(directory: string): number {
  let blocks = 0;
  for (const entry of readdirSync(directory, { withFileTypes: true, recursive: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    blocks += statSync(path, { throwIfNoEntry: false })?.blocks ?? 0;
  }
  return blocks * STAT_BLOCK_BYTES;
}
