/**
 * A window that slides forward over one WAL file and keeps whole records in memory while they are
 * checked and used.
 *
 * The file comes in pieces of 4 MiB, each into one of two buffers in turn. Once it is read one behind another,
 * the next piece is on its way while the records of this one are used: whoever folds them does not wait for the
 * disk. Reads go past the page cache where the file was opened so, as it was written: 430 bytes an event, copied
 * and kept by the kernel for nobody, are 0.4 µs of a processor.
 *
 * - Positions are bytes from the start of the file; an index is a position in `buffer`.
 * - A buffer is a head and a piece. What of a record lies in the piece before is copied to the end of the head,
 *   which grows for a record that needs more.
 * - Behind the loaded bytes there are always WAL_PAYLOAD_SLACK_BYTES of readable memory.
 * - Nothing reads into a buffer once `settle` is over. Close the handle after that.
 */
import { assert } from '../base/assert.ts';
import { alignUp, KIB, MIB } from '../base/units.ts';
import type { Crc32c } from './crc32c.ts';
import type { FileHandle, FileSystem } from './file-system.ts';
import {
  isWalRecordIntact,
  isWalRecordPlausible,
  WAL_BLOCK_BYTES,
  WAL_PAYLOAD_SLACK_BYTES,
  WAL_RECORD_HEADER_BYTES,
  type WalBuffer,
  walBuffer,
  walRecord,
  walRecordBytes,
} from './wal-format.ts';

const PIECE_BYTES = 4 * MIB;
/** Room for what is left of a piece: a batch of usual size. */
const HEAD_BYTES = 256 * KIB;

/** A piece of the file, and room for what lies before it. */
interface Piece {
  readonly buffer: WalBuffer;
  /** Where the piece begins in the buffer, a multiple of WAL_BLOCK_BYTES. */
  readonly head: number;
}

/** A piece on its way. */
interface Reading extends Piece {
  /** Of its first byte. */
  readonly position: number;
  /** Resolves to its length; it is handled even if nobody waits for it. */
  readonly length: Promise<number>;
}

const NO_PIECE: Piece = { buffer: walBuffer(new Uint8Array(WAL_PAYLOAD_SLACK_BYTES)), head: 0 };

export class WalWindow {
  readonly #memory: Pick<FileSystem, 'allocate'>;
  readonly #crc32c: Crc32c;
  #handle: FileHandle | undefined;
  #crcSeed = 0;
  #fileBytes = 0;
  #piece = NO_PIECE;
  #spare = NO_PIECE;
  /** The piece behind the loaded bytes, once they were read one behind another. */
  #ahead: Reading | undefined;
  /** Position of buffer[0]; below 0 where the head reaches beyond the start of the file. */
  #start = 0;
  /** Positions of the first loaded byte and behind the last one. */
  #first = 0;
  #end = 0;

  /** @param memory makes what the files can be read into: their file system. */
  constructor(memory: Pick<FileSystem, 'allocate'>, crc32c: Crc32c) {
    this.#memory = memory;
    this.#crc32c = crc32c;
  }

  /** What is loaded. Another one after `attach`, and for each piece. */
  get buffer(): WalBuffer {
    return this.#piece.buffer;
  }

  /** Slides over another file from now on; what was read of the one before is settled. */
  attach(handle: FileHandle, fileBytes: number, crcSeed: number): void {
    assert(this.#ahead === undefined, 'nothing is on its way from the file before');
    this.#handle = handle;
    this.#fileBytes = fileBytes;
    this.#crcSeed = crcSeed;
    this.#start = 0;
    this.#first = 0;
    this.#end = 0;
  }

  /** Settles when nothing is on its way any more; it never rejects. */
  async settle(): Promise<void> {
    const ahead = this.#ahead;
    this.#ahead = undefined;
    if (ahead === undefined) return;
    this.#spare = ahead;
    await ahead.length.catch(() => 0);
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
        if (!isWalRecordIntact(this.buffer, index, this.#crcSeed, this.#crc32c)) return position;
        const verdict = visit(index, position);
        if (!(typeof verdict === 'boolean' ? verdict : await verdict)) return position;
        position += walRecordBytes(walRecord.length(this.buffer.view, index));
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
      if (at < this.#first || at + WAL_RECORD_HEADER_BYTES > this.#end) {
        await this.#load(at, WAL_RECORD_HEADER_BYTES);
      }
      if (!isWalRecordPlausible(this.buffer.view, at - this.#start, groupMin)) continue;
      if (!(await this.#holdsRecord(at, groupMin))) continue;
      const index = at - this.#start;
      if (isWalRecordIntact(this.buffer, index, this.#crcSeed, this.#crc32c)) return at;
    }
    return undefined;
  }

  /** Loads what looks like a record at `position`. @returns false when nothing there does. */
  async #holdsRecord(position: number, groupMin: number): Promise<boolean> {
    if (!(await this.#load(position, WAL_RECORD_HEADER_BYTES))) return false;
    const { view } = this.buffer;
    if (!isWalRecordPlausible(view, position - this.#start, groupMin)) return false;
    return this.#load(position, walRecordBytes(walRecord.length(view, position - this.#start)));
  }

  #isRecordLoaded(position: number): boolean {
    if (position + WAL_RECORD_HEADER_BYTES > this.#end) return false;
    const { view } = this.buffer;
    const index = position - this.#start;
    if (!isWalRecordPlausible(view, index, 0)) return false;
    return position + walRecordBytes(walRecord.length(view, index)) <= this.#end;
  }

  /** Makes [position, position + bytes) readable. @returns false when the file ends before. */
  async #load(position: number, bytes: number): Promise<boolean> {
    if (position + bytes > this.#fileBytes) return false;
    while (position < this.#first || position + bytes > this.#end) {
      if (!(await this.#slide(position))) return false;
    }
    return true;
  }

  /** Loads the next piece, and keeps what is loaded from `position` on. @returns false when there is nothing. */
  async #slide(position: number): Promise<boolean> {
    const isLoaded = position >= this.#first && position < this.#end;
    const isBehind = position === this.#end && this.#end > 0;
    const from = isLoaded ? this.#end : position - (position % WAL_BLOCK_BYTES);
    const kept = isLoaded ? this.#end - position : 0;
    if (this.#ahead?.position !== from || this.#ahead.head < kept) {
      await this.settle();
      this.#ahead = this.#read(from, kept);
    }
    const ahead = this.#ahead;
    const length = await ahead.length.finally(() => {
      this.#ahead = undefined;
    });
    const tail = position - this.#start;
    ahead.buffer.bytes.set(this.#piece.buffer.bytes.subarray(tail, tail + kept), ahead.head - kept);
    this.#spare = this.#piece;
    this.#piece = ahead;
    this.#start = from - ahead.head;
    this.#first = from - kept;
    this.#end = from + length;
    if ((isLoaded || isBehind) && length > 0 && this.#end < this.#fileBytes) {
      this.#ahead = this.#read(this.#end, ahead.head);
    }
    return length > 0;
  }

  /** Begins to read the piece from `position`, with room for `kept` bytes before it, into the spare buffer. */
  #read(position: number, kept: number): Reading {
    const wanted = Math.min(PIECE_BYTES, this.#fileBytes - position);
    const piece = this.#spareFor(kept, wanted);
    const length = this.#readPiece(piece, position, wanted);
    length.catch(() => {});
    return { ...piece, position, length };
  }

  #spareFor(kept: number, wanted: number): Piece {
    const room = WAL_BLOCK_BYTES + WAL_PAYLOAD_SLACK_BYTES;
    const { buffer, head } = this.#spare;
    if (kept <= head && head + wanted + room <= buffer.bytes.length) return this.#spare;
    const grown = alignUp(Math.max(kept, HEAD_BYTES), WAL_BLOCK_BYTES);
    return { buffer: walBuffer(this.#memory.allocate(grown + wanted + room)), head: grown };
  }

  /** Whole blocks, as direct reads want them. @returns bytes read, at most `wanted`. */
  async #readPiece({ buffer, head }: Piece, position: number, wanted: number): Promise<number> {
    const handle = this.#handle!;
    let done = 0;
    while (done < wanted) {
      const length = alignUp(wanted - done, WAL_BLOCK_BYTES);
      const read = await handle.read(buffer.bytes, head + done, length, position + done);
      if (read === 0) break;
      done += read;
    }
    return Math.min(done, wanted);
  }
}
