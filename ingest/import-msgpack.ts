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
import { BufferRing } from '../base/buffer-ring.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { joinMaps } from '../engine/joined-rows.ts';
import { ExpandedRows, msgpackEnds } from '../engine/row-ends.ts';
import {
  IMPORT_BATCH_BYTES,
  type ImportBatch,
  idPrefixOf,
  type RowBatcher,
} from './import-batcher.ts';
import { PieceBuffer } from './piece-buffer.ts';

const HEAD = Buffer.from([0x81, 0xa5, ...Buffer.from('batch'), 0xdd, 0, 0, 0, 0]);
/** Of a map's longest header, the key, and an id of 128 bytes at most. */
const ID_BYTES_MAX = 160;

export class MsgpackBatcher implements RowBatcher {
  readonly codec = 'msgpack';
  readonly #idPrefix: Buffer;
  readonly #pieces = new PieceBuffer(2 * IMPORT_BATCH_BYTES);
  readonly #batches = new BufferRing(
    LIMITS.importBatchesUnderWay,
    IMPORT_BATCH_BYTES + LIMITS.importBatchRowsMax * ID_BYTES_MAX + HEAD.length,
  );
  /** Where the rows of a batch end, in what is held. */
  readonly #ends = new Uint32Array(LIMITS.importBatchRowsMax);
  /** Undefined until there was something that only a record can be. */
  #expanded: ExpandedRows | undefined;
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
   * @throws TRIBUTARY_INGEST_IMPORT_MSGPACK_MALFORMED, TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE
   */
  take(isComplete: boolean): ImportBatch | undefined {
    const { held } = this.#pieces;
    if (held.length === 0 || (held.length < IMPORT_BATCH_BYTES && !isComplete)) return undefined;
    if (this.#expanded === undefined) {
      const { count, isMalformed } = msgpackEnds(held, this.#ends, IMPORT_BATCH_BYTES);
      if (!isMalformed) return this.#takePlain(held, count);
      this.#expanded = new ExpandedRows(IMPORT_BATCH_BYTES, LIMITS.importBatchRowsMax);
    }
    return this.#takeExpanded(held, this.#expanded);
  }

  #takePlain(held: Buffer, rows: number): ImportBatch {
    const end = rows === 0 ? 0 : this.#ends[rows - 1]!;
    const isNext = end < held.length && rows < LIMITS.importBatchRowsMax;
    // Refused before its end has come: it may be a mebibyte away.
    if (rows === 0 && isNext && !isMap(held[end]!) && !isRecord(held[end]!))
      throw this.#malformed();
    if (rows === 0 && held.length >= IMPORT_BATCH_BYTES) throw this.#tooLarge();
    return this.#join(held, this.#ends, this.#ends, rows);
  }

  #takeExpanded(held: Buffer, expanded: ExpandedRows): ImportBatch {
    const { bytes, ends, sourceEnds } = expanded;
    const { count: rows, problem } = expanded.expand(held);
    if (rows === 0) {
      if (problem === 'malformed') throw this.#malformed();
      const isCutOff = held.length >= IMPORT_BATCH_BYTES;
      if (problem === 'too large' || isCutOff) throw this.#tooLarge();
    }
    return this.#join(bytes, ends, sourceEnds, rows);
  }

  /**
   * The batch of the first `rows` of `values`, which end at `ends`, or of those before the first that is no map.
   * @param sourceEnds where they end in the import.
   */
  #join(values: Buffer, ends: Uint32Array, sourceEnds: Uint32Array, rows: number): ImportBatch {
    if (rows === 0) throw this.#malformed();
    const batch = this.#batches.spare;
    const ids = { prefix: this.#idPrefix, firstRow: this.#nextRow };
    const written = joinMaps(values, ends, rows, batch.subarray(HEAD.length), ids);
    if (written < 0) return this.#join(values, ends, sourceEnds, -1 - written);
    HEAD.copy(batch);
    batch.writeUInt32BE(rows, HEAD.length - 4);
    const importBytes = sourceEnds[rows - 1]!;
    this.#batches.keep();
    this.#pieces.drop(importBytes);
    this.#nextRow += rows;
    return { bytes: batch.subarray(0, HEAD.length + written), rows, importBytes };
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
