/**
 * A column that should hold objects: a struct, a map, or text that is JSON. What is none of these is
 * written as the value it is, and the decoder rejects the row for it.
 */
import { type Data, DataType } from '../storage/arrow.ts';
import {
  nullsOf,
  type ObjectWriter,
  objectWriterOf,
  textRange,
  type ValueWriter,
  writerOf,
} from './arrow-json.ts';
import type { JsonWriter } from './json-writer.ts';

export interface ObjectColumn extends ObjectWriter {
  /** Of a row that is not null: only then has it members. */
  isObject(row: number): boolean;
}

const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;
const SPACE = 0x20;
const COMMA = 0x2c;

export function objectColumnOf(data: Data): ObjectColumn {
  const writer = objectWriterOf(data);
  if (writer !== undefined) return { ...writer, isObject: () => true };
  if (DataType.isUtf8(data.type) || DataType.isLargeUtf8(data.type)) return new JsonColumn(data);
  return { ...writerOf(data), isObject: () => false, members: (_out, _row, isFirst) => isFirst };
}

/** Text that is parsed to know that it is JSON, and passed on as it stands: no number loses a digit. */
class JsonColumn implements ObjectColumn {
  readonly #text: Buffer;
  readonly #rangeOf: (row: number) => readonly [number, number];
  readonly #isNull: (row: number) => boolean;
  readonly #asText: ValueWriter;
  /** What the last row asked for turned out to be. */
  #row = -1;
  #kind: 'null' | 'object' | 'other' = 'null';

  constructor(data: Data) {
    const bytes: Uint8Array = data.values;
    this.#text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#rangeOf = textRange(data);
    this.#isNull = nullsOf(data);
    this.#asText = writerOf(data);
  }

  isNull(row: number): boolean {
    return this.#isNull(row) || this.#kindOf(row) === 'null';
  }

  isObject(row: number): boolean {
    return this.#kindOf(row) === 'object';
  }

  write(out: JsonWriter, row: number): void {
    this.#asText.write(out, row);
  }

  members(out: JsonWriter, row: number, isFirst: boolean): boolean {
    const [from, to] = this.#rangeOf(row);
    const start = this.#text.indexOf(BRACE_OPEN, from) + 1;
    const end = this.#text.lastIndexOf(BRACE_CLOSE, to - 1);
    let first = start;
    while (first < end && this.#text[first]! <= SPACE) first += 1;
    if (first === end) return isFirst;
    if (!isFirst) out.byte(COMMA);
    out.raw(this.#text, first, end);
    return false;
  }

  #kindOf(row: number): 'null' | 'object' | 'other' {
    if (row !== this.#row) {
      this.#kind = kindOf(this.#text.toString('utf8', ...this.#rangeOf(row)));
      this.#row = row;
    }
    return this.#kind;
  }
}

function kindOf(text: string): 'null' | 'object' | 'other' {
  try {
    const value: unknown = JSON.parse(text);
    if (value === null) return 'null';
    return typeof value === 'object' && !Array.isArray(value) ? 'object' : 'other';
  } catch {
    return 'other';
  }
}
