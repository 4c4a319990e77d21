/**
 * Reads a long run of a file in pieces, in order, with the next ones on their way while one is used: whoever uses
 * them does not wait for the disk, and copying out of the page cache is work for other processors.
 *
 * - A piece has PIECE_BYTES, the last one fewer. It is overwritten once `use` returned.
 * - Nothing reads the file any more when the promise settles, so its handle may be closed.
 */
import { MIB } from '../base/units.ts';
import { type FileHandle, readFully } from './file-system.ts';

const PIECE_BYTES = 4 * MIB;
/** The pool that reads has 4 threads by default, of which others want one. */
const PIECES_AT_ONCE = 3;

/** The memory that pieces lie in, made as it is needed, for one run after another. */
export class PieceReader {
  readonly #pieces: Uint8Array[] = [];

  /**
   * Hands [position, position + bytes) of the file to `use`, with the offset of each piece in the run.
   * @returns bytes handed over, fewer only where the file ends. @throws the file system's error, and what `use` throws.
   */
  async read(
    handle: FileHandle,
    position: number,
    bytes: number,
    use: (offset: number, piece: Uint8Array) => void,
  ): Promise<number> {
    const reads: Promise<number>[] = [];
    const begin = (offset: number): void => {
      if (offset >= bytes) return;
      const length = Math.min(PIECE_BYTES, bytes - offset);
      const read = readFully(handle, this.#pieceAt(offset), 0, length, position + offset);
      // It is waited for below, which may be after it has failed.
      read.catch(() => {});
      reads.push(read);
    };
    for (let piece = 0; piece < PIECES_AT_ONCE; piece += 1) begin(piece * PIECE_BYTES);
    try {
      let offset = 0;
      for (let read = reads.shift(); read !== undefined; read = reads.shift()) {
        const length = await read;
        use(offset, this.#pieceAt(offset).subarray(0, length));
        begin(offset + PIECES_AT_ONCE * PIECE_BYTES);
        offset += length;
        if (length < PIECE_BYTES) break;
      }
      return offset;
    } finally {
      await Promise.allSettled(reads);
    }
  }

  #pieceAt(offset: number): Uint8Array {
    const index = (offset / PIECE_BYTES) % PIECES_AT_ONCE;
    this.#pieces[index] ??= new Uint8Array(PIECE_BYTES);
    return this.#pieces[index];
  }
}
