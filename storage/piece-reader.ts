/**
 * Reads a long run of a file in pieces, in order, with the next ones on their way while one is used: whoever uses
 * them does not wait for the disk, and copying out of the page cache is work for other processors.
 *
 * - A handle that reads past the page cache reads whole blocks (file-system.ts); whoever uses a piece does not see it.
 * - A piece has up to PIECE_BYTES. It is overwritten once `use` returned.
 * - Nothing reads the file any more when the promise settles, so its handle may be closed.
 */
import { MIB } from '../base/units.ts';
import { DIRECT_BLOCK_BYTES, type FileHandle, type FileSystem } from './file-system.ts';

const PIECE_BYTES = 4 * MIB;
/** The pool that reads has 4 threads by default, of which others want one. */
const PIECES_AT_ONCE = 3;

/** The memory that pieces lie in, made as it is needed, for one run after another. */
export class PieceReader {
  readonly #fileSystem: Pick<FileSystem, 'allocate'>;
  readonly #pieces: Uint8Array[] = [];

  constructor(fileSystem: Pick<FileSystem, 'allocate'>) {
    this.#fileSystem = fileSystem;
  }

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
    // The blocks that hold the run begin somewhat before it.
    const lead = position % DIRECT_BLOCK_BYTES;
    const end = bytes === 0 ? 0 : lead + bytes;
    const reads: Promise<number>[] = [];
    const begin = (offset: number): void => {
      if (offset >= end) return;
      const length = Math.min(PIECE_BYTES, end - offset);
      const read = readBlocks(handle, this.#pieceAt(offset), length, position - lead + offset);
      // It is waited for below, which may be after it has failed.
      read.catch(() => {});
      reads.push(read);
    };
    for (let piece = 0; piece < PIECES_AT_ONCE; piece += 1) begin(piece * PIECE_BYTES);
    try {
      let [offset, handed] = [0, 0];
      for (let read = reads.shift(); read !== undefined; read = reads.shift()) {
        const length = await read;
        const piece = this.#pieceAt(offset).subarray(offset === 0 ? lead : 0, length);
        if (piece.length > 0) use(handed, piece);
        handed += piece.length;
        begin(offset + PIECES_AT_ONCE * PIECE_BYTES);
        offset += length;
        if (length < PIECE_BYTES) break;
      }
      return handed;
    } finally {
      await Promise.allSettled(reads);
    }
  }

  #pieceAt(offset: number): Uint8Array {
    const index = (offset / PIECE_BYTES) % PIECES_AT_ONCE;
    this.#pieces[index] ??= this.#fileSystem.allocate(PIECE_BYTES);
    return this.#pieces[index];
  }
}

/** Reads `length` bytes and what is left of their last block. @returns of `length`, fewer only where the file ends. */
async function readBlocks(
  handle: FileHandle,
  target: Uint8Array,
  length: number,
  position: number,
): Promise<number> {
  const blocks = Math.ceil(length / DIRECT_BLOCK_BYTES) * DIRECT_BLOCK_BYTES;
  let reached = 0;
  for (;;) {
    // After a short read the block it ended in is read again.
    const start = reached - (reached % DIRECT_BLOCK_BYTES);
    const end = start + (await handle.read(target, start, blocks - start, position + start));
    if (end >= length || end <= reached) return Math.min(Math.max(end, reached), length);
    reached = end;
  }
}
