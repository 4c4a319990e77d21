/**
 * The metadata of messages in Arrow's streaming format, as far as plain tables need it: columns of the common types,
 * neither compressed nor of a dictionary. Of any other message it says that it is not plain, whether it is damaged or
 * only not understood: then Arrow's own library is asked, in a process that a file may break (engine/file-rows.ts).
 *
 * The layout is that of Message.fbs and Schema.fbs (https://arrow.apache.org/docs/format/Columnar.html).
 */
import type { ColumnKind } from '../native/index.ts';
import { FlatTable } from './flat-table.ts';

export interface ArrowField {
  readonly name: string;
  readonly kind: ColumnKind;
  /** Of a number, or of an offset of a text. */
  readonly valueBytes: number;
  readonly isSigned: boolean;
  readonly ticksPerSecond: number;
  readonly children: readonly ArrowField[];
}

/** Of a column; columns of structs come before those of their members. */
export interface ArrowNode {
  readonly length: number;
  readonly nullCount: number;
}

/** A range of the message's body. */
export interface ArrowRange {
  readonly offset: number;
  readonly length: number;
}

export interface ArrowSchema {
  readonly header: 'schema';
  readonly fields: readonly ArrowField[];
  readonly bodyBytes: number;
}

export interface ArrowRecords {
  readonly header: 'records';
  readonly rows: number;
  readonly nodes: readonly ArrowNode[];
  /** Together no longer than the body. */
  readonly buffers: readonly ArrowRange[];
  readonly bodyBytes: number;
}

/** Of a schema, those within structs counted. */
const FIELDS_MAX = 1024;
/** Fields may share a name, which is made a text for each of them. */
const NAME_CHARACTERS_MAX = 1024;
/** Nothing that a plain message has is larger. */
const COUNT_MAX = 2 ** 31 - 1;
const PAIR_BYTES = 16;
const WORD_BYTES = 8;

const VERSION_4 = 3;
const VERSION_5 = 4;
const HEADER_SCHEMA = 1;
const HEADER_RECORDS = 3;
const LITTLE_ENDIAN = 0;
const TYPE = {
  null: 1,
  int: 2,
  float: 3,
  utf8: 5,
  bool: 6,
  timestamp: 10,
  struct: 13,
  largeUtf8: 20,
};
/** By Arrow's Precision; a half is not plain. */
const FLOAT_BYTES = [undefined, 4, 8];
/** By Arrow's TimeUnit. */
export const TICKS_PER_SECOND = [1, 1000, 1_000_000, 1_000_000_000];
const INT_BITS: readonly number[] = [8, 16, 32, 64];

/** What is no plain message. */
class NotPlain extends Error {}

/** @returns undefined for a message that is not plain. */
export function readArrowMetadata(metadata: Uint8Array): ArrowSchema | ArrowRecords | undefined {
  try {
    return messageOf(FlatTable.rootOf(metadata));
  } catch (error) {
    if (error instanceof NotPlain || error instanceof RangeError) return undefined;
    throw error;
  }
}

function messageOf(message: FlatTable): ArrowSchema | ArrowRecords {
  const version = message.int16(0);
  const header = message.table(2);
  const bodyBytes = countOf(message.int64(3));
  if ((version !== VERSION_4 && version !== VERSION_5) || header === undefined)
    throw new NotPlain();
  switch (message.int8(1)) {
    case HEADER_SCHEMA:
      return schemaOf(header, bodyBytes);
    case HEADER_RECORDS:
      return recordsOf(header, bodyBytes);
    default:
      throw new NotPlain();
  }
}

function schemaOf(schema: FlatTable, bodyBytes: number): ArrowSchema {
  if (schema.int16(0) !== LITTLE_ENDIAN) throw new NotPlain();
  let read = 0;
  const fieldsOf = (table: FlatTable, slot: number): ArrowField[] => {
    const fields: ArrowField[] = [];
    for (const field of table.tables(slot)) {
      read += 1;
      if (read > FIELDS_MAX) throw new NotPlain();
      fields.push(fieldOf(field, fieldsOf));
    }
    return fields;
  };
  return { header: 'schema', fields: fieldsOf(schema, 1), bodyBytes };
}

function fieldOf(
  field: FlatTable,
  fieldsOf: (table: FlatTable, slot: number) => ArrowField[],
): ArrowField {
  const type = field.table(3);
  const isOfDictionary = field.table(4) !== undefined;
  const name = field.text(0);
  if (type === undefined || isOfDictionary || name.length > NAME_CHARACTERS_MAX)
    throw new NotPlain();
  const children = fieldsOf(field, 5);
  const plain = { name, valueBytes: 0, isSigned: true, ticksPerSecond: 0, children };
  switch (field.int8(2)) {
    case TYPE.null:
      return { ...plain, kind: 'null' };
    case TYPE.int:
      return {
        ...plain,
        kind: 'integer',
        valueBytes: intBytes(type),
        isSigned: type.int8(1) !== 0,
      };
    case TYPE.float:
      return { ...plain, kind: 'float', valueBytes: entryOf(FLOAT_BYTES, type) };
    case TYPE.utf8:
      return { ...plain, kind: 'text', valueBytes: 4 };
    case TYPE.largeUtf8:
      return { ...plain, kind: 'text', valueBytes: 8 };
    case TYPE.bool:
      return { ...plain, kind: 'boolean' };
    case TYPE.timestamp:
      return {
        ...plain,
        kind: 'timestamp',
        valueBytes: 8,
        ticksPerSecond: entryOf(TICKS_PER_SECOND, type),
      };
    case TYPE.struct:
      return { ...plain, kind: 'struct' };
    default:
      throw new NotPlain();
  }
}

function intBytes(type: FlatTable): number {
  const bits = type.int32(0);
  if (!INT_BITS.includes(bits)) throw new NotPlain();
  return bits / 8;
}

function entryOf(table: readonly (number | undefined)[], type: FlatTable): number {
  const entry = table[type.int16(0)];
  if (entry === undefined) throw new NotPlain();
  return entry;
}

function recordsOf(records: FlatTable, bodyBytes: number): ArrowRecords {
  const isCompressed = records.table(3) !== undefined;
  if (isCompressed) throw new NotPlain();
  const nodes = pairsOf(records, 1).map(([length, nullCount]) => ({ length, nullCount }));
  const buffers = pairsOf(records, 2).map(([offset, length]) => ({ offset, length }));
  let bytes = 0;
  for (const { offset, length } of buffers) {
    bytes += length;
    if (offset + length > bodyBytes) throw new NotPlain();
  }
  // Those that share memory would have it looked at once for each of them.
  if (bytes > bodyBytes) throw new NotPlain();
  return { header: 'records', rows: countOf(records.int64(0)), nodes, buffers, bodyBytes };
}

/** Structs of two words. */
function pairsOf(table: FlatTable, slot: number): [number, number][] {
  const { at, length } = table.vector(slot, PAIR_BYTES);
  return Array.from({ length }, (_, index): [number, number] => {
    const pair = at + index * PAIR_BYTES;
    return [countOf(table.int64At(pair)), countOf(table.int64At(pair + WORD_BYTES))];
  });
}

function countOf(value: number): number {
  if (!(value >= 0 && value <= COUNT_MAX)) throw new NotPlain();
  return value;
}
