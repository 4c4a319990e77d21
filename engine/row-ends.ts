/**
 * Where the rows of an import end, in an array of JSON and in msgpack: for those who cut imports into
 * batches. Every byte has to be looked at, so it is done natively (native/src/import_json.cc, import_msgpack.cc).
 */
import { type NativeMsgpackRecords, native } from '../native/index.ts';

/** In the state of `breakLines`: whether the array has ended. */
const IS_OVER = 3;
const STATE_WORDS = 4;

/** What is within one JSON array of objects, piece by piece. */
export class ArrayLines {
  readonly #state = new Uint32Array(STATE_WORDS);

  /** Whether the array has ended. */
  get isOver(): boolean {
    return this.#state[IS_OVER] !== 0;
  }

  /**
   * Makes lines of the next piece in place: commas between objects and the bracket at the end become line
   * ends, and line ends become spaces.
   * @returns the position behind what was changed: the array's end, or the piece's; -1 when a brace ends it.
   */
  break(piece: Uint8Array): number {
    return native.breakLines(piece, this.#state);
  }
}

/**
 * Writes to `ends` the positions behind the msgpack values in `bytes`, one behind the other, that end within
 * `bytesMax`, as many as fit. msgpackr's records are no values here: see {@link ExpandedRows}.
 */
export function msgpackEnds(
  bytes: Uint8Array,
  ends: Uint32Array,
  bytesMax: number,
): { readonly count: number; readonly isMalformed: boolean } {
  const found = native.msgpackEnds(bytes, ends, bytesMax);
  return found < 0
    ? { count: -1 - found, isMalformed: true }
    : { count: found, isMalformed: false };
}

/** In what `expand` returns. */
const EXPAND_ENDS = 4;
const EXPAND_PROBLEMS = [undefined, 'malformed', 'too large'] as const;

/** The rows of an import that has msgpackr's records in it, as maps. */
export class ExpandedRows {
  /** The maps of the last {@link expand}, one behind the other. */
  readonly bytes: Buffer;
  /** Of each row the position behind it in `bytes`. */
  readonly ends: Uint32Array;
  /** The same in what was expanded. */
  readonly sourceEnds: Uint32Array;
  /** Both, one behind the other. */
  readonly #positions: Uint32Array;
  readonly #records: NativeMsgpackRecords = new native.MsgpackRecords();

  constructor(bytesMax: number, rowsMax: number) {
    this.bytes = Buffer.allocUnsafe(bytesMax);
    this.#positions = new Uint32Array(2 * rowsMax);
    this.sourceEnds = this.#positions.subarray(0, rowsMax);
    this.ends = this.#positions.subarray(rowsMax);
  }

  /**
   * Expands as many rows as are whole, as fit, and no more than the limits. Records that they define are known to
   * the rows behind them.
   * @returns their number, and what the next row is when it is none.
   */
  expand(bytes: Uint8Array): {
    readonly count: number;
    readonly problem: (typeof EXPAND_PROBLEMS)[number];
  } {
    const found = this.#records.expand(bytes, this.bytes, this.#positions);
    const problem = EXPAND_PROBLEMS[found % EXPAND_ENDS];
    return { count: Math.floor(found / EXPAND_ENDS), problem };
  }
}
