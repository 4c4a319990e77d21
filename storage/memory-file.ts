/**
 * Memory of a fixed length that two processes write and read by position: a file without a name, which is
 * gone when both have closed it.
 *
 * Why not a mapping: whoever shares one can change what the other is looking at. What was read from here is
 * the reader's own, and reading costs a copy of memory, no more.
 */
import { closeSync, readSync, writeSync } from 'node:fs';
import { native } from '../native/index.ts';

export class MemoryFile {
  /** Of this process; a process that is started may be given it. */
  readonly descriptor: number;

  /** A file that this process was given when it was started, or made itself. */
  constructor(descriptor: number) {
    this.descriptor = descriptor;
  }

  /** @throws Error when the system has no memory or no descriptor for it. */
  static create(bytes: number): MemoryFile {
    const descriptor = native.createMemoryFile(bytes);
    if (typeof descriptor === 'string') throw new Error(`memory file: ${descriptor}`);
    return new MemoryFile(descriptor);
  }

  /** Fills `target` from `position` on. @returns whether there were as many bytes. */
  read(position: number, target: Uint8Array): boolean {
    return readSync(this.descriptor, target, 0, target.length, position) === target.length;
  }

  /** @throws Error beyond the end of the file, or when there is no memory. */
  write(position: number, bytes: Uint8Array): void {
    const written = writeSync(this.descriptor, bytes, 0, bytes.length, position);
    if (written !== bytes.length) throw new Error(`memory file: ${written} bytes were written`);
  }

  close(): void {
    closeSync(this.descriptor);
  }
}
