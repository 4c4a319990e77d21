/**
 * Standard input and output of a process that is a filter: read and written while it waits, for it has
 * nothing else to do. Blocking calls fill the caller's own memory; streams would hold every byte three
 * times on its way, and take as much processor time as the rest of an import.
 *
 * The file descriptors must block, as those of a process that was spawned do.
 */
import { readSync, writeSync } from 'node:fs';
import { MIB } from '../base/units.ts';

const STANDARD_INPUT = 0;
const STANDARD_OUTPUT = 1;
const PIECE_BYTES = MIB;

/** What a caller who believes a wrong length is given memory for. */
const PIECE_BYTES_MAX = 64 * MIB;

/**
 * Standard input as an iterator that may be asked for as many bytes as the caller needs next, so that they
 * come in one piece: fewer come at the end, and beyond 64 MiB.
 */
export class StandardInput implements Iterable<Uint8Array> {
  [Symbol.iterator](): this {
    return this;
  }

  /** @throws RangeError when there is no memory for them. */
  next(bytes?: number): IteratorResult<Uint8Array, undefined> {
    const wanted = Math.min(bytes || PIECE_BYTES, PIECE_BYTES_MAX);
    const piece = new Uint8Array(Buffer.allocUnsafeSlow(wanted).buffer);
    let filled = 0;
    while (filled < piece.length) {
      const read = readSync(STANDARD_INPUT, piece, filled, piece.length - filled, null);
      if (read === 0) break;
      filled += read;
    }
    if (filled === 0) return { done: true, value: undefined };
    return { done: false, value: piece.subarray(0, filled) };
  }
}

/** Returns when whoever reads the output has taken all of `bytes`, or the system holds them for him. */
export function writeStandardOutput(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(STANDARD_OUTPUT, bytes, at);
}

/** Waits for the next byte of a descriptor. @returns whether there was one before its end. */
export function awaitByte(descriptor: number): boolean {
  return readSync(descriptor, new Uint8Array(1)) === 1;
}
