/**
 * A window that slides forward over one WAL file and keeps whole records in memory while they are
 * checked and used.
 *
 * - Positions are bytes from the start of the file; an index is a position in `buffer`.
 * - Behind the loaded bytes there are always WAL_PAYLOAD_SLACK_BYTES of readable memory.
 * - It reads 4 MiB at a time: a cold file comes in more than twice as fast as by 1 MiB. A record larger
 *   than that is read whole.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { MIB } from '../base/units.ts';
import type { Crc32c } from './crc32c.ts';
import { type FileHandle, readFully } from './file-system.ts';
import {
  isWalRecordIntact,
  isWalRecordPlausible,
  WAL_PAYLOAD_SLACK_BYTES,
  WAL_RECORD_HEADER_BYTES,
  type WalBuffer,
  walBuffer,
  walRecord,
  walRecordBytes,
} from './wal-format.ts';

const READ_BYTES = 4 * MIB;
const CAPACITY_BYTES = walRecordBytes(LIMITS.walRecordBytesMax) + READ_BYTES;

export class WalWindow {
  #buffer: WalBuffer = walBuffer(new Uint8Array(WAL_PAYLOAD_SLACK_BYTES));
  readonly #crc32c: Crc32c;
  #handle: FileHandle | undefined;
  #crcSeed = 0;
  #fileBytes = 0;
  /** Position of buffer[0]. */
  #start = 0;
  /** Position behind the last loaded byte. */
  #end = 0;

  constructor(crc32c: Crc32c) {
    this.#crc32c = crc32c;
  }

  /** What is loaded. Another one after `attach`. */
  get buffer(): WalBuffer {
    return this.#buffer;
  }

  /** Slides over another file from now on. The handle stays the caller's. */
  attach(handle: FileHandle, fileBytes: number, crcSeed: number): void {
    const bytes = Math.min(fileBytes, CAPACITY_BYTES) + WAL_PAYLOAD_SLACK_BYTES;
    if (bytes > this.#buffer.bytes.length) this.#buffer = walBuffer(new Uint8Array(bytes));
    this.#handle = handle;
    this.#fileBytes = fileBytes;
    this.#crcSeed = crcSeed;
    this.#start = 0;
    this.#end = 0;
  }

  /**
   * Visits intact records from `position` on, until one is not intact, the file ends or `visit` says
   * false. `visit` gets the index of the record in `buffer`, good until it returns or what it returns
   * settles.
   * @returns the position of the first record that was not accepted; the file's end when all were.
   */
  async walk(
    position: number,
    visit: (index: number, position: number) => boolean | Promise<boolean>,
  ): Promise<number> {
    while (await this.#holdsRecord(position, 0)) {
      // Everything loaded is walked without another await, unless the visitor wants one.
      do {
        const index = position - this.#start;
        if (!isWalRecordIntact(this.#buffer, index, this.#crcSeed, this.#crc32c)) return position;
        const verdict = visit(index, position);
        if (!(typeof verdict === 'boolean' ? verdict : await verdict)) return position;
        position += walRecordBytes(walRecord.length(this.#buffer.view, index));
      } while (this.#isRecordLoaded(position));
    }
    return position;
  }

  /**
   * The position of the first intact record at or behind `position` that belongs to group `groupMin` or
   * a later one, wherever it is aligned to 8 bytes; undefined when there is none.
   */
  async find(position: number, groupMin: number): Promise<number | undefined> {
    for (let at = position; at + WAL_RECORD_HEADER_BYTES <= this.#fileBytes; at += 8) {
      if (at + WAL_RECORD_HEADER_BYTES > this.#end) await this.#load(at, WAL_RECORD_HEADER_BYTES);
      if (!isWalRecordPlausible(this.#buffer.view, at - this.#start, groupMin)) continue;
      if (!(await this.#holdsRecord(at, groupMin))) continue;
      const index = at - this.#start;
      if (isWalRecordIntact(this.#buffer, index, this.#crcSeed, this.#crc32c)) return at;
    }
    return undefined;
  }

  /** Loads what looks like a record at `position`. @returns false when nothing there does. */
  async #holdsRecord(position: number, groupMin: number): Promise<boolean> {
    if (!(await this.#load(position, WAL_RECORD_HEADER_BYTES))) return false;
    const { view } = this.#buffer;
    if (!isWalRecordPlausible(view, position - this.#start, groupMin)) return false;
    return this.#load(position, walRecordBytes(walRecord.length(view, position - this.#start)));
  }

  #isRecordLoaded(position: number): boolean {
    if (position + WAL_RECORD_HEADER_BYTES > this.#end) return false;
    const { view } = this.#buffer;
    const index = position - this.#start;
    if (!isWalRecordPlausible(view, index, 0)) return false;
    return position + walRecordBytes(walRecord.length(view, index)) <= this.#end;
  }

  /** Makes [position, position + bytes) readable. @returns false when the file ends before. */
  async #load(position: number, bytes: number): Promise<boolean> {
    if (position + bytes > this.#fileBytes) return false;
    if (position >= this.#start && position + bytes <= this.#end) return true;
    const { bytes: target } = this.#buffer;
    const capacity = target.length - WAL_PAYLOAD_SLACK_BYTES;
    assert(bytes <= capacity, 'a WAL record fits the window');
    const kept = position >= this.#start ? Math.max(0, this.#end - position) : 0;
    target.copyWithin(0, position - this.#start, position - this.#start + kept);
    const wanted = Math.min(
      Math.max(bytes, READ_BYTES) - kept,
      capacity - kept,
      this.#fileBytes - position - kept,
    );
    const read = await readFully(this.#handle!, target, kept, wanted, position + kept);
    this.#start = position;
    this.#end = position + kept + read;
    return position + bytes <= this.#end;
  }
}
