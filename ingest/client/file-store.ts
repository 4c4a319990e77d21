/**
 * Batches on disk, one file each, so that a producer that is ended goes on where it was.
 *
 * The directory is the state: `<stream>.<id>.batch` holds the batch `id` of `stream`, and there is no
 * other record of either. Batches are released from the front, so what is left is the last ids that were
 * used, but for files that somebody moved away.
 *
 *     file = "TRB1", u32 CRC-32 of the frame (little-endian), frame
 *
 * - A batch is written under another name, synced, and then linked under its own: a file with a batch's
 *   name is whole. A name that is taken already is an error: another process uses the directory.
 * - Files are removed after their batch is decided; one that a crash leaves is sent again, and the
 *   appliance tells that it has it.
 *
 * Failure: an unreadable file fails `open` with its name, and nothing is dropped in silence.
 */
import type { Dirent } from 'node:fs';
import { link, mkdir, open, readdir, readFile, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { crc32 } from 'node:zlib';
import type { BatchStore, StoredBatch, StoredStream } from './types.ts';

const MAGIC = Buffer.from('TRB1');
const HEAD_BYTES = 8;
const BATCH_NAME = /^([A-Za-z0-9_-]{1,64})\.(\d{10})\.batch$/;
const PARTIAL = '.partial';

export class FileBatchStore implements BatchStore {
  readonly #directory: string;
  #stream: string | undefined;
  /** Ids on disk, ascending. */
  #ids: number[] = [];

  /** @param directory made when it is missing; of this store alone. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  async open(): Promise<StoredStream | undefined> {
    await makeDirectory(this.#directory);
    const names = (await readdir(this.#directory, { withFileTypes: true }))
      .filter((entry: Dirent) => entry.isFile())
      .map(({ name }) => name)
      .sort();
    const partial = names.filter((name) => name.endsWith(PARTIAL));
    for (const name of partial) await unlink(join(this.#directory, name));

    const batches: StoredBatch[] = [];
    for (const name of names) {
      const match = BATCH_NAME.exec(name);
      if (match === null) continue;
      this.#stream ??= match[1]!;
      if (match[1] !== this.#stream) throw new Error(`${this.#directory} holds two streams`);
      batches.push({ id: Number(match[2]), frame: await this.#read(name) });
    }
    this.#ids = batches.map(({ id }) => id);
    return this.#stream === undefined ? undefined : { name: this.#stream, batches };
  }

  async append(stream: string, { frame, id }: StoredBatch): Promise<void> {
    this.#stream = stream;
    const path = this.#pathOf(id);
    const head = Buffer.alloc(HEAD_BYTES);
    MAGIC.copy(head);
    head.writeUInt32LE(crc32(frame), MAGIC.length);
    await this.#write(path + PARTIAL, Buffer.concat([head, frame]));
    await link(path + PARTIAL, path);
    await unlink(path + PARTIAL);
    await this.#syncDirectory();
    this.#ids.push(id);
  }

  async releaseThrough(id: number): Promise<void> {
    const kept = this.#ids.findIndex((stored) => stored > id);
    const released = this.#ids.splice(0, kept < 0 ? this.#ids.length : kept);
    for (const stored of released) await unlink(this.#pathOf(stored));
  }

  /** Holds nothing open between calls. */
  async close(): Promise<void> {}

  #pathOf(id: number): string {
    return join(this.#directory, `${this.#stream}.${String(id).padStart(10, '0')}.batch`);
  }

  /** Writes a whole file, or leaves none: a full disk takes a part, which then is in the way of others. */
  async #write(path: string, bytes: Uint8Array): Promise<void> {
    const file = await open(path, 'w');
    try {
      // Unlike writev it goes on after a short write, and so comes to the error that explains it.
      await file.writeFile(bytes);
      await file.datasync();
    } catch (error) {
      await unlink(path).catch(() => {});
      throw error;
    } finally {
      await file.close();
    }
  }

  async #read(name: string): Promise<Uint8Array> {
    const bytes = await readFile(join(this.#directory, name));
    const frame = bytes.subarray(HEAD_BYTES);
    const isWhole =
      bytes.length > HEAD_BYTES &&
      bytes.subarray(0, MAGIC.length).equals(MAGIC) &&
      bytes.readUInt32LE(MAGIC.length) === crc32(frame);
    if (isWhole) return new Uint8Array(frame);
    throw new Error(`${name} in ${this.#directory} is damaged; move it away to go on without it`);
  }

  async #syncDirectory(): Promise<void> {
    const directory = await open(this.#directory, 'r');
    try {
      await directory.sync();
    } finally {
      await directory.close();
    }
  }
}

/**
 * Makes a directory and its missing parents. Not by `recursive`: below a directory that exists but in which nothing
 * can be made, such as /proc, Node tries again for ever.
 */
async function makeDirectory(path: string, isParentThere = false): Promise<void> {
  try {
    await mkdir(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    if (code !== 'ENOENT' || isParentThere) throw error;
    await makeDirectory(dirname(path));
    await makeDirectory(path, true);
  }
}
