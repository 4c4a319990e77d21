/**
 * Cuts an import of msgpack, one map after the other, into batches, and gives every row a message id: the
 * twin of {@link ImportBatcher} for msgpack, which the engine decodes as it is.
 *
 * The map of a row gets one entry more, in front: an own `messageId` comes later, and the last counts.
 *
 * - Rows are found by the lengths in their tokens alone; what is in them is the decoder's to judge.
 * - Once there is a record of msgpackr's in the import, whether a byte is a number or a record depends on what
 *   stood before it, in rows that may be in another batch. From then on rows are written as plain maps.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { ExpandedRows, msgpackEnds } from '../engine/row-ends.ts';
import {
  IMPORT_BATCH_BYTES,
  type ImportBatch,
  type RowBatcher,
  writeNumber,
} from './import-batcher.ts';
import { PieceBuffer } from './piece-buffer.ts';

const HEAD = Buffer.from([0x81, 0xa5, ...Buffer.from('batch'), 0xdd, 0, 0, 0, 0]);
/** What every row begins with: a map of so many entries, and a message id of so many bytes. */
const ROW_HEAD = Buffer.from([0xdf, 0, 0, 0, 0, 0xa9, ...Buffer.from('messageId'), 0xd9, 0]);
const COUNT_AT = 1;
const ID_LENGTH_AT = ROW_HEAD.length - 1;
/** Of a map's longest header, the key, and an id of 128 bytes at most. */
const ID_BYTES_MAX = 160;

export class MsgpackBatcher implements RowBatcher {
  readonly codec = 'msgpack';
  /** The head of a row, with its id up to the number. */
  readonly #rowHead: Buffer;
  readonly #pieces = new PieceBuffer(2 * IMPORT_BATCH_BYTES);
  readonly #batch = Buffer.allocUnsafe(
    IMPORT_BATCH_BYTES + LIMITS.batchEventsMax * ID_BYTES_MAX + HEAD.length,
  );
  /** Where the rows of a batch end, in what is held. */
  readonly #ends = new Uint32Array(LIMITS.batchEventsMax);
  /** Undefined until there was something that only a record can be. */
  #expanded: ExpandedRows | undefined;
  #nextRow: number;

  constructor(importId: string, firstRow: number) {
    this.#rowHead = Buffer.concat([ROW_HEAD, Buffer.from(`import-${importId}-`)]);
    this.#nextRow = firstRow;
  }

  push(piece: Uint8Array): void {
    this.#pieces.push(piece);
  }

  /**
   * The next batch; undefined when it needs more pieces, or, with `isComplete`, when nothing is left.
   * @throws TRIBUTARY_INGEST_IMPORT_MSGPACK_MALFORMED, TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE
   */
  take(isComplete: boolean): ImportBatch | undefined {
    const { held } = this.#pieces;
    if (held.length === 0 || (held.length < IMPORT_BATCH_BYTES && !isComplete)) return undefined;
    if (this.#expanded === undefined) {
      const { count, isMalformed } = msgpackEnds(held, this.#ends, IMPORT_BATCH_BYTES);
      if (!isMalformed) return this.#takePlain(held, count);
      this.#expanded = new ExpandedRows(IMPORT_BATCH_BYTES, LIMITS.batchEventsMax);
    }
    return this.#takeExpanded(held, this.#expanded);
  }

  #takePlain(held: Buffer, rows: number): ImportBatch {
    let end = HEAD.length;
    let start = 0;
    for (let row = 0; row < rows; row += 1) {
      const next = this.#ends[row]!;
      end = this.#addRow(held, start, next, end);
      start = next;
    }
    const isNext = start < held.length && rows < LIMITS.batchEventsMax;
    // Refused before its end has come: it may be a mebibyte away.
    if (isNext && !isMap(held[start]!) && !isRecord(held[start]!)) throw this.#malformed();
    if (rows === 0 && held.length >= IMPORT_BATCH_BYTES) throw this.#tooLarge();
    return this.#finish(end, rows, start);
  }

  #takeExpanded(held: Buffer, expanded: ExpandedRows): ImportBatch {
    const { bytes, ends } = expanded;
    const { count: rows, problem } = expanded.expand(held);
    let end = HEAD.length;
    let start = 0;
    for (let row = 0; row < rows; row += 1) {
      const next = ends[2 * row + 1]!;
      end = this.#addRow(bytes, start, next, end);
      start = next;
    }
    if (problem === 'malformed') throw this.#malformed();
    const isCutOff = rows === 0 && held.length >= IMPORT_BATCH_BYTES;
    if (problem === 'too large' || isCutOff) throw this.#tooLarge();
    return this.#finish(end, rows, rows === 0 ? 0 : ends[2 * rows - 2]!);
  }

  #finish(end: number, rows: number, importBytes: number): ImportBatch {
    if (rows === 0) throw this.#malformed();
    this.#pieces.drop(importBytes);
    HEAD.copy(this.#batch);
    this.#batch.writeUInt32BE(rows, HEAD.length - 4);
    return { bytes: this.#batch.subarray(0, end), rows, importBytes };
  }

  /** Writes the map [start, next) with its id at `end` of the batch. @returns the new end. */
  #addRow(rows: Buffer, start: number, next: number, end: number): number {
    if (!isMap(rows[start]!)) throw this.#malformed();
    const [count, headerBytes] = mapHeader(rows, start);
    const batch = this.#batch;
    this.#rowHead.copy(batch, end);
    batch.writeUInt32BE(count + 1, end + COUNT_AT);
    const bodyStart = writeNumber(batch, end + this.#rowHead.length, this.#nextRow);
    batch[end + ID_LENGTH_AT] = bodyStart - end - ROW_HEAD.length;
    this.#nextRow += 1;
    return bodyStart + rows.copy(batch, bodyStart, start + headerBytes, next);
  }

  #malformed(): TributaryError {
    return new TributaryError('TRIBUTARY_INGEST_IMPORT_MSGPACK_MALFORMED', { row: this.#nextRow });
  }

  #tooLarge(): TributaryError {
    return new TributaryError('TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE', {
      row: this.#nextRow,
      limitBytes: IMPORT_BATCH_BYTES,
    });
  }
}

function isMap(token: number): boolean {
  return (token >= 0x80 && token < 0x90) || token === 0xde || token === 0xdf;
}

/** Whether it may begin a record of msgpackr's: an extension of one byte, of two, or of a length in a byte. */
function isRecord(token: number): boolean {
  return token === 0xd4 || token === 0xd5 || token === 0xc7;
}

function mapHeader(bytes: Buffer, at: number): readonly [count: number, headerBytes: number] {
  const token = bytes[at]!;
  if (token === 0xde) return [bytes.readUInt16BE(at + 1), 3];
  if (token === 0xdf) return [bytes.readUInt32BE(at + 1), 5];
  return [token & 0x0f, 1];
}
