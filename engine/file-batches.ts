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

export interface FileBatch {
  /** Nobody else's. */
  readonly bytes: Uint8Array;
  readonly rows: number;
}

/** A batch of `rows` rows, whose texts are joined by commas, with its header. */
export function frameOf(rowTexts: Uint8Array, rows: number): Buffer {
  const bytes = HEAD.length + rowTexts.length + TAIL.length;
  const frame = Buffer.allocUnsafe(HEADER_BYTES + bytes);
  let at = frame.writeUInt32LE(bytes);
  at = frame.writeUInt32LE(rows, at);
  at += frame.write(HEAD, at, 'latin1');
  frame.set(rowTexts, at);
  frame.write(TAIL, at + rowTexts.length, 'latin1');
  return frame;
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
        frame = Buffer.allocUnsafe(checkedBytes(header, format, row));
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
  const isTooLarge = bytes > FILE_BATCH_BYTES_MAX + HEAD.length + TAIL.length;
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
