/**
 * Writes a file from its beginning to its end, past the page cache: what is large and read once is not worth what it
 * would displace there, nor the copy.
 *
 * - Of two buffers one is filled while the other is on its way to the disk.
 * - Direct writes have whole blocks (file-system.ts): what the last one has too much is cut off.
 *
 * Failure: a write that failed is told by the next call. Whoever gives up closes this before the handle.
 */
import { MIB } from '../base/units.ts';
import { DIRECT_BLOCK_BYTES, type FileHandle, type FileSystem, writeFully } from './file-system.ts';

const BUFFER_BYTES = 4 * MIB;

export class StreamWriter {
  readonly #handle: FileHandle;
  #filling: Uint8Array;
  #written: Uint8Array;
  #filled = 0;
  /** Of the buffer that is being filled, in the file. */
  #position = 0;
  #writing: Promise<void> = Promise.resolve();

  /** @param handle of a new file, opened for direct writes. It stays the caller's. */
  constructor(fileSystem: Pick<FileSystem, 'allocate'>, handle: FileHandle) {
    this.#handle = handle;
    this.#filling = fileSystem.allocate(BUFFER_BYTES);
    this.#written = fileSystem.allocate(BUFFER_BYTES);
  }

  /**
   * Appends `bytes` bytes, for which `fill` is handed places one behind another, each with its offset from the first.
   * @throws the file system's error.
   */
  async append(bytes: number, fill: (offset: number, target: Uint8Array) => void): Promise<void> {
    for (let offset = 0; offset < bytes; ) {
      const length = Math.min(bytes - offset, BUFFER_BYTES - this.#filled);
      fill(offset, this.#filling.subarray(this.#filled, this.#filled + length));
      offset += length;
      this.#filled += length;
      if (this.#filled === BUFFER_BYTES) await this.#write(BUFFER_BYTES);
    }
  }

  /** Writes the rest and makes the file durable. @returns its size, bytes. @throws the file system's error. */
  async finish(): Promise<number> {
    const bytes = this.#position + this.#filled;
    const blocks = Math.ceil(this.#filled / DIRECT_BLOCK_BYTES) * DIRECT_BLOCK_BYTES;
    this.#filling.fill(0, this.#filled, blocks);
    await this.#write(blocks);
    await this.#writing;
    await this.#handle.truncate(bytes);
    await this.#handle.sync();
    return bytes;
  }

  /** Settles when nothing is on its way any more, however it ended. */
  async close(): Promise<void> {
    await this.#writing.catch(() => {});
  }

  /** Begins to write what is filled, once the buffer before it is written. */
  async #write(bytes: number): Promise<void> {
    await this.#writing;
    const full = this.#filling.subarray(0, bytes);
    this.#writing = writeFully(this.#handle, full, this.#position);
    // It is waited for by the next call.
    this.#writing.catch(() => {});
    this.#position += this.#filled;
    this.#filled = 0;
    [this.#filling, this.#written] = [this.#written, this.#filling];
  }
}
