/**
 * Avro's binary encoding of values, directed by a schema.
 *
 * - A `long` is a bigint where it is read: snapshot ids use all 64 bits. Lengths are numbers.
 * - Written unions are nullable types, `["null", T]`; any union is read.
 * - Every read is within the input; a length or count that the input cannot hold is refused before
 *   anything is allocated for it.
 */
import { assert } from '../../base/assert.ts';
import { AvroError, type AvroRecordValue, type AvroSchema, type AvroValue } from './avro-schema.ts';

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Bytes that grow by doubling. */
export class AvroWriter {
  #bytes = new Uint8Array(1024);
  #length = 0;

  /** What was written so far; valid until the next write. */
  get bytes(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** Zigzag, then seven bits a byte, low ones first. */
  writeLong(value: number | bigint): void {
    let rest = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
    this.#reserve(10);
    while (rest > 0x7fn) {
      this.#bytes[this.#length++] = Number(rest & 0x7fn) | 0x80;
      rest >>= 7n;
    }
    this.#bytes[this.#length++] = Number(rest);
  }

  /** With its length before it. */
  writeBytes(bytes: Uint8Array): void {
    this.writeLong(bytes.length);
    this.writeFixed(bytes);
  }

  writeFixed(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  writeText(text: string): void {
    this.writeBytes(encoder.encode(text));
  }

  writeFloat(value: number, bytes: 4 | 8): void {
    this.#reserve(bytes);
    const view = new DataView(this.#bytes.buffer);
    if (bytes === 4) view.setFloat32(this.#length, value, true);
    else view.setFloat64(this.#length, value, true);
    this.#length += bytes;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#length + bytes, this.#bytes.length * 2));
    grown.set(this.bytes);
    this.#bytes = grown;
  }
}

/** Writes `value`, which our own code has made to fit the schema. */
export function writeAvro(writer: AvroWriter, schema: AvroSchema, value: AvroValue): void {
  if (Array.isArray(schema)) {
    const index = schema.findIndex((branch) => (branch === 'null') === (value === null));
    assert(index >= 0, 'a written value fits a branch of its union');
    writer.writeLong(index);
    writeAvro(writer, schema[index]!, value);
    return;
  }
  const type = typeof schema === 'string' ? schema : (schema as { type: string }).type;
  if (type === 'null') return;
  if (type === 'boolean') writer.writeFixed(Uint8Array.of(value === true ? 1 : 0));
  else if (type === 'int' || type === 'long') writer.writeLong(value as number | bigint);
  else if (type === 'float') writer.writeFloat(value as number, 4);
  else if (type === 'double') writer.writeFloat(value as number, 8);
  else if (type === 'bytes') writer.writeBytes(value as Uint8Array);
  else if (type === 'fixed') writer.writeFixed(value as Uint8Array);
  else if (type === 'string') writer.writeText(value as string);
  else writeNested(writer, schema, value);
}

function writeNested(writer: AvroWriter, schema: AvroSchema, value: AvroValue): void {
  assert(typeof schema === 'object' && 'type' in schema, 'a nested type is an object');
  if (schema.type === 'record') {
    for (const field of schema.fields) {
      writeAvro(writer, field.type, (value as AvroRecordValue)[field.name] ?? null);
    }
    return;
  }
  assert(schema.type === 'array' || schema.type === 'map', 'records, arrays and maps are nested');
  const items = schema.type === 'array' ? (value as readonly AvroValue[]) : Object.entries(value!);
  if (items.length > 0) writer.writeLong(items.length);
  for (const item of items) {
    if (schema.type === 'array') {
      writeAvro(writer, schema.items, item as AvroValue);
      continue;
    }
    const [key, entry] = item as [string, AvroValue];
    writer.writeText(key);
    writeAvro(writer, schema.values, entry);
  }
  writer.writeLong(0);
}

/** A position in bytes that are not trusted. Every method throws AvroError beyond their end. */
export class AvroReader {
  readonly #bytes: Uint8Array;
  #position = 0;

  constructor(bytes: Uint8Array) {
    // A Buffer's slice would be a view of the input; that of a Uint8Array is a copy.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get remaining(): number {
    return this.#bytes.length - this.#position;
  }

  readLong(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.readFixed(1)[0]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
    }
    throw new AvroError('a number has more than 64 bits');
  }

  /** An `int`, or a length. */
  readInt(): number {
    const value = this.readLong();
    if (value !== BigInt.asIntN(32, value)) throw new AvroError('an int has more than 32 bits');
    return Number(value);
  }

  readBytes(): Uint8Array {
    return this.readFixed(this.readInt());
  }

  /** A view of the input. */
  readFixed(length: number): Uint8Array {
    if (length < 0 || length > this.remaining) throw new AvroError('it ends too early');
    this.#position += length;
    return this.#bytes.subarray(this.#position - length, this.#position);
  }

  readText(): string {
    try {
      return decoder.decode(this.readBytes());
    } catch (error) {
      if (error instanceof AvroError) throw error;
      throw new AvroError('a text is not UTF-8');
    }
  }

  readFloat(bytes: 4 | 8): number {
    const field = this.readFixed(bytes);
    const view = new DataView(field.buffer, field.byteOffset, bytes);
    return bytes === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
  }

  /** Calls `readItem` for every item of an array or map. */
  readItems(readItem: () => void): void {
    for (;;) {
      let count = this.readInt();
      if (count === 0) return;
      // A negative count is followed by the bytes of the block, for who wants to skip it.
      if (count < 0) {
        count = -count;
        this.readLong();
      }
      if (count > this.remaining) throw new AvroError('it ends too early');
      for (let item = 0; item < count; item += 1) readItem();
    }
  }
}

/** @throws AvroError when the bytes are not a value of `schema`. */
export function readAvro(reader: AvroReader, schema: AvroSchema): AvroValue {
  if (Array.isArray(schema)) {
    const branch = schema[reader.readInt()];
    if (branch === undefined) throw new AvroError('a union has no such branch');
    return readAvro(reader, branch);
  }
  const type = typeof schema === 'string' ? schema : (schema as { type: string }).type;
  switch (type) {
    case 'null':
      return null;
    case 'boolean':
      return reader.readFixed(1)[0] !== 0;
    case 'int':
      return reader.readInt();
    case 'long':
      return reader.readLong();
    case 'float':
      return reader.readFloat(4);
    case 'double':
      return reader.readFloat(8);
    case 'bytes':
      return reader.readBytes().slice();
    case 'string':
      return reader.readText();
    default:
      return readNested(reader, schema);
  }
}

function readNested(reader: AvroReader, schema: AvroSchema): AvroValue {
  assert(typeof schema === 'object' && 'type' in schema, 'a nested type is an object');
  if (schema.type === 'fixed') return reader.readFixed(schema.size).slice();
  if (schema.type === 'record') {
    return Object.fromEntries(
      schema.fields.map((field) => [field.name, readAvro(reader, field.type)]),
    );
  }
  if (schema.type === 'array') {
    const items: AvroValue[] = [];
    reader.readItems(() => items.push(readAvro(reader, schema.items)));
    return items;
  }
  assert(schema.type === 'map', 'a parsed schema has no other types');
  const entries: [string, AvroValue][] = [];
  reader.readItems(() => entries.push([reader.readText(), readAvro(reader, schema.values)]));
  return Object.fromEntries(entries);
}
