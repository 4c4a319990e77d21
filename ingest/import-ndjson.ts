/**
 * NDJSON, one event a line, as the batch the engine reads: `{"batch":[line,line,…]}`.
 *
 * The engine then needs no second framing: log, decoder and replay see a batch like any other. Lines
 * are copied as they are, and their line ends stay: a line end inside a string stays the error it is.
 *
 * - Blank lines are skipped; a carriage return before the line end is white space.
 * - Every line is checked to begin and end like an object, so that an error can name it; what is
 *   between is the decoder's to judge.
 */
import { TributaryError } from '../base/errors.ts';
import { BATCH_HEAD, BATCH_TAIL, batchOfLines } from '../engine/joined-rows.ts';

/** `{}` and its line end: no line that becomes an event is shorter. */
const LINE_BYTES_MIN = 3;

export interface JoinedBatch {
  readonly bytes: Buffer;
  readonly rows: number;
}

/** Makes batches, one at a time, in memory that is used again: made anew it took longer than the lines. */
export class LineJoiner {
  #memory = Buffer.alloc(0);

  /**
   * The batch of the lines of `body`; valid until the next one.
   * @returns TRIBUTARY_INGEST_NDJSON_MALFORMED, naming the line, when one is no object.
   */
  join(body: Uint8Array): JoinedBatch | TributaryError {
    const commas = Math.ceil(body.length / LINE_BYTES_MIN);
    const needed = BATCH_HEAD.length + body.length + commas + BATCH_TAIL.length;
    if (this.#memory.length < needed) this.#memory = Buffer.allocUnsafeSlow(2 * needed);
    const limits = { isComplete: true, rowsMax: body.length };
    const { bytes, isMalformed, lines, rows } = batchOfLines(body, this.#memory, limits);
    if (!isMalformed) return { bytes, rows };
    return new TributaryError('TRIBUTARY_INGEST_NDJSON_MALFORMED', { line: lines + 1 });
  }
}
