/**
 * A group in the making: records framed one behind another in a staging buffer, which is written as it
 * lies. A log has two, so that one gathers while the other is on its way to the disk.
 *
 * - The buffer starts as a group does, at a block boundary, and has room for a filler and the payload
 *   slack behind whatever `reserve` grants.
 * - At most one reservation is open. It is closed in the same turn of the event loop.
 */
import { assert } from '../base/assert.ts';
import { alignUp } from '../base/units.ts';
import type { Crc32c } from './crc32c.ts';
import type { FileSystem } from './file-system.ts';
import type { WalFile } from './wal-file.ts';
import {
  WAL_BLOCK_BYTES,
  WAL_FILLER_BYTES_MAX,
  WAL_RECORD_HEADER_BYTES,
  type WalBuffer,
  type WalRecordFields,
  walBuffer,
  walRecordBytes,
  writeWalFiller,
  writeWalRecord,
} from './wal-format.ts';

/** Where a payload is to be put. One object is reused for all reservations of a group. */
export interface WalReservation {
  /** The staging buffer: readable and writable, 64 bytes and more beyond the payload. */
  readonly buffer: Uint8Array;
  readonly payloadOffset: number;
}

export class WalGroup<Context> {
  readonly #buffer: WalBuffer;
  readonly #crc32c: Crc32c;
  readonly #reservation: { readonly buffer: Uint8Array; payloadOffset: number };
  #file: WalFile;
  #ordinal = 0;
  #used = 0;
  #reservedBytes = -1;
  #contexts: Context[] = [];
  #firstSequence = 0;
  #nextSequence = 0;

  /** @param bytes of its records, framing included. */
  constructor(fileSystem: FileSystem, bytes: number, file: WalFile, crc32c: Crc32c) {
    const capacity = alignUp(bytes + WAL_FILLER_BYTES_MAX, WAL_BLOCK_BYTES);
    this.#buffer = walBuffer(fileSystem.allocate(capacity));
    this.#reservation = { buffer: this.#buffer.bytes, payloadOffset: 0 };
    this.#file = file;
    this.#crc32c = crc32c;
  }

  get file(): WalFile {
    return this.#file;
  }

  get ordinal(): number {
    return this.#ordinal;
  }

  get firstSequence(): number {
    return this.#firstSequence;
  }

  /** The sequence that follows its last event. */
  get nextSequence(): number {
    return this.#nextSequence;
  }

  get records(): number {
    return this.#contexts.length;
  }

  get stagedBytes(): number {
    return this.#used;
  }

  /** Empties the group and makes it the `ordinal`-th of `file`. */
  begin(file: WalFile, ordinal: number, firstSequence: number): void {
    assert(this.#reservedBytes < 0, 'a reservation is closed in the turn it was made');
    this.#file = file;
    this.#ordinal = ordinal;
    this.#firstSequence = firstSequence;
    this.#nextSequence = firstSequence;
    this.#used = 0;
    this.#contexts = [];
  }

  /** @returns undefined when the staging buffer is full. */
  reserve(payloadBytes: number): WalReservation | undefined {
    assert(this.#reservedBytes < 0, 'one reservation at a time');
    const end = this.#used + walRecordBytes(payloadBytes) + WAL_FILLER_BYTES_MAX;
    if (end > this.#buffer.bytes.length) return undefined;
    this.#reservedBytes = payloadBytes;
    this.#reservation.payloadOffset = this.#used + WAL_RECORD_HEADER_BYTES;
    return this.#reservation;
  }

  abandon(): void {
    assert(this.#reservedBytes >= 0, 'there is a reservation to abandon');
    this.#reservedBytes = -1;
  }

  commit(fields: WalRecordFields, context: Context): void {
    assert(fields.length <= this.#reservedBytes, 'a record fits its reservation');
    assert(fields.sequence === this.#nextSequence, 'records are committed in sequence order');
    const { crcSeed } = this.#file;
    const offset = this.#used;
    this.#used = writeWalRecord(this.#buffer, offset, fields, this.#ordinal, crcSeed, this.#crc32c);
    this.#reservedBytes = -1;
    this.#nextSequence += fields.eventCount;
    this.#contexts.push(context);
  }

  /** Ends the group with its filler. @returns the bytes to write, a whole number of blocks. */
  close(): Uint8Array {
    assert(this.#reservedBytes < 0, 'a reservation is closed in the turn it was made');
    this.#used = writeWalFiller(
      this.#buffer,
      this.#used,
      this.#nextSequence,
      this.#ordinal,
      this.#file.crcSeed,
      this.#crc32c,
    );
    return this.#buffer.bytes.subarray(0, this.#used);
  }

  /** The contexts of its records, in log order; they are the caller's from now on. */
  takeContexts(): readonly Context[] {
    const contexts = this.#contexts;
    this.#contexts = [];
    return contexts;
  }
}
