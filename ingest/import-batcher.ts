/**
 * Cuts the NDJSON of a bulk import into batches, and gives every row a message id of its own.
 *
 * Row n of import x gets the id `import-x-n`, so that the same import sent again, from the start or from
 * any row, is dropped as what it is: duplicates. The id is written as the first member of the row: an
 * own `messageId` comes later, and of a repeated member the last counts.
 *
 * - A row is a line that is not blank; rows are counted from `firstRow`.
 * - A batch is at most {@link IMPORT_BATCH_BYTES} of the import and `LIMITS.batchEventsMax` rows.
 * - Lines are held until their end has come: at most a batch and the last piece.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { MIB } from '../base/units.ts';
import type { Codec } from '../engine/types.ts';
import { PieceBuffer } from './piece-buffer.ts';

/** Bytes of an import that one batch takes, and the most one row may have. */
export const IMPORT_BATCH_BYTES = MIB;

/** The id is at most 64 characters: with prefix and row it stays within `LIMITS.messageIdBytesMax`. */
const IMPORT_ID = /^[A-Za-z0-9._-]{1,64}$/;
const HEAD = '{"batch":[';
const TAIL = ']}';
const LINE_END = 0x0a;
const COMMA = 0x2c;
const QUOTE = 0x22;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;
/** `,{"messageId":"import-…-…",` with the longest id and row. */
const ID_BYTES_MAX = 128;
const EMPTY = Buffer.alloc(0);

export function isImportId(text: string): boolean {
  return IMPORT_ID.test(text);
}

export interface ImportBatch {
  /** A batch as the engine reads it; valid until the next `take`. */
  readonly bytes: Uint8Array;
  readonly rows: number;
  /** Bytes of the import it was made of. */
  readonly importBytes: number;
}

/** Cuts an import into batches, each row with a message id. */
export interface RowBatcher {
  /** What its batches are written in. */
  readonly codec: Codec;
  /** Takes the next piece of the import, by copy. */
  push(piece: Uint8Array): void;
  /** The next batch; undefined when it needs more pieces, or, with `isComplete`, when nothing is left. */
  take(isComplete: boolean): ImportBatch | undefined;
}

export class ImportBatcher implements RowBatcher {
  readonly codec = 'json';
  /** What every row begins with, up to the number in its message id. */
  readonly #rowHead: Buffer;
  readonly #batch = Buffer.allocUnsafe(
    IMPORT_BATCH_BYTES + LIMITS.batchEventsMax * ID_BYTES_MAX + HEAD.length + TAIL.length,
  );
  /** What is in no batch yet. */
  readonly #pieces = new PieceBuffer(2 * IMPORT_BATCH_BYTES);
  /** The same, while a batch is cut from it. */
  #held: Buffer = EMPTY;
  #nextRow: number;

  constructor(importId: string, firstRow: number) {
    this.#rowHead = Buffer.from(`{"messageId":"import-${importId}-`);
    this.#nextRow = firstRow;
  }

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
  }

  /**
   * The next batch; undefined when it needs more pieces, or, with `isComplete`, when nothing is left.
   * @throws TRIBUTARY_INGEST_IMPORT_ROW_MALFORMED, TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE
   */
  take(isComplete: boolean): ImportBatch | undefined {
    this.#held = this.#pieces.held;
    if (this.#held.length < IMPORT_BATCH_BYTES && !isComplete) return undefined;
    const firstRow = this.#nextRow;
    let end = this.#batch.write(HEAD);
    let start = 0;
    while (this.#nextRow - firstRow < LIMITS.batchEventsMax) {
      const next = this.#nextLine(start, isComplete);
      if (next === start || next > IMPORT_BATCH_BYTES) break;
      end = this.#addRow(start, next, end, this.#nextRow === firstRow);
      start = next;
    }
    const rows = this.#nextRow - firstRow;
    if (start === 0 && this.#held.length > 0) throw this.#tooLarge();
    this.#pieces.drop(start);
    if (rows === 0) return undefined;
    end += this.#batch.write(TAIL, end);
    return { bytes: this.#batch.subarray(0, end), rows, importBytes: start };
  }

  /** The position behind the line at `start`, or `start` when its end has not come. */
  #nextLine(start: number, isComplete: boolean): number {
    const lineEnd = this.#held.indexOf(LINE_END, start);
    if (lineEnd !== -1) return lineEnd + 1;
    return isComplete ? this.#held.length : start;
  }

  /** Writes the line [start, next) as a row at `end` of the batch, unless it is blank. @returns the new end. */
  #addRow(start: number, next: number, end: number, isFirst: boolean): number {
    const held = this.#held;
    const open = skipSpace(held, start, next);
    if (open === next) return end;
    if (held[open] !== BRACE_OPEN) {
      throw new TributaryError('TRIBUTARY_INGEST_IMPORT_ROW_MALFORMED', { row: this.#nextRow });
    }
    const first = skipSpace(held, open + 1, next);
    let at = end;
    if (!isFirst) this.#batch[at++] = COMMA;
    at += this.#rowHead.copy(this.#batch, at);
    at = writeNumber(this.#batch, at, this.#nextRow);
    this.#batch[at++] = QUOTE;
    if (held[first] !== BRACE_CLOSE) this.#batch[at++] = COMMA;
    at += held.copy(this.#batch, at, first, next);
    this.#nextRow += 1;
    return at;
  }

  #tooLarge(): TributaryError {
    return new TributaryError('TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE', {
      row: this.#nextRow,
      limitBytes: IMPORT_BATCH_BYTES,
    });
  }
}

/** Writes a whole number in decimal at `at`: a call of Node's costs more than the few bytes. @returns the end. */
export function writeNumber(target: Uint8Array, at: number, value: number): number {
  const digits = String(value);
  for (let index = 0; index < digits.length; index += 1) {
    target[at + index] = digits.charCodeAt(index);
  }
  return at + digits.length;
}

/** The first position in [start, end) that is no white space of JSON, or `end`. */
function skipSpace(bytes: Buffer, start: number, end: number): number {
  let at = start;
  while (
    at < end &&
    (bytes[at] === 0x20 || bytes[at] === 0x09 || bytes[at] === 0x0a || bytes[at] === 0x0d)
  ) {
    at += 1;
  }
  return at;
}
