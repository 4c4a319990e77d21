/**
 * JSON text written as bytes into one growing buffer: strings are copied from where they lie, and are
 * never made strings of JavaScript on the way.
 *
 * - UTF-8 is passed on as it is; who reads the text judges it.
 * - A row may have {@link ROW_BYTES_MAX}; beyond, RangeError.
 */
import { KIB, MIB } from '../base/units.ts';

/** Far more than an import takes of one row, escapes included, so that it is the import that says so. */
const ROW_BYTES_MAX = 8 * MIB;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const SPACE = 0x20;
const ZERO = 0x30;
const COLON = 0x3a;
const COMMA = 0x2c;
const POINT = 0x2e;
const DAY_MS = 86_400_000;
/** `\u00XX` for one byte. */
const ESCAPE_BYTES_MAX = 6;
const HEX = '0123456789abcdef';

export class JsonWriter {
  #bytes = Buffer.allocUnsafe(512 * KIB);
  #end = 0;
  #rowStart = 0;
  /** The day that was written last, and its text: rows of one day come together. */
  #day = Number.NaN;
  #dayText = '';

  /** Bytes written since the last `take`. */
  get length(): number {
    return this.#end;
  }

  /** What was written, in memory of its own; the writer starts again. */
  take(): Buffer {
    const taken = Buffer.from(this.#bytes.subarray(0, this.#end));
    this.#end = 0;
    this.#rowStart = 0;
    return taken;
  }

  /** What follows is another row, behind a comma unless it is the first. */
  beginRow(): void {
    if (this.#end > 0) this.byte(COMMA);
    this.#rowStart = this.#end;
  }

  /** Takes back the row that was begun last. */
  dropRow(): void {
    this.#end = Math.max(0, this.#rowStart - 1);
  }

  byte(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#end++] = value;
  }

  /** Text of ASCII that needs no escapes: numbers, names of ours. */
  ascii(text: string): void {
    this.#reserve(text.length);
    const bytes = this.#bytes;
    let end = this.#end;
    for (let at = 0; at < text.length; at += 1) bytes[end++] = text.charCodeAt(at);
    this.#end = end;
  }

  /** A string, from [start, end) of UTF-8. */
  string(source: Uint8Array, start: number, end: number): void {
    this.#reserve(ESCAPE_BYTES_MAX * (end - start) + 2);
    const bytes = this.#bytes;
    let to = this.#end;
    bytes[to++] = QUOTE;
    for (let at = start; at < end; at += 1) {
      const byte = source[at]!;
      if (byte >= SPACE && byte !== QUOTE && byte !== BACKSLASH) bytes[to++] = byte;
      else to = writeEscape(bytes, to, byte);
    }
    bytes[to++] = QUOTE;
    this.#end = to;
  }

  /**
   * A time in UTC as a string of ISO 8601, of a year with four digits.
   * @param more digits behind the milliseconds.
   */
  timestamp(milliseconds: number, more: string): void {
    const day = Math.floor(milliseconds / DAY_MS);
    if (day !== this.#day) {
      this.#day = day;
      this.#dayText = `"${new Date(day * DAY_MS).toISOString().slice(0, 11)}`;
    }
    const rest = milliseconds - day * DAY_MS;
    this.ascii(this.#dayText);
    this.#digits(Math.floor(rest / 3_600_000), 2);
    this.byte(COLON);
    this.#digits(Math.floor(rest / 60_000) % 60, 2);
    this.byte(COLON);
    this.#digits(Math.floor(rest / 1000) % 60, 2);
    this.byte(POINT);
    this.#digits(rest % 1000, 3);
    this.ascii(more);
    this.ascii('Z"');
  }

  /** [start, end) of JSON as it is. */
  raw(source: Uint8Array, start: number, end: number): void {
    this.#reserve(end - start);
    this.#bytes.set(source.subarray(start, end), this.#end);
    this.#end += end - start;
  }

  #digits(value: number, count: number): void {
    this.#reserve(count);
    let rest = value;
    for (let at = this.#end + count - 1; at >= this.#end; at -= 1) {
      this.#bytes[at] = ZERO + (rest % 10);
      rest = Math.floor(rest / 10);
    }
    this.#end += count;
  }

  #reserve(bytes: number): void {
    const needed = this.#end + bytes;
    if (needed <= this.#bytes.length) return;
    if (needed - this.#rowStart > ROW_BYTES_MAX) {
      throw new RangeError(`a row is larger than ${ROW_BYTES_MAX} bytes`);
    }
    const grown = Buffer.allocUnsafe(2 * needed);
    this.#bytes.copy(grown, 0, 0, this.#end);
    this.#bytes = grown;
  }
}

function writeEscape(bytes: Buffer, at: number, byte: number): number {
  let to = at;
  bytes[to++] = BACKSLASH;
  if (byte >= SPACE) {
    bytes[to++] = byte;
    return to;
  }
  to += bytes.write(`u00${HEX[byte >> 4]}${HEX[byte & 15]}`, to, 'latin1');
  return to;
}
