/**
 * How the process that reads a file hands over batches of events, as the engine takes them, to the one that
 * asked it to (file-rows.ts): a batch lies in one of a few slots of a memory file, and a header of two numbers
 * of 32 bits, little-endian, tells of its bytes and rows. A byte the other way gives the oldest slot back.
 *
 * Why so: through a socket a batch comes in dozens of pieces, each in memory of its own, and collecting that
 * cost more than the copies.
 *
 * A process that a file has got the better of may write anything: a batch beyond the limits is an error
 * of the file, and what is in a batch is the decoder's to judge. It is read from the slot once.
 */
import { BufferRing } from '../base/buffer-ring.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { MIB } from '../base/units.ts';
import { BATCH_HEAD, BATCH_TAIL } from './joined-rows.ts';

/** Text of the rows of one batch, and the most one row may have. */
export const FILE_BATCH_BYTES_MAX = MIB;
const HEADER_BYTES = 8;
/** What one batch has at most. */
export const SLOT_BYTES = BATCH_HEAD.length + FILE_BATCH_BYTES_MAX + BATCH_TAIL.length;
/** One is filled while the other is read. */
const SLOTS = 2;
/** Of the memory file. */
export const BATCH_SLOTS_BYTES = SLOTS * SLOT_BYTES;

/** Which import a file is of. */
export interface FileImport {
  /** Letters, digits, dots, dashes and underscores: part of the message ids. */
  readonly importId: string;
  /** The number of the file's first row. */
  readonly firstRow: number;
}

export interface FileBatch {
  /** Valid until `LIMITS.importBatchesUnderWay` more are asked for. */
  readonly bytes: Uint8Array;
  readonly rows: number;
}

/**
 * Puts what stands around rows around their text, which `copyText` writes. @returns the batch, a part of `target`, which
 * has room for it.
 */
export function batchOfText(
  target: Buffer,
  textBytes: number,
  copyText: (target: Uint8Array) => void,
): Buffer {
  const end = BATCH_HEAD.copy(target) + textBytes;
  copyText(target.subarray(BATCH_HEAD.length, end));
  return target.subarray(0, end + BATCH_TAIL.copy(target, end));
}

/** @param row its number. */
export function rowTooLarge(row: number): TributaryError {
  return new TributaryError('TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE', {
    row,
    limitBytes: FILE_BATCH_BYTES_MAX,
  });
}

/** The writer's ends. */
export interface BatchOutlet {
  /** Writes to the memory file. */
  write(position: number, bytes: Uint8Array): void;
  tell(header: Uint8Array): void;
  /** Returns when a slot was given back. */
  awaitSlot(): void;
}

export class BatchWriter {
  readonly #outlet: BatchOutlet;
  readonly #batch = Buffer.allocUnsafe(SLOT_BYTES);
  readonly #header = Buffer.allocUnsafe(HEADER_BYTES);
  #batches = 0;

  constructor(outlet: BatchOutlet) {
    this.#outlet = outlet;
  }

  /**
   * Hands over `rows` rows whose texts, joined by commas, are `textBytes` long. Of a row that is too long the
   * reader hears only that.
   * @param copyText writes them.
   */
  write(rows: number, textBytes: number, copyText: (target: Uint8Array) => void): void {
    if (this.#batches >= SLOTS) this.#outlet.awaitSlot();
    const bytes = BATCH_HEAD.length + textBytes + BATCH_TAIL.length;
    if (bytes <= SLOT_BYTES) {
      const position = (this.#batches % SLOTS) * SLOT_BYTES;
      this.#outlet.write(position, batchOfText(this.#batch, textBytes, copyText));
    }
    this.#header.writeUInt32LE(bytes, 0);
    this.#header.writeUInt32LE(rows, 4);
    this.#outlet.tell(this.#header);
    this.#batches += 1;
  }
}

/** The reader's ends. */
export interface BatchInlet {
  /** The headers, cut anywhere. */
  readonly headers: AsyncIterable<Uint8Array>;
  /** Reads from the memory file. @returns whether it had as many bytes. */
  read(position: number, target: Uint8Array): boolean;
  /** Gives the oldest slot back. */
  release(): void;
}

/**
 * The batches that headers tell of. A header that is cut off at the end is left out: the process did not end
 * well, and its exit code says why.
 * @throws TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE, TRIBUTARY_INGEST_IMPORT_FILE_MALFORMED
 */
export async function* batchesFrom(
  { headers, read, release }: BatchInlet,
  format: string,
  firstRow: number,
): AsyncGenerator<FileBatch> {
  const buffers = new BufferRing(LIMITS.importBatchesUnderWay, SLOT_BYTES);
  let batches = 0;
  let row = firstRow;
  for await (const header of wholeHeaders(headers)) {
    const bytes = buffers.spare.subarray(0, checkedBytes(header, format, row));
    if (!read((batches % SLOTS) * SLOT_BYTES, bytes)) throw outsideLimits(format);
    release();
    buffers.keep();
    batches += 1;
    const rows = header.readUInt32LE(4);
    yield { bytes, rows };
    row += rows;
  }
}

async function* wholeHeaders(pieces: AsyncIterable<Uint8Array>): AsyncGenerator<Buffer> {
  const header = Buffer.alloc(HEADER_BYTES);
  let filled = 0;
  for await (const piece of pieces) {
    for (const byte of piece) {
      header[filled++] = byte;
      if (filled < HEADER_BYTES) continue;
      yield header;
      filled = 0;
    }
  }
}

function checkedBytes(header: Buffer, format: string, row: number): number {
  const bytes = header.readUInt32LE(0);
  const rows = header.readUInt32LE(4);
  const isTooLarge = bytes > SLOT_BYTES;
  if (isTooLarge && rows === 1) throw rowTooLarge(row);
  if (isTooLarge || rows === 0 || rows > LIMITS.batchEventsMax) throw outsideLimits(format);
  return bytes;
}

function outsideLimits(format: string): TributaryError {
  const reason = 'its reader wrote a batch beyond the limits';
  return new TributaryError('TRIBUTARY_INGEST_IMPORT_FILE_MALFORMED', { format, reason });
}
