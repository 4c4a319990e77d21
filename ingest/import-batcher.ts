/**
 * Cuts the NDJSON of a bulk import into batches, and gives every row a message id of its own.
 *
 * Row n of import x gets the id `import-x-n`, so that the same import sent again, from the start or from
 * any row, is dropped as what it is: duplicates. The id is written as the first member of the row: an
 * own `messageId` comes later, and of a repeated member the last counts.
 *
 * - A row is a line that is not blank; rows are counted from `firstRow`.
 * - A batch is at most {@link IMPORT_BATCH_BYTES} of the import and `LIMITS.importBatchRowsMax` rows.
 * - Lines are held until their end has come: at most a batch and the last piece.
 */
import { BufferRing } from '../base/buffer-ring.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { MIB } from '../base/units.ts';
import { BATCH_HEAD, BATCH_TAIL, batchOfLines } from '../engine/joined-rows.ts';
import type { Codec } from '../engine/types.ts';
import { PieceBuffer } from './piece-buffer.ts';

/** Bytes of an import that one batch takes, and the most one row may have. */
export const IMPORT_BATCH_BYTES = MIB;

/** The id is at most 64 characters: with prefix and row it stays within `LIMITS.messageIdBytesMax`. */
const IMPORT_ID = /^[A-Za-z0-9._-]{1,64}$/;
/** `,{"messageId":"import-…-…",` with the longest id and row. */
const ID_BYTES_MAX = 128;

export function isImportId(text: string): boolean {
  return IMPORT_ID.test(text);
}

/** What the message ids of an import's rows begin with. */
export function idPrefixOf(importId: string): Buffer {
  return Buffer.from(`import-${importId}-`);
}

export interface ImportBatch {
  /** A batch as the engine reads it; valid until `LIMITS.importBatchesUnderWay` more are taken. */
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
  readonly #idPrefix: Buffer;
  readonly #batches = new BufferRing(
    LIMITS.importBatchesUnderWay,
    IMPORT_BATCH_BYTES +
      LIMITS.importBatchRowsMax * ID_BYTES_MAX +
      BATCH_HEAD.length +
      BATCH_TAIL.length,
  );
  /** What is in no batch yet. */
  readonly #pieces = new PieceBuffer(2 * IMPORT_BATCH_BYTES);
  #nextRow: number;

  constructor(importId: string, firstRow: number) {
    this.#idPrefix = idPrefixOf(importId);
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
    const { held } = this.#pieces;
    if (held.length === 0 || (held.length < IMPORT_BATCH_BYTES && !isComplete)) return undefined;
    const isLast = isComplete && held.length <= IMPORT_BATCH_BYTES;
    const { bytes, bytesRead, isMalformed, rows } = batchOfLines(
      held.subarray(0, IMPORT_BATCH_BYTES),
      this.#batches.spare,
      { isComplete: isLast, rowsMax: LIMITS.importBatchRowsMax },
      { prefix: this.#idPrefix, firstRow: this.#nextRow },
    );
    this.#pieces.drop(bytesRead);
    if (rows === 0) {
      if (isMalformed) throw this.#malformed();
      if (bytesRead === 0) throw this.#tooLarge();
      return this.take(isComplete); // Blank lines.
    }
    this.#batches.keep();
    this.#nextRow += rows;
    return { bytes, rows, importBytes: bytesRead };
  }

  #malformed(): TributaryError {
    return new TributaryError('TRIBUTARY_INGEST_IMPORT_ROW_MALFORMED', { row: this.#nextRow });
  }

  #tooLarge(): TributaryError {
    return new TributaryError('TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE', {
      row: this.#nextRow,
      limitBytes: IMPORT_BATCH_BYTES,
    });
  }
}
