/**
 * Avro object container files: a header with the schema and other texts, then one or more blocks of
 * values. All of a lake's manifests and manifest lists are such files.
 *
 * - Written with codec `deflate` in one block; read with `null` and `deflate`.
 * - The 16-byte marker behind each block is checked, so that a torn or mixed-up file is found out.
 * - The format has no checksum; ours is a text of the header, `tributary.crc32c`, over the other texts
 *   (as JSON) and the blocks as they lie in the file. Files of other writers come without it.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { LIMITS } from '../../base/limits.ts';
import type { RandomSource } from '../../base/random.ts';
import { crc32c, formatCrc } from '../crc32c.ts';
import { AvroReader, AvroWriter, readAvro, writeAvro } from './avro-codec.ts';
import {
  AvroError,
  type AvroRecord,
  type AvroRecordValue,
  type AvroSchema,
  parseAvroSchema,
} from './avro-schema.ts';

/** `Obj` and the version, 1. */
const MAGIC = Uint8Array.of(0x4f, 0x62, 0x6a, 1);
const SYNC_BYTES = 16;
const CHECKSUM = 'tributary.crc32c';

export interface AvroFile {
  /** The header, without Avro's own keys. */
  readonly header: Readonly<Record<string, string>>;
  readonly schema: AvroSchema;
  readonly records: readonly AvroRecordValue[];
}

export function encodeAvroFile(
  schema: AvroRecord,
  records: readonly AvroRecordValue[],
  header: Readonly<Record<string, string>>,
  random: RandomSource,
): Uint8Array {
  const writer = new AvroWriter();
  const sync = random.bytes(SYNC_BYTES);
  const values = new AvroWriter();
  for (const record of records) writeAvro(values, schema, record);
  const block = deflateRawSync(values.bytes);
  const texts = { 'avro.schema': JSON.stringify(schema), 'avro.codec': 'deflate', ...header };
  const checksum = checksumOf(Object.entries(texts), records.length === 0 ? [] : [block]);
  const entries = Object.entries({ ...texts, [CHECKSUM]: checksum });
  writer.writeFixed(MAGIC);
  writer.writeLong(entries.length);
  for (const [key, text] of entries) {
    writer.writeText(key);
    writer.writeText(text);
  }
  writer.writeLong(0);
  writer.writeFixed(sync);
  if (records.length > 0) {
    writer.writeLong(records.length);
    writer.writeBytes(block);
    writer.writeFixed(sync);
  }
  return writer.bytes.slice();
}

/** @throws AvroError when `bytes` are not a whole container file of records. */
export function decodeAvroFile(bytes: Uint8Array): AvroFile {
  const reader = new AvroReader(bytes);
  if (!equal(reader.readFixed(MAGIC.length), MAGIC)) throw new AvroError('it is not an Avro file');
  const texts = new Map<string, string>();
  reader.readItems(() => texts.set(reader.readText(), reader.readText()));
  const sync = reader.readFixed(SYNC_BYTES);
  const schema = parseAvroSchema(parseJson(texts.get('avro.schema') ?? ''));
  const codec = texts.get('avro.codec') ?? 'null';
  if (typeof schema === 'string' || !('type' in schema) || schema.type !== 'record') {
    throw new AvroError('its values are not records');
  }

  const records: AvroRecordValue[] = [];
  const blocks: Uint8Array[] = [];
  while (reader.remaining > 0) {
    const count = reader.readInt();
    const bytesOfBlock = reader.readBytes();
    blocks.push(bytesOfBlock);
    const block = new AvroReader(inflate(codec, bytesOfBlock));
    // Our records take more than a byte each; a count beyond that is not one.
    if (count < 0 || count > block.remaining) throw new AvroError('a block has too few values');
    for (let index = 0; index < count; index += 1) {
      records.push(readAvro(block, schema) as AvroRecordValue);
    }
    if (block.remaining > 0) throw new AvroError('a block is longer than its values');
    if (!equal(reader.readFixed(SYNC_BYTES), sync)) throw new AvroError('a block ends wrongly');
  }
  const checksum = texts.get(CHECKSUM);
  texts.delete(CHECKSUM);
  if (checksum !== undefined && checksum !== checksumOf([...texts], blocks)) {
    throw new AvroError('its checksum is wrong');
  }
  texts.delete('avro.schema');
  texts.delete('avro.codec');
  return { header: Object.fromEntries(texts), schema, records };
}

function checksumOf(texts: [string, string][], blocks: readonly Uint8Array[]): string {
  const header = new TextEncoder().encode(JSON.stringify(texts));
  const seed = crc32c(header, 0, header.length, 0);
  return formatCrc(blocks.reduce((crc, block) => crc32c(block, 0, block.length, crc), seed));
}

function inflate(codec: string, bytes: Uint8Array): Uint8Array {
  if (codec === 'null') return bytes;
  if (codec !== 'deflate') throw new AvroError(`its codec ${codec} is not known`);
  try {
    return inflateRawSync(bytes, { maxOutputLength: LIMITS.lakeMetadataBytesMax });
  } catch {
    throw new AvroError('a block does not inflate');
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw new AvroError('its schema is not JSON');
  }
}

function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
