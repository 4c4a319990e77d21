/**
 * The values of Arrow columns as JSON: one writer is made for each column of a record batch from its
 * type, and called with a row that has a value.
 *
 * The columns come from files that anybody may have made: every offset is held against its buffer before
 * it is used, and what contradicts itself is a RangeError. docs/formats.md says what becomes of each type.
 */
import { type Data, DataType, DateUnit, TimeUnit } from '../storage/arrow.ts';
import type { JsonWriter } from './json-writer.ts';

export interface ValueWriter {
  isNull(row: number): boolean;
  /** Writes the value of `row`, which is not null. */
  write(out: JsonWriter, row: number): void;
}

/** A value that is an object: its members can be written beside others. */
export interface ObjectWriter extends ValueWriter {
  /** Writes the members without braces, each behind a comma unless `isFirst`. @returns whether none was. */
  members(out: JsonWriter, row: number, isFirst: boolean): boolean;
}

const COMMA = 0x2c;
const BRACKET_OPEN = 0x5b;
const BRACKET_CLOSE = 0x5d;
const BRACE_OPEN = 0x7b;
const BRACE_CLOSE = 0x7d;
const DAY_MS = 86_400_000;
/** Years 0000 to 9999. */
const ISO_MS_MIN = -62_167_219_200_000;
const ISO_MS_MAX = 253_402_300_799_999;
/** Ticks of a timestamp in a second, by its unit. */
const TICKS_PER_SECOND = {
  [TimeUnit.SECOND]: 1n,
  [TimeUnit.MILLISECOND]: 1000n,
  [TimeUnit.MICROSECOND]: 1_000_000n,
  [TimeUnit.NANOSECOND]: 1_000_000_000n,
} as const;

type Offsets = ArrayLike<number | bigint>;
type Numbers = ArrayLike<number | bigint>;
type Write = (out: JsonWriter, row: number) => void;

/** @throws RangeError for a type that is not understood. */
export function writerOf(data: Data): ValueWriter {
  const { type } = data;
  if (DataType.isNull(type)) return { isNull: () => true, write() {} };
  if (DataType.isDictionary(type)) return dictionaryWriter(data);
  return objectWriterOf(data) ?? { isNull: nullsOf(data), write: scalarOf(data) };
}

/** The writer of a struct or a map; undefined for every other type. */
export function objectWriterOf(data: Data): ObjectWriter | undefined {
  const isStruct = DataType.isStruct(data.type);
  if (!isStruct && !DataType.isMap(data.type)) return undefined;
  const members = isStruct ? structMembers(data) : mapMembers(data);
  return {
    isNull: nullsOf(data),
    members,
    write(out, row) {
      out.byte(BRACE_OPEN);
      members(out, row, true);
      out.byte(BRACE_CLOSE);
    },
  };
}

/** `"name":`, in UTF-8. */
export function memberName(name: string): Buffer {
  return Buffer.from(`${JSON.stringify(name)}:`, 'utf8');
}

/** Where the text of a row lies. @throws RangeError when that is outside of its buffer. */
export function textRange(data: Data): (row: number) => readonly [start: number, end: number] {
  return rangesOf(data.valueOffsets, data.values.length);
}

export function nullsOf({ nullBitmap, nullCount, offset }: Data): (row: number) => boolean {
  if (nullCount === 0 || nullBitmap === undefined || nullBitmap.length === 0) return () => false;
  return (row) => {
    const bit = offset + row;
    return ((nullBitmap[bit >> 3] ?? 0) & (1 << (bit & 7))) === 0;
  };
}

function scalarOf(data: Data): Write {
  const { type, values } = data;
  if (DataType.isUtf8(type) || DataType.isLargeUtf8(type)) return textWriter(data);
  if (DataType.isInt(type)) return (out, row) => out.ascii(String(valueAt(values, row)));
  if (DataType.isFloat(type) && type.precision > 0) {
    return (out, row) => {
      const value = Number(valueAt(values, row));
      out.ascii(Number.isFinite(value) ? String(value) : 'null');
    };
  }
  if (DataType.isBool(type)) {
    return (out, row) => {
      const bit = data.offset + row;
      out.ascii((Number(valueAt(values, bit >> 3)) & (1 << (bit & 7))) === 0 ? 'false' : 'true');
    };
  }
  if (DataType.isTimestamp(type)) return timestampWriter(values, type.unit);
  if (DataType.isDate(type)) {
    const isDays = type.unit === DateUnit.DAY;
    return (out, row) => {
      const milliseconds = Number(valueAt(values, row)) * (isDays ? DAY_MS : 1);
      if (!isIsoTime(milliseconds)) out.ascii(`"${milliseconds}"`);
      else if (isDays) out.ascii(`"${new Date(milliseconds).toISOString().slice(0, 10)}"`);
      else out.timestamp(milliseconds, '');
    };
  }
  if (DataType.isDecimal(type)) return decimalWriter(values, type.bitWidth, type.scale);
  if (DataType.isBinary(type) || DataType.isLargeBinary(type)) {
    return base64Writer(values, textRange(data));
  }
  if (DataType.isFixedSizeBinary(type)) {
    const { byteWidth } = type;
    return base64Writer(values, (row) => [row * byteWidth, (row + 1) * byteWidth]);
  }
  if (DataType.isList(type) || DataType.isLargeList(type) || DataType.isFixedSizeList(type)) {
    return listWriter(data);
  }
  throw new RangeError(`values of type ${type} are not understood`);
}

/** The commonest writer by far: the range is checked without an object for it. */
function textWriter({ valueOffsets, values }: Data): Write {
  const bytes: Uint8Array = values;
  const offsets: Offsets = valueOffsets;
  return (out, row) => {
    const start = Number(offsets[row]);
    const end = Number(offsets[row + 1]);
    if (!(start >= 0 && start <= end && end <= bytes.length)) throw outside();
    out.string(bytes, start, end);
  };
}

/** In whole numbers: a double has no room for the nanoseconds of our time. */
function timestampWriter(values: Numbers, unit: TimeUnit): Write {
  const ticks = TICKS_PER_SECOND[unit];
  const digits = unit === TimeUnit.NANOSECOND ? 6 : unit === TimeUnit.MICROSECOND ? 3 : 0;
  return (out, row) => {
    const value = BigInt(valueAt(values, row));
    const scaled = value * 1000n;
    const milliseconds = scaled / ticks - (scaled % ticks < 0n ? 1n : 0n);
    if (!isIsoTime(Number(milliseconds))) return out.ascii(`"${value}"`);
    const rest = digits === 0 ? 0n : value - (milliseconds * ticks) / 1000n;
    const more = rest === 0n ? '' : String(rest).padStart(digits, '0');
    out.timestamp(Number(milliseconds), more);
  };
}

/** Two's complement of `bitWidth` bits in 32-bit words, the lowest first. */
function decimalWriter(words: Numbers, bitWidth: number, scale: number): Write {
  const count = bitWidth / 32;
  return (out, row) => {
    let value = 0n;
    for (let word = count - 1; word >= 0; word -= 1) {
      value = (value << 32n) | BigInt(valueAt(words, row * count + word));
    }
    value = BigInt.asIntN(bitWidth, value);
    const digits = String(value < 0n ? -value : value).padStart(scale + 1, '0');
    const whole = digits.slice(0, digits.length - scale);
    const text = scale > 0 ? `${whole}.${digits.slice(-scale)}` : digits;
    out.ascii(value < 0n ? `-${text}` : text);
  };
}

function base64Writer(bytes: Uint8Array, rangeOf: ReturnType<typeof textRange>): Write {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return (out, row) => {
    const [start, end] = rangeOf(row);
    out.ascii(`"${buffer.toString('base64', start, end)}"`);
  };
}

function listWriter(data: Data): Write {
  const child = childOf(data, 0);
  const item = writerOf(child);
  const { type } = data;
  const rangeOf = DataType.isFixedSizeList(type)
    ? (row: number) => [row * type.listSize, (row + 1) * type.listSize] as const
    : rangesOf(data.valueOffsets, child.length);
  return (out, row) => {
    const [start, end] = rangeOf(row);
    out.byte(BRACKET_OPEN);
    for (let at = start; at < end; at += 1) {
      if (at > start) out.byte(COMMA);
      writeOrNull(item, out, at);
    }
    out.byte(BRACKET_CLOSE);
  };
}

function structMembers(data: Data): ObjectWriter['members'] {
  const { type } = data;
  const fields = DataType.isStruct(type) ? type.children : [];
  const names = fields.map(({ name }) => memberName(name));
  const writers = fields.map((_, index) => writerOf(childOf(data, index)));
  return (out, row, isFirst) => {
    let isNone = isFirst;
    for (let index = 0; index < writers.length; index += 1) {
      const writer = writers[index]!;
      if (writer.isNull(row)) continue;
      if (!isNone) out.byte(COMMA);
      isNone = false;
      const name = names[index]!;
      out.raw(name, 0, name.length);
      writer.write(out, row);
    }
    return isNone;
  };
}

/** Of a repeated key the last counts, as in any JSON of ours. */
function mapMembers(data: Data): ObjectWriter['members'] {
  const entries = childOf(data, 0);
  const keys = childOf(entries, 0);
  if (!DataType.isUtf8(keys.type)) throw new RangeError('the keys of a map are not text');
  const writeKey = textWriter(keys);
  const value = writerOf(childOf(entries, 1));
  const rangeOf = rangesOf(data.valueOffsets, Math.min(entries.length, keys.length));
  return (out, row, isFirst) => {
    const [start, end] = rangeOf(row);
    for (let at = start; at < end; at += 1) {
      if (at > start || !isFirst) out.byte(COMMA);
      writeKey(out, at);
      out.ascii(':');
      writeOrNull(value, out, at);
    }
    return isFirst && start === end;
  };
}

function dictionaryWriter(data: Data): ValueWriter {
  const indices: Numbers = data.values;
  const isNullIndex = nullsOf(data);
  const chunks = (data.dictionary?.data ?? []).map((chunk) => ({
    length: chunk.length,
    writer: writerOf(chunk),
  }));
  const find = (row: number): readonly [ValueWriter, number] => {
    let at = Number(valueAt(indices, row));
    for (const { length, writer } of chunks) {
      if (at >= 0 && at < length) return [writer, at];
      at -= length;
    }
    throw new RangeError('a dictionary has no value of that index');
  };
  return {
    isNull(row) {
      if (isNullIndex(row)) return true;
      const [writer, at] = find(row);
      return writer.isNull(at);
    },
    write(out, row) {
      const [writer, at] = find(row);
      writer.write(out, at);
    },
  };
}

function writeOrNull(writer: ValueWriter, out: JsonWriter, row: number): void {
  if (writer.isNull(row)) out.ascii('null');
  else writer.write(out, row);
}

function childOf(data: Data, index: number): Data {
  const child = data.children[index];
  if (child === undefined) throw new RangeError('a nested column has no values');
  return child;
}

function rangesOf(
  offsets: Offsets,
  length: number,
): (row: number) => readonly [start: number, end: number] {
  return (row) => {
    const start = Number(offsets[row]);
    const end = Number(offsets[row + 1]);
    if (start >= 0 && start <= end && end <= length) return [start, end];
    throw outside();
  };
}

function outside(): RangeError {
  return new RangeError('an offset lies outside of its column');
}

function valueAt(values: Numbers, index: number): number | bigint {
  const value = values[index];
  if (value === undefined) throw new RangeError('a column is shorter than its rows');
  return value;
}

/** Whether ISO 8601 has four digits for the year. */
function isIsoTime(milliseconds: number): boolean {
  return milliseconds >= ISO_MS_MIN && milliseconds <= ISO_MS_MAX;
}
