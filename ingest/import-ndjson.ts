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
import { joinLines } from '../engine/joined-rows.ts';

const HEAD = Buffer.from('{"batch":[');
const TAIL = Buffer.from(']}');
/** `{}` and its line end: no line that becomes an event is shorter. */
const LINE_BYTES_MIN = 3;

/** Makes batches, one at a time, in memory that is used again: made anew it took longer than the lines. */
export class LineJoiner {
  #batch = HEAD;

  /**
   * The batch of the lines of `body`; valid until the next one.
   * @returns TRIBUTARY_INGEST_NDJSON_MALFORMED, naming the line, when one is no object.
   */
  join(body: Uint8Array): Buffer | TributaryError {
    const commas = Math.ceil(body.length / LINE_BYTES_MIN);
    const batch = this.#reserve(HEAD.length + body.length + commas + TAIL.length);
    const { lines, bytesWritten, isMalformed } = joinLines(body, batch.subarray(HEAD.length), {
      isComplete: true,
      rowsMax: body.length,
    });
    if (isMalformed) {
      return new TributaryError('TRIBUTARY_INGEST_NDJSON_MALFORMED', { line: lines + 1 });
    }
    const end = HEAD.length + bytesWritten;
    return batch.subarray(0, end + TAIL.copy(batch, end));
  }

  /** A buffer that begins with the head of a batch. */
  #reserve(bytes: number): Buffer {
    if (this.#batch.length < bytes) {
      this.#batch = Buffer.allocUnsafeSlow(2 * bytes);
      HEAD.copy(this.#batch);
    }
    return this.#batch;
  }
}
