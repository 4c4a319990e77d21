/**
 * DuckDB's values as JSON text. One encoder is made for each column from its type, and called for each
 * value that is not NULL.
 *
 * - Numbers are JSON numbers with all their digits, whatever JavaScript can hold: BIGINT, HUGEINT and
 *   DECIMAL too. Readers that parse into doubles lose digits past 2^53; docs/sql.md says so.
 * - NaN and infinities are strings, since JSON has no numbers for them.
 * - JSON columns are embedded as they are. DuckDB reads more than JSON (`NaN`, trailing commas), so a
 *   value that could be such is parsed, and given as a string when it is not JSON.
 */
import { isJson } from '../base/json-text.ts';
import {
  ArrayType,
  ArrayValue,
  BlobValue,
  type ColumnType,
  DateValue,
  ListType,
  ListValue,
  MapType,
  MapValue,
  StructType,
  StructValue,
  TimestampTzValue,
  TimestampValue,
  TypeId,
  UnionType,
  UnionValue,
  type Value,
  VariantValue,
} from './duckdb.ts';
import { dateText, timestampText } from './time-text.ts';

/** Text of a value that is not null. */
export type ValueEncoder = (value: Value) => string;

/** DuckDB's infinite dates, of either sign; its Node binding prints the negative one as a year. */
const DATE_INFINITY_DAYS = 2 ** 31 - 1;
/** Signs of JSON that only DuckDB accepts. */
const DOUBTFUL_JSON = /nan|inf|,\s*[\]}]/i;
/** Line breaks and tabs between tokens; inside JSON strings they are escaped. */
const LINE_BREAKS = /[\n\r]/g;

/** @returns the encoder for values of `type`. */
export function encoderOf(type: ColumnType): ValueEncoder {
  switch (type.typeId) {
    case TypeId.VARCHAR:
      return type.alias === 'JSON' ? rawJson : JSON.stringify;
    case TypeId.DOUBLE:
      return (value) => numberText(Number(value));
    case TypeId.FLOAT:
      return (value) => floatText(Number(value));
    case TypeId.BOOLEAN:
    case TypeId.TINYINT:
    case TypeId.SMALLINT:
    case TypeId.INTEGER:
    case TypeId.BIGINT:
    case TypeId.HUGEINT:
    case TypeId.UTINYINT:
    case TypeId.USMALLINT:
    case TypeId.UINTEGER:
    case TypeId.UBIGINT:
    case TypeId.UHUGEINT:
    case TypeId.BIGNUM:
    case TypeId.DECIMAL:
      return String;
    case TypeId.TIMESTAMP_TZ:
      return timestampTzJson;
    case TypeId.TIMESTAMP:
      return timestampJson;
    case TypeId.DATE:
      return dateJson;
    case TypeId.BLOB:
      return blobJson;
    case TypeId.UUID:
      return (value) => `"${String(value)}"`;
    default:
      return nestedEncoder(type) ?? ((value) => JSON.stringify(String(value)));
  }
}

function nestedEncoder(type: ColumnType): ValueEncoder | null {
  if (type instanceof ListType || type instanceof ArrayType) return listEncoder(type.valueType);
  if (type instanceof StructType) return structEncoder(type);
  if (type instanceof MapType) return mapEncoder(type);
  if (type instanceof UnionType) {
    return (value) => {
      const member = value instanceof UnionValue ? type.memberTypeForTag(value.tag) : undefined;
      return value instanceof UnionValue && member !== undefined
        ? orNull(value.value, encoderOf(member))
        : 'null';
    };
  }
  if (type.typeId === TypeId.VARIANT) {
    return (value) => {
      if (!(value instanceof VariantValue) || value.value === null) return 'null';
      return value.type === undefined
        ? JSON.stringify(String(value.value))
        : encoderOf(value.type)(value.value);
    };
  }
  return null;
}

function listEncoder(itemType: ColumnType): ValueEncoder {
  const encode = encoderOf(itemType);
  return (value) => {
    if (!(value instanceof ListValue || value instanceof ArrayValue)) return 'null';
    return `[${value.items.map((item) => orNull(item, encode)).join(',')}]`;
  };
}

function structEncoder(type: StructType): ValueEncoder {
  const names = type.entryNames;
  const keys = names.map((name) => `${JSON.stringify(name)}:`);
  const encoders = type.entryTypes.map(encoderOf);
  return (value) => {
    if (!(value instanceof StructValue)) return 'null';
    const entries = names.map(
      (name, index) => keys[index]! + orNull(value.entries[name] ?? null, encoders[index]!),
    );
    return `{${entries.join(',')}}`;
  };
}

/** An object; keys that are not text are written as their text. */
function mapEncoder(type: MapType): ValueEncoder {
  const encodeKey = encoderOf(type.keyType);
  const encode = encoderOf(type.valueType);
  return (value) => {
    if (!(value instanceof MapValue)) return 'null';
    const entries = value.entries.map((entry) => {
      const key = orNull(entry.key, encodeKey);
      const quoted = key.startsWith('"') ? key : JSON.stringify(key);
      return `${quoted}:${orNull(entry.value, encode)}`;
    });
    return `{${entries.join(',')}}`;
  };
}

function orNull(value: Value, encode: ValueEncoder): string {
  return value === null ? 'null' : encode(value);
}

function rawJson(value: Value): string {
  const text = String(value);
  if (DOUBTFUL_JSON.test(text) && !isJson(text)) return JSON.stringify(text);
  return text.includes('\n') || text.includes('\r') ? text.replace(LINE_BREAKS, ' ') : text;
}

function numberText(value: number): string {
  return Number.isFinite(value) ? String(value) : `"${value}"`;
}

/** The shortest digits that read back as the same 32-bit float: 0.1, not 0.10000000149011612. */
function floatText(value: number): string {
  if (!Number.isFinite(value)) return `"${value}"`;
  for (let digits = 6; digits < 9; digits += 1) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return String(short);
  }
  return String(Number(value.toPrecision(9)));
}

function timestampTzJson(value: Value): string {
  const text = value instanceof TimestampTzValue ? timestampText(value.micros) : null;
  return text === null ? `"${String(value)}"` : `"${text}Z"`;
}

function timestampJson(value: Value): string {
  const text = value instanceof TimestampValue ? timestampText(value.micros) : null;
  return `"${text ?? String(value)}"`;
}

function dateJson(value: Value): string {
  if (!(value instanceof DateValue)) return 'null';
  if (Math.abs(value.days) === DATE_INFINITY_DAYS) {
    return value.days > 0 ? '"infinity"' : '"-infinity"';
  }
  return `"${dateText(value.days) ?? String(value)}"`;
}

function blobJson(value: Value): string {
  return value instanceof BlobValue ? `"${Buffer.from(value.bytes).toString('base64')}"` : 'null';
}
