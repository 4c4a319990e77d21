/**
 * A file of zeros that holds room on a volume, so that what frees room still can write when somebody else
 * has filled the disk: the lake writes new metadata before it deletes old files.
 *
 * - The bytes are written, not only promised: a sparse file would hold nothing.
 * - A file of another size, left by a crash or another version, is made anew.
 */

import { MIB } from '../base/units.ts';
import { type FileSystem, writeFully } from './file-system.ts';

const PIECE_BYTES = MIB;

export class DiskReserve {
  readonly #fileSystem: FileSystem;
  readonly #path: string;
  readonly #bytes: number;

  constructor(fileSystem: FileSystem, path: string, bytes: number) {
    this.#fileSystem = fileSystem;
    this.#path = path;
    this.#bytes = bytes;
  }

  /** Takes the room, if it is not held already. @throws the file system's error; then nothing is held. */
  async hold(): Promise<void> {
    if ((await this.#fileSystem.status(this.#path))?.bytes === this.#bytes) return;
    await this.release();
    const handle = await this.#fileSystem.open(this.#path, 'create');
    try {
      const zeros = new Uint8Array(PIECE_BYTES);
      for (let at = 0; at < this.#bytes; at += PIECE_BYTES) {
        await writeFully(handle, zeros.subarray(0, Math.min(PIECE_BYTES, this.#bytes - at)), at);
      }
      await handle.sync();
    } catch (error) {
      await this.release();
      throw error;
    } finally {
      await handle.close();
    }
  }

  /** Gives the room back. Idempotent. @returns whether it was held. */
  async release(): Promise<boolean> {
    if (!(await this.#fileSystem.exists(this.#path))) return false;
    await this.#fileSystem.unlink(this.#path);
    return true;
  }
}
