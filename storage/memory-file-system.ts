/**
 * A file system in memory that keeps, for every file and directory, two images: the volatile one that
 * reads see, and the durable one that a power cut would leave. It is what crash tests run storage on.
 *
 * - Writes and truncations of a file are pending until its `sync`; creations, renames and unlinks of a
 *   directory are pending until its `syncDirectory`. Reads see pending changes at once.
 * - `crash(seed)` yields a new file system and leaves this one running, so that one run can be cut at
 *   many points. Of each pending change it keeps all, nothing or, for writes, a prefix or a subset of
 *   512-byte sectors: more than any real disk does, and never less than what was synced.
 * - Time and order come from `schedule`, awaited before each operation takes effect: a test can take a
 *   crash image between any two operations.
 *
 * Direct handles refuse unaligned writes with EINVAL, as a disk does. Paths are absolute or relative to
 * the root; `.` and `..` are not interpreted.
 */
import type { Clock } from '../base/clock.ts';
import { seededRandom } from '../base/random.ts';
import {
  DIRECT_BLOCK_BYTES,
  type FileHandle,
  type FileStatus,
  type FileSystem,
  fileSystemError,
  type LockKind,
  type OpenMode,
  type OpenOptions,
} from './file-system.ts';
import { MemoryDirectory, MemoryFile } from './memory-images.ts';

export interface MemoryFileSystemOptions {
  /** What the volume holds, for `freeBytes` only; a full disk is the fault file system's business. */
  readonly capacityBytes?: number;
  /** Tells when files are modified; without one they all are at 0. */
  readonly clock?: Clock;
  /** Awaited before each operation takes effect; `operation` is its name in the port. */
  readonly schedule?: (operation: string, path: string) => Promise<void> | void;
}

export class MemoryFileSystem implements FileSystem {
  readonly #root: MemoryDirectory;
  readonly #options: MemoryFileSystemOptions;
  /** Of one process: a crash leaves none. */
  readonly #locks = new Map<string, readonly LockKind[]>();

  constructor(options: MemoryFileSystemOptions = {}, root = new MemoryDirectory()) {
    this.#options = options;
    this.#root = root;
  }

  /** What a power cut would leave, one of the many ways it could; `options` are the new one's. */
  crash(seed: number, options: MemoryFileSystemOptions = {}): MemoryFileSystem {
    return new MemoryFileSystem(options, this.#root.crashed(seededRandom(seed)));
  }

  /** What the next process finds when this one is killed: nothing lost, and nothing more durable. */
  copy(options: MemoryFileSystemOptions = {}): MemoryFileSystem {
    return new MemoryFileSystem(options, this.#root.copied());
  }

  /** What reads see of `path`, at once; undefined when there is no such file. Not copied. */
  peek(path: string): Uint8Array | undefined {
    const node = this.#find(path);
    return node instanceof MemoryFile ? node.volatile : undefined;
  }

  /** All files with what reads see of them, in a fixed order; the bytes are not copied. */
  *files(): Generator<{ readonly path: string; readonly bytes: Uint8Array }> {
    for (const [path, file] of this.#root.files('')) yield { path, bytes: file.volatile };
  }

  /** Flips the bits of `mask` in one byte of `path`, as a decaying disk does: nobody is told. */
  decay(path: string, position: number, mask: number): void {
    this.#file(path).decay(position, mask);
  }

  /** Throws away what `path` holds unsynced, as the kernel may after it failed to write it back. */
  dropUnsynced(path: string): void {
    this.#file(path).dropPending();
  }

  allocate(bytes: number): Uint8Array {
    return new Uint8Array(bytes);
  }

  async open(path: string, mode: OpenMode, options: OpenOptions = {}): Promise<FileHandle> {
    await this.#options.schedule?.('open', path);
    if (mode === 'create') {
      const [directory, name] = this.#locate(path);
      if (directory.entries.has(name)) throw fileSystemError('EEXIST', 'open', path);
      directory.set(name, new MemoryFile());
    }
    const direct = options.direct === true;
    return new MemoryHandle(path, this.#file(path), mode, direct, this.#options);
  }

  async list(path: string): Promise<string[]> {
    await this.#options.schedule?.('list', path);
    return [...this.#directory(path).entries.keys()].sort();
  }

  async exists(path: string): Promise<boolean> {
    await this.#options.schedule?.('exists', path);
    return this.#find(path) !== undefined;
  }

  async status(path: string): Promise<FileStatus | undefined> {
    await this.#options.schedule?.('status', path);
    const node = this.#find(path);
    if (node === undefined) return undefined;
    if (node instanceof MemoryDirectory) return { kind: 'directory', bytes: 0, modifiedMicros: 0 };
    return { kind: 'file', bytes: node.volatile.length, modifiedMicros: node.modifiedMicros };
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#options.schedule?.('makeDirectory', path);
    const [parent, name] = this.#locate(path);
    if (!parent.entries.has(name)) parent.set(name, new MemoryDirectory());
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#options.schedule?.('rename', from);
    const [directory, fromName] = this.#locate(from);
    const [target, toName] = this.#locate(to);
    if (directory !== target) throw fileSystemError('EXDEV', 'rename', to);
    if (!directory.rename(fromName, toName)) throw fileSystemError('ENOENT', 'rename', from);
  }

  async link(from: string, to: string): Promise<void> {
    await this.#options.schedule?.('link', to);
    const file = this.#file(from);
    const [directory, name] = this.#locate(to);
    if (directory.entries.has(name)) throw fileSystemError('EEXIST', 'link', to);
    directory.set(name, file);
  }

  async unlink(path: string): Promise<void> {
    await this.#options.schedule?.('unlink', path);
    this.#file(path);
    const [directory, name] = this.#locate(path);
    directory.delete(name);
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#options.schedule?.('syncDirectory', path);
    this.#directory(path).sync();
  }

  async lock(path: string, kind: LockKind): Promise<(() => Promise<void>) | undefined> {
    await this.#options.schedule?.('lock', path);
    this.#directory(path);
    const held = this.#locks.get(path) ?? [];
    if (held.length > 0 && (kind === 'exclusive' || held.includes('exclusive'))) return undefined;
    this.#locks.set(path, [...held, kind]);
    return async () => {
      const [, ...others] = this.#locks.get(path) ?? [];
      this.#locks.set(path, others);
    };
  }

  async freeBytes(path: string): Promise<number> {
    await this.#options.schedule?.('freeBytes', path);
    this.#directory(path);
    return Math.max(0, (this.#options.capacityBytes ?? 2 ** 40) - this.#root.usedBytes());
  }

  #find(path: string): MemoryFile | MemoryDirectory | undefined {
    let node: MemoryFile | MemoryDirectory | undefined = this.#root;
    for (const name of namesOf(path)) {
      if (!(node instanceof MemoryDirectory)) return undefined;
      node = node.entries.get(name);
    }
    return node;
  }

  #file(path: string): MemoryFile {
    const node = this.#find(path);
    if (node === undefined) throw fileSystemError('ENOENT', 'open', path);
    if (node instanceof MemoryDirectory) throw fileSystemError('EISDIR', 'open', path);
    return node;
  }

  #directory(path: string): MemoryDirectory {
    const node = this.#find(path);
    if (node === undefined) throw fileSystemError('ENOENT', 'open', path);
    if (node instanceof MemoryFile) throw fileSystemError('ENOTDIR', 'open', path);
    return node;
  }

  /** The directory that holds `path`, and the last name in it. */
  #locate(path: string): [MemoryDirectory, string] {
    const names = namesOf(path);
    const name = names.pop();
    if (name === undefined) throw fileSystemError('EINVAL', 'open', path);
    return [this.#directory(names.join('/')), name];
  }
}

function namesOf(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

class MemoryHandle implements FileHandle {
  readonly direct: boolean;
  readonly #path: string;
  readonly #file: MemoryFile;
  readonly #mode: OpenMode;
  readonly #options: MemoryFileSystemOptions;
  #closed = false;

  constructor(
    path: string,
    file: MemoryFile,
    mode: OpenMode,
    direct: boolean,
    options: MemoryFileSystemOptions,
  ) {
    this.#path = path;
    this.#file = file;
    this.#mode = mode;
    this.direct = direct;
    this.#options = options;
  }

  async write(buffers: readonly Uint8Array[], position: number): Promise<number> {
    await this.#begin('write', true);
    const bytes = concatenate(buffers);
    if (this.direct && (position % DIRECT_BLOCK_BYTES) + (bytes.length % DIRECT_BLOCK_BYTES) > 0) {
      throw fileSystemError('EINVAL', 'write', this.#path);
    }
    this.#file.write(bytes, position);
    this.#file.modifiedMicros = this.#options.clock?.nowMicros() ?? 0;
    return bytes.length;
  }

  async read(
    target: Uint8Array,
    targetOffset: number,
    length: number,
    position: number,
  ): Promise<number> {
    await this.#begin('read', false);
    const found = this.#file.volatile.subarray(position, position + length);
    target.set(found, targetOffset);
    return found.length;
  }

  async sync(): Promise<void> {
    await this.#begin('sync', false);
    this.#file.sync();
  }

  async truncate(bytes: number): Promise<void> {
    await this.#begin('truncate', true);
    this.#file.truncate(bytes);
  }

  async size(): Promise<number> {
    await this.#begin('size', false);
    return this.#file.volatile.length;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  async #begin(operation: string, writes: boolean): Promise<void> {
    await this.#options.schedule?.(operation, this.#path);
    if (this.#closed || (writes && this.#mode === 'read')) {
      throw fileSystemError('EBADF', operation, this.#path);
    }
  }
}

/** A copy, since the caller may use its buffers again once the write has settled. */
function concatenate(buffers: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(buffers.reduce((sum, buffer) => sum + buffer.length, 0));
  let offset = 0;
  for (const buffer of buffers) {
    joined.set(buffer, offset);
    offset += buffer.length;
  }
  return joined;
}
