/**
 * A group in the making: records framed one behind another in a staging buffer, which is written as it
 * lies. A log has two, so that one gathers while the other is on its way to the disk.
 *
 * The buffer starts as a group does, at a block boundary, and has room for a filler behind whatever
 * {@link WalGroup.hasRoom} grants.
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

export class WalGroup<Context> {
  readonly #buffer: WalBuffer;
  readonly #crc32c: Crc32c;
  #file: WalFile;
  #ordinal = 0;
  #used = 0;
  #contexts: Context[] = [];
  #firstSequence = 0;
  #nextSequence = 0;

  /** @param bytes of its records, framing included. */
  constructor(fileSystem: FileSystem, bytes: number, file: WalFile, crc32c: Crc32c) {
    const capacity = alignUp(bytes + WAL_FILLER_BYTES_MAX, WAL_BLOCK_BYTES);
    this.#buffer = walBuffer(fileSystem.allocate(capacity));
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
    this.#file = file;
    this.#ordinal = ordinal;
    this.#firstSequence = firstSequence;
    this.#nextSequence = firstSequence;
    this.#used = 0;
    this.#contexts = [];
  }

  /** Whether `recordBytes` of whole records fit behind what there is. */
  hasRoom(recordBytes: number): boolean {
    return this.#used + recordBytes + WAL_FILLER_BYTES_MAX <= this.#buffer.bytes.length;
  }

  /** Frames a copy of `payload`. */
  append(fields: WalRecordFields, payload: Uint8Array, context: Context): void {
    assert(fields.length === payload.length, 'a record says how long its payload is');
    assert(this.hasRoom(walRecordBytes(fields.length)), 'a record has the room it was promised');
    assert(fields.sequence === this.#nextSequence, 'records are committed in sequence order');
    const { crcSeed } = this.#file;
    const offset = this.#used;
    this.#buffer.bytes.set(payload, offset + WAL_RECORD_HEADER_BYTES);
    this.#used = writeWalRecord(this.#buffer, offset, fields, this.#ordinal, crcSeed, this.#crc32c);
    this.#nextSequence += fields.eventCount;
    this.#contexts.push(context);
  }

  /** Ends the group with its filler. @returns the bytes to write, a whole number of blocks. */
  close(): Uint8Array {
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
