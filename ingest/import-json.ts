/**
 * A JSON array of events, of any length, as NDJSON: one event a line.
 *
 * Nothing is parsed and nothing copied. In an array, what stands between two events is one comma: it becomes
 * the line end, the brackets around become spaces, and so do line ends between tokens. The bytes are
 * changed where they lie, natively; the decoder judges what is inside an event.
 *
 * - The body is `[event, …]`, or `{"batch": [event, …]}` with nothing else in the object: members that hold
 *   for all events (`sentAt`, `context`) would need the whole body at once.
 */
import { TributaryError } from '../base/errors.ts';
import { ArrayLines } from '../engine/row-ends.ts';

const LINE_END = 0x0a;
const SPACE = 0x20;
const BRACE_CLOSE = 0x7d;
/** What stands before the array of a batch, white space left out. */
const BATCH_HEAD = '{"batch":[';

/** Where the next byte stands: before, in or behind the array. */
type Part = 'head' | 'events' | 'tail';

export class JsonLines {
  #part: Part = 'head';
  #head = '';
  readonly #lines = new ArrayLines();
  /** Whether the object around the array is still to be closed. */
  #isBatch = false;

  /**
   * Changes the next piece of the body into lines, in place.
   * @throws TRIBUTARY_INGEST_IMPORT_JSON_MALFORMED
   */
  convert(piece: Uint8Array): Uint8Array {
    let at = 0;
    while (at < piece.length) {
      if (this.#part === 'events') at = this.#convertEvents(piece, at);
      else {
        const byte = piece[at]!;
        piece[at++] = SPACE;
        if (!isSpace(byte)) this.#takeOutside(byte);
      }
    }
    return piece;
  }

  /** @throws TRIBUTARY_INGEST_IMPORT_JSON_MALFORMED when the body stops before its end. */
  end(): void {
    if (this.#part !== 'tail' || this.#isBatch) throw malformed();
  }

  /** A byte before or behind the array that is no white space. */
  #takeOutside(byte: number): void {
    if (this.#part === 'tail') {
      if (byte !== BRACE_CLOSE || !this.#isBatch) throw malformed();
      this.#isBatch = false;
      return;
    }
    this.#head += String.fromCharCode(byte);
    if (this.#head === '[' || this.#head === BATCH_HEAD) {
      this.#isBatch = this.#head !== '[';
      this.#part = 'events';
    } else if (!BATCH_HEAD.startsWith(this.#head)) throw malformed();
  }

  /** @returns the position behind the array, or of the end of the piece. */
  #convertEvents(piece: Uint8Array, from: number): number {
    const end = this.#lines.break(piece.subarray(from));
    if (end === -1) throw malformed();
    if (this.#lines.isOver) this.#part = 'tail';
    return from + end;
  }
}

/** The lines of a body in JSON. */
export async function* linesOfJson(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const lines = new JsonLines();
  for await (const piece of pieces) yield lines.convert(piece);
  lines.end();
}

function isSpace(byte: number): boolean {
  return byte === SPACE || byte === LINE_END || byte === 0x09 || byte === 0x0d;
}

function malformed(): TributaryError {
  return new TributaryError('TRIBUTARY_INGEST_IMPORT_JSON_MALFORMED');
}
