/**
 * The object store on a local disk or NFS, over the file-system port: `<root>/<key>`.
 *
 * Why link and not rename: link(2) refuses a name that is taken, so a file appears whole or not at all
 * and one of two racing conditional puts fails; rename would replace the winner's.
 *
 * - A put writes and syncs a staging file, links it to its key, syncs the directory. Nothing under a key
 *   is ever half written.
 * - Before it is first looked into, a directory is synced: a process killed between its link and its
 *   sync left a name that everybody sees and a power cut could still take.
 * - One process at a time uses a root: the data directory is locked. Opening empties the staging area.
 *
 * Failure: a crash leaves staging files (removed at open) and directories without objects.
 */
import { TributaryError } from '../../base/errors.ts';
import {
  type FileHandle,
  type FileSystem,
  hasErrno,
  makeDirectoryDurable,
  parentOf,
  readFully,
  writeFully,
} from '../file-system.ts';
import { isObjectKey } from './location.ts';
import type {
  ByteRange,
  ListOptions,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  PutResult,
} from './object-store.ts';

/** Not a key: keys start with a namespace, and those have no dot. */
const STAGING = '.staging';

export class LocalObjectStore implements ObjectStore {
  readonly bucket: string;
  readonly stagingDirectory: string;
  readonly #fileSystem: FileSystem;
  readonly #root: string;
  /** Directories whose own names this process has made durable. */
  readonly #directories = new Set<string>();
  /** Directories of which everything is durable that an earlier process has put. */
  readonly #settled = new Set<string>();
  #stagedFiles = 0;

  /** Opens the store at `root`, which is made when it is missing. */
  static async open(
    fileSystem: FileSystem,
    root: string,
    bucket: string,
  ): Promise<LocalObjectStore> {
    const store = new LocalObjectStore(fileSystem, root, bucket);
    await makeDirectoryDurable(fileSystem, store.stagingDirectory);
    for (const name of await fileSystem.list(store.stagingDirectory)) {
      await fileSystem.unlink(`${store.stagingDirectory}/${name}`);
    }
    return store;
  }

  /** The store at `root` to be read beside the process that has opened it; nothing is put into it. */
  static besideWriter(fileSystem: FileSystem, root: string, bucket: string): LocalObjectStore {
    return new LocalObjectStore(fileSystem, root, bucket);
  }

  private constructor(fileSystem: FileSystem, root: string, bucket: string) {
    this.#fileSystem = fileSystem;
    this.#root = root;
    this.bucket = bucket;
    this.stagingDirectory = `${root}/${STAGING}`;
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    this.#stagedFiles += 1;
    const staged = `${this.stagingDirectory}/put-${this.#stagedFiles}`;
    const handle = await this.#fileSystem.open(staged, 'create');
    try {
      await writeFully(handle, bytes, 0);
      await handle.sync();
      return await this.#link(staged, key, options.ifNoneMatch !== true);
    } finally {
      // Also when the disk is full: what was written so far would only take room.
      await handle.close();
      await this.#fileSystem.unlink(staged);
    }
  }

  async putFile(key: string, path: string): Promise<PutResult> {
    const handle = await this.#fileSystem.open(path, 'edit');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    const result = await this.#link(path, key, false);
    if (result === 'stored') await this.#fileSystem.unlink(path);
    return result;
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array> {
    const handle = await this.#openObject(key);
    try {
      const size = await handle.size();
      const start = Math.min(range?.start ?? 0, size);
      const bytes = new Uint8Array(Math.max(0, Math.min(range?.end ?? size, size) - start));
      const read = await readFully(handle, bytes, 0, bytes.length, start);
      return bytes.subarray(0, read);
    } finally {
      await handle.close();
    }
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    const path = this.#pathOf(key);
    const status = await this.#fileSystem.status(path);
    if (status === undefined || status.kind === 'directory') return undefined;
    await this.#settle(parentOf(path));
    return { key, bytes: status.bytes, modifiedMicros: status.modifiedMicros };
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ObjectInfo> {
    const slash = prefix.lastIndexOf('/');
    yield* this.#walk(prefix.slice(0, slash + 1), prefix, options.startAfter ?? '');
  }

  async move(fromKey: string, toKey: string): Promise<void> {
    const from = this.#pathOf(fromKey);
    if ((await this.head(fromKey)) === undefined) throw missing(fromKey);
    await this.#link(from, toKey, true);
    await this.delete(fromKey);
  }

  async delete(key: string): Promise<void> {
    const path = this.#pathOf(key);
    try {
      await this.#fileSystem.unlink(path);
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return;
      throw error;
    }
    await this.#fileSystem.syncDirectory(parentOf(path));
  }

  localPath(key: string): string {
    return this.#pathOf(key);
  }

  /** Objects below the directory `base` (empty, or with a slash at the end), in order of keys. */
  async *#walk(base: string, prefix: string, startAfter: string): AsyncIterable<ObjectInfo> {
    const directory = base === '' ? this.#root : `${this.#root}/${base.slice(0, -1)}`;
    const entries: ObjectInfo[] = [];
    for (const name of await this.#listSettled(directory)) {
      if (base === '' && name === STAGING) continue;
      const status = await this.#fileSystem.status(`${directory}/${name}`);
      if (status === undefined) continue;
      const key = status.kind === 'directory' ? `${base}${name}/` : base + name;
      entries.push({ key, bytes: status.bytes, modifiedMicros: status.modifiedMicros });
    }
    for (const entry of entries.sort((a, b) => (a.key < b.key ? -1 : 1))) {
      const { key } = entry;
      const behind = key > startAfter;
      if (!key.endsWith('/')) {
        if (key.startsWith(prefix) && behind) yield entry;
      } else if (key.startsWith(prefix) || prefix.startsWith(key)) {
        if (behind || startAfter.startsWith(key)) yield* this.#walk(key, prefix, startAfter);
      }
    }
  }

  async #settle(directory: string): Promise<void> {
    if (this.#settled.has(directory)) return;
    await this.#fileSystem.syncDirectory(directory);
    this.#settled.add(directory);
  }

  async #listSettled(directory: string): Promise<string[]> {
    try {
      await this.#settle(directory);
      return await this.#fileSystem.list(directory);
    } catch (error) {
      if (hasErrno(error, 'ENOENT') || hasErrno(error, 'ENOTDIR')) return [];
      throw error;
    }
  }

  /** Gives a synced file the name of `key`, durably. */
  async #link(from: string, key: string, replace: boolean): Promise<PutResult> {
    const path = this.#pathOf(key);
    const directory = parentOf(path);
    if (!this.#directories.has(directory)) {
      await makeDirectoryDurable(this.#fileSystem, directory);
      this.#directories.add(directory);
    }
    try {
      await this.#fileSystem.link(from, path);
    } catch (error) {
      if (!hasErrno(error, 'EEXIST')) throw error;
      if (!replace) return 'exists';
      await this.#replace(from, path);
    }
    await this.#fileSystem.syncDirectory(directory);
    return 'stored';
  }

  /** Puts a second name of `from` over `path` in one step. */
  async #replace(from: string, path: string): Promise<void> {
    this.#stagedFiles += 1;
    const beside = `${path}.${this.#stagedFiles}.tmp`;
    if (await this.#fileSystem.exists(beside)) await this.#fileSystem.unlink(beside);
    await this.#fileSystem.link(from, beside);
    await this.#fileSystem.rename(beside, path);
  }

  async #openObject(key: string): Promise<FileHandle> {
    // Linux opens a directory for reading, and refuses to read it.
    if ((await this.head(key)) === undefined) throw missing(key);
    try {
      return await this.#fileSystem.open(this.#pathOf(key), 'read');
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) throw missing(key);
      throw error;
    }
  }

  #pathOf(key: string): string {
    if (!isObjectKey(key)) {
      throw new TributaryError('TRIBUTARY_LAKE_LOCATION_FOREIGN', { location: key });
    }
    return `${this.#root}/${key}`;
  }
}

function missing(key: string): TributaryError {
  return new TributaryError('TRIBUTARY_LAKE_OBJECT_MISSING', { key });
}
