/**
 * What this process has read of files, as Linux counts it in /proc/self/io: the bytes that read(2) and its
 * like returned, whether they came from the disk or from the page cache. Mapped files are not in it.
 */
import type { FileHandle, FileSystem } from '../storage/file-system.ts';

const COUNTER_FILE = '/proc/self/io';
const COUNTER_FILE_BYTES_MAX = 512;

export class ReadMeter {
  readonly #handle: FileHandle;

  private constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  /** @returns null where the kernel does not count. */
  static async open(fileSystem: FileSystem): Promise<ReadMeter | null> {
    if (!(await fileSystem.exists(COUNTER_FILE))) return null;
    return new ReadMeter(await fileSystem.open(COUNTER_FILE, 'read'));
  }

  /** Since the process began. */
  async readBytes(): Promise<number> {
    const text = Buffer.alloc(COUNTER_FILE_BYTES_MAX);
    const length = await this.#handle.read(text, 0, text.length, 0);
    return Number(/^rchar: (\d+)$/m.exec(text.toString('latin1', 0, length))?.[1] ?? 0);
  }
}
