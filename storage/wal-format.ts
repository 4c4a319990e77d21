/**
 * The bytes of the write-ahead log. docs/format.md is the description; this file is its only code.
 *
 * A file is one header block, then records. A group is what one write and one sync made durable: some
 * records, then one filler record up to the next block boundary, so that every group starts and ends at
 * a block boundary and can be written past the page cache.
 *
 * - Little-endian; records start at multiples of 8; times are microseconds since 1970-01-01T00:00:00Z.
 * - u64 and i64 fields hold values from 0 to 2^53 - 1, so that a number carries them exactly.
 * - Every record's CRC is seeded by the random id of its file: bytes left over from another file, or
 *   chosen by a producer, never pass for a record.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { alignUp } from '../base/units.ts';
import type { Crc32c } from './crc32c.ts';
import { DIRECT_BLOCK_BYTES } from './file-system.ts';

/** Version 2 has records with a sender; those of version 1 have none, and are read alike. */
export const WAL_FORMAT_VERSION = 2;
const WAL_FORMAT_VERSION_MIN = 1;
export const WAL_BLOCK_BYTES = DIRECT_BLOCK_BYTES;
export const WAL_RECORD_HEADER_BYTES = 40;
/** Readable bytes behind every payload, in staging and in the reader: simdjson reads past the end. */
export const WAL_PAYLOAD_SLACK_BYTES = 64;
/** A filler reaches at most one block beyond the one it starts in. */
export const WAL_FILLER_BYTES_MAX = WAL_BLOCK_BYTES + WAL_RECORD_HEADER_BYTES;

export const WAL_RECORD_TYPE = {
  events: 1,
  configuration: 2,
  identity: 3,
  erasure: 4,
  traits: 5,
  filler: 255,
} as const;
export type WalRecordType = 1 | 2 | 3 | 4 | 5;
export const WAL_CODEC = { json: 1, msgpack: 2 } as const;
export type WalCodec = 1 | 2;
/** The address that a batch came from, behind its bytes: that of IPv6, IPv4 mapped into it. */
export const WAL_SENDER_BYTES = 16;
/** Bits of a record's flags. Bit 0 is kept for compression. */
const FLAG_SENDER = 2;

/** `TRIBWAL` and a NUL. */
const MAGIC = Uint8Array.of(0x54, 0x52, 0x49, 0x42, 0x57, 0x41, 0x4c, 0);
const TENANT_ID_BYTES = 16;
const FILE_ID_BYTES = 8;

const HEADER = {
  magic: 0,
  crc: 8,
  version: 12,
  fileId: 16,
  ordinal: 24,
  sequenceFloor: 32,
  createdAt: 40,
  tenantId: 48,
} as const;

const RECORD = {
  length: 0,
  crc: 4,
  sequence: 8,
  receivedAt: 16,
  group: 24,
  type: 28,
  codec: 29,
  source: 30,
  eventCount: 32,
  defaultType: 36,
  flags: 37,
  reserved: 38,
} as const;

/** What the header block of a file says. */
export interface WalFileHeader {
  /** 8 random bytes. */
  readonly fileId: Uint8Array;
  readonly ordinal: number;
  /**
   * All sequences below it were durable, in earlier files or in a checkpoint, before this file was
   * created. A log of which only an empty file is left goes on from here.
   */
  readonly sequenceFloor: number;
  readonly createdAtMicros: number;
  /** 16 bytes. */
  readonly tenantId: Uint8Array;
}

/** What the log keeps about a record, besides its payload. */
export interface WalRecordFields {
  /** Bytes of the payload. */
  readonly length: number;
  /** Sequence of its first event: that of the record before, plus that one's event count. */
  readonly sequence: number;
  readonly receivedAtMicros: number;
  readonly type: WalRecordType;
  readonly codec: WalCodec;
  /** Ordinal of the source, below 65,536. */
  readonly source: number;
  readonly eventCount: number;
  /** 1 + the number of the event type that the path named; 0 for none. */
  readonly defaultType: number;
  /** Whether the last {@link WAL_SENDER_BYTES} of the payload are the address that the others came from. */
  readonly hasSender: boolean;
}

/** `wal-0000000000000007`: sorts by ordinal. */
export function walFileName(ordinal: number): string {
  return `wal-${String(ordinal).padStart(16, '0')}`;
}

/** @returns the ordinal, or undefined for a name that is not a WAL file's. */
export function parseWalFileName(name: string): number | undefined {
  const match = /^wal-(\d{16})$/.exec(name);
  return match === null ? undefined : Number(match[1]);
}

/** What the CRCs of a file's records start from. */
export function walCrcSeed(fileId: Uint8Array, crc32c: Crc32c): number {
  return crc32c(fileId, 0, FILE_ID_BYTES, 0);
}

/** Writes the header block into the first WAL_BLOCK_BYTES of `block`, which are zero. */
export function writeWalFileHeader(block: Uint8Array, header: WalFileHeader, crc32c: Crc32c): void {
  assert(header.tenantId.length === TENANT_ID_BYTES, 'a tenant id has 16 bytes');
  assert(header.fileId.length === FILE_ID_BYTES, 'a WAL file id has 8 bytes');
  const view = viewOf(block);
  block.set(MAGIC, HEADER.magic);
  view.setUint32(HEADER.version, WAL_FORMAT_VERSION, true);
  block.set(header.fileId, HEADER.fileId);
  setUint53(view, HEADER.ordinal, header.ordinal);
  setUint53(view, HEADER.sequenceFloor, header.sequenceFloor);
  setUint53(view, HEADER.createdAt, header.createdAtMicros);
  block.set(header.tenantId, HEADER.tenantId);
  view.setUint32(HEADER.crc, headerCrc(block, crc32c), true);
}

/** A header, the version of one from a newer appliance, or undefined for bytes that are no header. */
export function readWalFileHeader(
  block: Uint8Array,
  crc32c: Crc32c,
): WalFileHeader | { readonly newerVersion: number } | undefined {
  if (block.length < WAL_BLOCK_BYTES) return undefined;
  if (MAGIC.some((byte, index) => block[index] !== byte)) return undefined;
  const view = viewOf(block);
  const version = view.getUint32(HEADER.version, true);
  if (version > WAL_FORMAT_VERSION) return { newerVersion: version };
  if (version < WAL_FORMAT_VERSION_MIN) return undefined;
  if (view.getUint32(HEADER.crc, true) !== headerCrc(block, crc32c)) return undefined;
  return {
    fileId: block.slice(HEADER.fileId, HEADER.fileId + FILE_ID_BYTES),
    ordinal: getUint53(view, HEADER.ordinal),
    sequenceFloor: getUint53(view, HEADER.sequenceFloor),
    createdAtMicros: getUint53(view, HEADER.createdAt),
    tenantId: block.slice(HEADER.tenantId, HEADER.tenantId + TENANT_ID_BYTES),
  };
}

function headerCrc(block: Uint8Array, crc32c: Crc32c): number {
  return crc32c(block, HEADER.version, WAL_BLOCK_BYTES - HEADER.version, 0);
}

/** Bytes a record takes in the file: header, payload and the zeros that align the next record. */
export function walRecordBytes(payloadBytes: number): number {
  return alignUp(WAL_RECORD_HEADER_BYTES + payloadBytes, 8);
}

/** The target of `writeWalRecord`: a staging buffer and a view of the same bytes. */
export interface WalBuffer {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

export function walBuffer(bytes: Uint8Array): WalBuffer {
  return { bytes, view: viewOf(bytes) };
}

/** Frames the payload that lies behind `offset + WAL_RECORD_HEADER_BYTES`. @returns its end. */
export function writeWalRecord(
  buffer: WalBuffer,
  offset: number,
  fields: WalRecordFields,
  group: number,
  crcSeed: number,
  crc32c: Crc32c,
): number {
  const { view, bytes } = buffer;
  writeCommon(view, offset, fields.length, fields.sequence, group, fields.type);
  setUint53(view, offset + RECORD.receivedAt, fields.receivedAtMicros);
  view.setUint8(offset + RECORD.codec, fields.codec);
  view.setUint16(offset + RECORD.source, fields.source, true);
  view.setUint32(offset + RECORD.eventCount, fields.eventCount, true);
  view.setUint8(offset + RECORD.defaultType, fields.defaultType);
  view.setUint8(offset + RECORD.flags, fields.hasSender ? FLAG_SENDER : 0);
  return seal(bytes, view, offset, crcSeed, crc32c);
}

/** Ends a group at the next block boundary that leaves room for a filler. @returns that boundary. */
export function writeWalFiller(
  buffer: WalBuffer,
  offset: number,
  sequence: number,
  group: number,
  crcSeed: number,
  crc32c: Crc32c,
): number {
  const { view, bytes } = buffer;
  const end = alignUp(offset + WAL_RECORD_HEADER_BYTES, WAL_BLOCK_BYTES);
  bytes.fill(0, offset, end);
  const length = end - offset - WAL_RECORD_HEADER_BYTES;
  writeCommon(view, offset, length, sequence, group, WAL_RECORD_TYPE.filler);
  return seal(bytes, view, offset, crcSeed, crc32c);
}

function writeCommon(
  view: DataView,
  offset: number,
  length: number,
  sequence: number,
  group: number,
  type: number,
): void {
  view.setUint32(offset + RECORD.length, length, true);
  setUint53(view, offset + RECORD.sequence, sequence);
  view.setUint32(offset + RECORD.group, group, true);
  view.setUint8(offset + RECORD.type, type);
  view.setUint8(offset + RECORD.flags, 0);
  view.setUint16(offset + RECORD.reserved, 0, true);
}

function seal(
  bytes: Uint8Array,
  view: DataView,
  offset: number,
  crcSeed: number,
  crc32c: Crc32c,
): number {
  const covered = WAL_RECORD_HEADER_BYTES - RECORD.sequence + view.getUint32(offset, true);
  const crc = crc32c(bytes, offset + RECORD.sequence, covered, crcSeed);
  view.setUint32(offset + RECORD.crc, crc, true);
  const payloadEnd = offset + RECORD.sequence + covered;
  const end = alignUp(payloadEnd, 8);
  bytes.fill(0, payloadEnd, end);
  return end;
}

/**
 * Whether the header at `offset` could be a record's, of group `groupMin` or later. Cheap, for scanning
 * damaged files; only `isWalRecordIntact` proves it. The header is within the buffer.
 */
export function isWalRecordPlausible(view: DataView, offset: number, groupMin: number): boolean {
  const type = view.getUint8(offset + RECORD.type);
  const known =
    type === WAL_RECORD_TYPE.events ||
    type === WAL_RECORD_TYPE.configuration ||
    type === WAL_RECORD_TYPE.identity ||
    type === WAL_RECORD_TYPE.erasure ||
    type === WAL_RECORD_TYPE.traits ||
    type === WAL_RECORD_TYPE.filler;
  const length = view.getUint32(offset + RECORD.length, true);
  const flags = view.getUint8(offset + RECORD.flags);
  const hasRoom = flags === FLAG_SENDER && length >= WAL_SENDER_BYTES;
  return (
    known &&
    length <= LIMITS.walRecordBytesMax &&
    view.getUint32(offset + RECORD.group, true) >= groupMin &&
    (flags === 0 || (type === WAL_RECORD_TYPE.events && hasRoom)) &&
    view.getUint16(offset + RECORD.reserved, true) === 0
  );
}

/** Whether the CRC of the record at `offset` holds. The whole record is within the buffer. */
export function isWalRecordIntact(
  buffer: WalBuffer,
  offset: number,
  crcSeed: number,
  crc32c: Crc32c,
): boolean {
  const { view, bytes } = buffer;
  const covered =
    WAL_RECORD_HEADER_BYTES - RECORD.sequence + view.getUint32(offset + RECORD.length, true);
  const crc = crc32c(bytes, offset + RECORD.sequence, covered, crcSeed);
  return crc === view.getUint32(offset + RECORD.crc, true);
}

/** The fields of a record that was found intact, read where they lie. */
export const walRecord = {
  length: (view: DataView, offset: number) => view.getUint32(offset + RECORD.length, true),
  sequence: (view: DataView, offset: number) => getUint53(view, offset + RECORD.sequence),
  receivedAtMicros: (view: DataView, offset: number) => getUint53(view, offset + RECORD.receivedAt),
  group: (view: DataView, offset: number) => view.getUint32(offset + RECORD.group, true),
  type: (view: DataView, offset: number) => view.getUint8(offset + RECORD.type),
  codec: (view: DataView, offset: number) => view.getUint8(offset + RECORD.codec),
  source: (view: DataView, offset: number) => view.getUint16(offset + RECORD.source, true),
  eventCount: (view: DataView, offset: number) => view.getUint32(offset + RECORD.eventCount, true),
  defaultType: (view: DataView, offset: number) => view.getUint8(offset + RECORD.defaultType),
  hasSender: (view: DataView, offset: number) =>
    view.getUint8(offset + RECORD.flags) === FLAG_SENDER,
} as const;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

const TWO_TO_32 = 2 ** 32;

function setUint53(view: DataView, offset: number, value: number): void {
  assert(
    Number.isSafeInteger(value) && value >= 0,
    'a u64 field of the WAL is an integer from 0 to 2^53 - 1',
  );
  view.setUint32(offset, value % TWO_TO_32, true);
  view.setUint32(offset + 4, Math.floor(value / TWO_TO_32), true);
}

function getUint53(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * TWO_TO_32;
}
