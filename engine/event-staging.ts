/**
 * The first stage of the write path: the bytes of one batch become staged rows of `events`.
 *
 * - All rows of a batch lie in one segment: a segment without room is sealed first.
 * - A batch that is refused leaves no row behind.
 * - What is staged depends only on the bytes and the fields of their record, so replay stages the same.
 */
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { type NativeDecoder, native } from '../native/index.ts';
import type { HotTable } from '../storage/hot-table.ts';
import type { SegmentFile } from '../storage/segment-file.ts';
import { readText } from '../storage/segment-text.ts';
import {
  DECODE_REGION_FULL,
  DECODE_SEGMENT_FULL,
  decodeError,
  rejectionOf,
} from './decode-codes.ts';
import type { Rejection } from './types.ts';

/** What the log keeps about a batch, as far as rows depend on it. */
export interface BatchFields {
  /** Of the first event. */
  readonly sequence: number;
  readonly receivedAtMicros: number;
  readonly sourceName: string;
  /** Position in EVENT_TYPES of the type the path named, or its length for none. */
  readonly typeOfPath: number;
}

export interface StagedRows {
  readonly segment: SegmentFile;
  /** First row in the segment. */
  readonly row: number;
  readonly count: number;
  readonly rejections: readonly Rejection[];
}

const MESSAGE_ID_COLUMN = 'message_id';

export class EventStaging {
  readonly #table: HotTable;
  readonly #decoder: NativeDecoder;
  readonly #result = new Uint32Array(2 + 3 * LIMITS.batchEventsMax);

  constructor(table: HotTable) {
    this.#table = table;
    this.#decoder = new native.Decoder(LIMITS);
    this.#attach();
  }

  /**
   * Decodes `length` bytes of JSON; `payload` has 64 readable bytes behind them.
   * @throws TRIBUTARY_INGEST_* for a batch that is refused as a whole, TRIBUTARY_STORAGE_HOT_FULL,
   *   TRIBUTARY_STORAGE_REGION_FULL.
   */
  stage(payload: Uint8Array, length: number, batch: BatchFields): StagedRows {
    let failure = this.#decode(payload, length, batch);
    if (failure === DECODE_SEGMENT_FULL) {
      this.#table.sealAndRotate();
      this.#attach();
      failure = this.#decode(payload, length, batch);
      assert(failure !== DECODE_SEGMENT_FULL, 'an empty segment has room for any batch');
    }
    if (failure === DECODE_REGION_FULL) {
      throw new TributaryError('TRIBUTARY_STORAGE_REGION_FULL', {
        path: this.#table.activeSegment.path,
        neededBytes: length,
        reason: this.#decoder.failure,
      });
    }
    if (failure !== 0) throw decodeError(failure, this.#decoder.failure);
    const segment = this.#table.activeSegment;
    const count = this.#result[0]!;
    const row = segment.stagedRows - count;
    return { segment, row, count, rejections: this.#rejections(segment, row, batch.sequence) };
  }

  #decode(payload: Uint8Array, length: number, batch: BatchFields): number {
    return this.#decoder.decode(
      payload,
      length,
      batch.sequence,
      batch.receivedAtMicros,
      batch.sourceName,
      batch.typeOfPath,
      this.#result,
    );
  }

  #attach(): void {
    const reason = this.#decoder.attach(this.#table.activeRegion);
    assert(reason === '', `the decoder takes the events segment (${reason})`);
  }

  #rejections(segment: SegmentFile, row: number, sequence: number): readonly Rejection[] {
    const count = this.#result[1]!;
    const rejections: Rejection[] = [];
    for (let at = 2; at < 2 + count * 3; at += 3) {
      const index = this.#result[at]!;
      const messageId = readText(segment, MESSAGE_ID_COLUMN, row + index);
      rejections.push({
        ...rejectionOf(index, this.#result[at + 1]!, this.#result[at + 2]!),
        // An id the decoder made up means nothing to the client.
        messageId: messageId === `seq-${sequence + index}` ? null : messageId,
      });
    }
    return rejections;
  }
}
