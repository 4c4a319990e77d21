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
import { WAL_CODEC, WAL_PAYLOAD_SLACK_BYTES } from '../storage/wal-format.ts';
import {
  DECODE_REGION_FULL,
  DECODE_SEGMENT_FULL,
  decodeError,
  fieldName,
  isWarning,
  rejectionCode,
  warningCode,
} from './decode-codes.ts';
import { type Codec, EVENT_TYPES, type Rejection, type WarningCode } from './types.ts';

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
  readonly sourceName: string;
  readonly rejections: readonly StagedRejection[];
  readonly warnings: readonly StagedWarning[];
}

/** A rejection and what was rejected. */
export interface StagedRejection extends Rejection {
  /** The event as it was sent, but for half surrogate pairs: a JSON value. */
  readonly text: string;
}

/** An accepted event that was altered. */
export interface StagedWarning {
  readonly index: number;
  readonly code: WarningCode;
  readonly path: string;
  readonly messageId: string | null;
}

const MESSAGE_ID_COLUMN = 'message_id';
/** A credential is not data: rejected events are kept as they were sent, but for it. */
const WRITE_KEY = /"writeKey"\s*:\s*"(?:[^"\\]|\\.)*"/g;
const NONE: readonly never[] = Object.freeze([]);
/** Words of one of the decoder's notes: index, code, field, offset, length. */
const NOTE_WORDS = 5;

export class EventStaging {
  readonly #table: HotTable;
  readonly #decoder: NativeDecoder;
  readonly #result = new Uint32Array(2);

  constructor(table: HotTable) {
    this.#table = table;
    this.#decoder = new native.Decoder(LIMITS);
    this.#attach();
  }

  /**
   * Stages the payload of `length` bytes at `offset` of `buffer`, which has 64 readable bytes behind it.
   * @throws TRIBUTARY_INGEST_* for a batch that is refused as a whole, TRIBUTARY_STORAGE_HOT_FULL,
   *   TRIBUTARY_STORAGE_REGION_FULL.
   */
  stage(
    codec: Codec,
    buffer: Uint8Array,
    offset: number,
    length: number,
    batch: BatchFields,
  ): StagedRows {
    const payload = buffer.subarray(offset, offset + length + WAL_PAYLOAD_SLACK_BYTES);
    let failure = this.#decode(codec, payload, length, batch);
    if (failure === DECODE_SEGMENT_FULL) {
      this.#table.sealAndRotate();
      this.#attach();
      failure = this.#decode(codec, payload, length, batch);
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
    const { sourceName } = batch;
    if (this.#result[1] === 0) {
      return { segment, row, count, sourceName, rejections: NONE, warnings: NONE };
    }
    return {
      segment,
      row,
      count,
      sourceName,
      ...this.#notes(segment, row, batch),
    };
  }

  #decode(codec: Codec, payload: Uint8Array, length: number, batch: BatchFields): number {
    return this.#decoder.decode(
      WAL_CODEC[codec],
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

  /** What the decoder noted about single events. */
  #notes(
    segment: SegmentFile,
    row: number,
    { sequence, typeOfPath }: BatchFields,
  ): Pick<StagedRows, 'rejections' | 'warnings'> {
    const { notes, texts } = this.#decoder;
    const rejections: StagedRejection[] = [];
    const warnings: StagedWarning[] = [];
    for (let at = 0; at < notes.length; at += NOTE_WORDS) {
      const index = notes[at]!;
      const code = notes[at + 1]!;
      const path = fieldName(notes[at + 2]!);
      const messageId = readText(segment, MESSAGE_ID_COLUMN, row + index);
      if (isWarning(code)) {
        warnings.push({ index, code: warningCode(code), path, messageId });
        continue;
      }
      const start = notes[at + 3]!;
      const text = texts.toString('utf8', start, start + notes[at + 4]!);
      rejections.push({
        index,
        code: rejectionCode(code),
        path,
        // An id the decoder made up means nothing to the client.
        messageId: messageId === `seq-${sequence + index}` ? null : messageId,
        text: withType(text.replace(WRITE_KEY, '"writeKey":""'), typeOfPath),
      });
    }
    return { rejections, warnings };
  }
}

/** The event with the type that its path said: kept without it, it could not be sent again. */
function withType(text: string, typeOfPath: number): string {
  const type = EVENT_TYPES[typeOfPath];
  if (type === undefined || !text.startsWith('{')) return text;
  const { type: own } = JSON.parse(text) as { readonly type?: unknown };
  if (own === type) return text;
  const members = text.slice(1, text.lastIndexOf('}')).trimEnd();
  return `{${members}${members === '' ? '' : ','}"type":"${type}"}`;
}
