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

const HEAD = Buffer.from('{"batch":[');
const TAIL = Buffer.from(']}');
const LINE_END = 0x0a;
const COMMA = 0x2c;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;

/**
 * The batch of the lines of `body`, in memory of its own.
 * @returns TRIBUTARY_INGEST_NDJSON_MALFORMED, naming the line, when one is no object.
 */
export function batchOfLines(body: Uint8Array): Buffer | TributaryError {
  const lines = Buffer.from(body.buffer, body.byteOffset, body.length);
  // A comma for each line end is all that is added to the lines.
  const batch = Buffer.allocUnsafe(HEAD.length + lines.length + countLineEnds(lines) + TAIL.length);
  let end = HEAD.copy(batch);
  let number = 1;
  for (let start = 0; start < lines.length; number += 1) {
    const lineEnd = lines.indexOf(LINE_END, start);
    const next = lineEnd === -1 ? lines.length : lineEnd + 1;
    const first = skipSpace(lines, start, next);
    if (first < next) {
      if (lines[first] !== BRACE_OPEN || lines[lastOf(lines, first, next)] !== BRACE_CLOSE) {
        return new TributaryError('TRIBUTARY_INGEST_NDJSON_MALFORMED', { line: number });
      }
      if (end > HEAD.length) batch[end++] = COMMA;
      end += lines.copy(batch, end, first, next);
    }
    start = next;
  }
  end += TAIL.copy(batch, end);
  return batch.subarray(0, end);
}

function countLineEnds(lines: Buffer): number {
  let count = 0;
  for (let at = lines.indexOf(LINE_END); at !== -1; at = lines.indexOf(LINE_END, at + 1))
    count += 1;
  return count;
}

/** The first position in [start, end) that is no white space, or `end`. */
function skipSpace(lines: Buffer, start: number, end: number): number {
  let at = start;
  while (at < end && isSpace(lines[at]!)) at += 1;
  return at;
}

/** The last position before `end` that is no white space; `first` is none. */
function lastOf(lines: Buffer, first: number, end: number): number {
  let at = end - 1;
  while (at > first && isSpace(lines[at]!)) at -= 1;
  return at;
}

/** White space as JSON has it. */
function isSpace(byte: number): boolean {
  return byte === 0x20 || (byte >= 0x09 && byte <= 0x0d && byte !== 0x0b && byte !== 0x0c);
}
