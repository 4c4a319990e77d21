/**
 * What the process that reads a file tells the one that asked it to (file-rows.ts): batches of events as the
 * engine takes them, each behind its bytes and its rows, two numbers of 32 bits, little-endian.
 *
 * A process that a file has got the better of may write anything: a batch beyond the limits is an error
 * of the file, and what is in a batch is the decoder's to judge.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { MIB } from '../base/units.ts';

/** Text of the rows of one batch, and the most one row may have. */
export const FILE_BATCH_BYTES_MAX = MIB;
const HEADER_BYTES = 8;
const HEAD = '{"batch":[';
const TAIL = ']}';
const BATCH_BYTES_MAX = HEAD.length + FILE_BATCH_BYTES_MAX + TAIL.length;

export interface FileBatch {
  /** Valid until the next batch is asked for. */
  readonly bytes: Uint8Array;
  readonly rows: number;
}

/** Batches with their headers, one at a time in one buffer. */
export class FrameWriter {
  #bytes = Buffer.allocUnsafe(HEADER_BYTES + BATCH_BYTES_MAX);

  /**
   * A batch of `rows` rows whose texts, joined by commas, are `textBytes` long.
   * @param copyText writes them.
   * @returns the frame, valid until the next one.
   */
  frame(rows: number, textBytes: number, copyText: (target: Uint8Array) => void): Uint8Array {
    const bytes = HEAD.length + textBytes + TAIL.length;
    const end = HEADER_BYTES + bytes;
    if (end > this.#bytes.length) this.#bytes = Buffer.allocUnsafe(end);
    let at = this.#bytes.writeUInt32LE(bytes);
    at = this.#bytes.writeUInt32LE(rows, at);
    at += this.#bytes.write(HEAD, at, 'latin1');
    copyText(this.#bytes.subarray(at, at + textBytes));
    this.#bytes.write(TAIL, at + textBytes, 'latin1');
    return this.#bytes.subarray(0, end);
  }
}

/**
 * The batches in a stream of frames that is cut anywhere. A frame that is cut off at the end is left out:
 * the process did not end well, and its exit code says why.
 * @throws TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE, TRIBUTARY_INGEST_IMPORT_FILE_MALFORMED
 */
export async function* batchesInFrames(
  pieces: AsyncIterable<Uint8Array>,
  format: string,
  firstRow: number,
): AsyncGenerator<FileBatch> {
  const header = Buffer.alloc(HEADER_BYTES);
  let headerBytes = 0;
  const memory = Buffer.allocUnsafe(BATCH_BYTES_MAX);
  let frame: Buffer | undefined;
  let filled = 0;
  let row = firstRow;
  for await (const piece of pieces) {
    for (let at = 0; at < piece.length; ) {
      if (frame === undefined) {
        const taken = piece.subarray(at, at + HEADER_BYTES - headerBytes);
        header.set(taken, headerBytes);
        headerBytes += taken.length;
        at += taken.length;
        if (headerBytes < HEADER_BYTES) break;
        frame = memory.subarray(0, checkedBytes(header, format, row));
        filled = 0;
      }
      const taken = piece.subarray(at, at + frame.length - filled);
      frame.set(taken, filled);
      filled += taken.length;
      at += taken.length;
      if (filled < frame.length) break;
      const rows = header.readUInt32LE(4);
      yield { bytes: frame, rows };
      row += rows;
      frame = undefined;
      headerBytes = 0;
    }
  }
}

function checkedBytes(header: Buffer, format: string, row: number): number {
  const bytes = header.readUInt32LE(0);
  const rows = header.readUInt32LE(4);
  const isTooLarge = bytes > BATCH_BYTES_MAX;
  if (isTooLarge && rows === 1) {
    throw new TributaryError('TRIBUTARY_INGEST_IMPORT_ROW_TOO_LARGE', {
      row,
      limitBytes: FILE_BATCH_BYTES_MAX,
    });
  }
  if (isTooLarge || rows === 0 || rows > LIMITS.batchEventsMax) {
    const reason = 'its reader wrote a batch beyond the limits';
    throw new TributaryError('TRIBUTARY_INGEST_IMPORT_FILE_MALFORMED', { format, reason });
  }
  return bytes;
}
