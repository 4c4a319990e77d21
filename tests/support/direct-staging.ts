/**
 * Decoding without the stager's thread: payloads become rows before the call returns. For tests of the
 * decoder, which want one answer at a time.
 */
import assert from 'node:assert/strict';
import { LIMITS } from '../../base/limits.ts';
import { DECODE_SEGMENT_FULL, decodeError } from '../../engine/decode-codes.ts';
import {
  NOTE_WORDS,
  OUTCOME,
  RESULT,
  readStagedRows,
  type StagedRows,
} from '../../engine/staged-rows.ts';
import type { Codec } from '../../engine/types.ts';
import { type NativeDecoder, native } from '../../native/index.ts';
import type { HotTable } from '../../storage/hot-table.ts';
import { WAL_CODEC } from '../../storage/wal-format.ts';

export interface DirectFields {
  readonly sequence: number;
  readonly receivedAtMicros: number;
  readonly sourceName: string;
  readonly typeOfPath: number;
  readonly senderAddress?: Uint8Array | undefined;
}

export class DirectStaging {
  readonly #table: HotTable;
  readonly #decoder: NativeDecoder = new native.Decoder(LIMITS);
  readonly #result = new Uint32Array(2);

  constructor(table: HotTable) {
    this.#table = table;
    this.#attach();
  }

  /**
   * Stages the payload at the start of `memory`, which goes on for 32 bytes or more.
   * @throws TRIBUTARY_INGEST_*
   */
  stage(codec: Codec, memory: Uint8Array, length: number, fields: DirectFields): StagedRows {
    let failure = this.#decode(codec, memory, length, fields);
    if (failure === DECODE_SEGMENT_FULL) {
      this.#table.sealAndRotate();
      this.#attach();
      failure = this.#decode(codec, memory, length, fields);
    }
    if (failure !== 0) throw decodeError(failure, this.#decoder.failure);
    const segment = this.#table.activeSegment;
    const [count, notes] = [this.#result[0]!, this.#result[1]!];
    const words = new Uint32Array(RESULT.headerWords + NOTE_WORDS * notes);
    words[RESULT.outcome] = OUTCOME.staged;
    words[RESULT.row] = segment.stagedRows - count;
    words[RESULT.count] = count;
    words[RESULT.notes] = notes;
    words.set(this.#decoder.notes, RESULT.headerWords);
    return readStagedRows(words, 0, { segment, ...fields, texts: this.#decoder.texts });
  }

  #decode(codec: Codec, memory: Uint8Array, length: number, fields: DirectFields): number {
    const { sequence, receivedAtMicros, senderAddress, sourceName, typeOfPath } = fields;
    return this.#decoder.decode(
      WAL_CODEC[codec],
      memory,
      length,
      sequence,
      receivedAtMicros,
      sourceName,
      typeOfPath,
      senderAddress ?? null,
      this.#result,
    );
  }

  #attach(): void {
    assert.equal(this.#decoder.attach(this.#table.activeRegion), '');
  }
}
