/**
 * The file-system port: all that storage asks of a disk, and nothing else.
 *
 * Why a port: crash safety is tested by running the real storage code over a file system that can lose
 * what was not synced (memory-file-system.ts) or fail on demand (fault-file-system.ts). One conformance
 * suite, tests/storage/fs-conformance.test.ts, holds every implementation to this contract.
 *
 * - Nothing written is durable before `sync` of its handle; no name is durable before `syncDirectory`
 *   of its directory. A crash may keep or lose anything else, in any order.
 * - `write` may be short, as write(2) is; `writeFully` is the loop around it.
 * - After a failed `sync` the content of the file is unknown, and a later successful sync proves
 *   nothing: the kernel may have dropped the dirty pages. Callers give the file up.
 * - Paths are POSIX paths. Positions and lengths are bytes.
 *
 * Failure: operations reject with an Error that carries the errno name in `code` (`ENOENT`, `EIO`).
 */
import type { Clock } from '../base/clock.ts';

/** Direct writes start and end at multiples of this: the largest logical block of common disks. */
export const DIRECT_BLOCK_BYTES = 4096;

/** Attempts that `writeFully` grants a disk which keeps writing less than a block. */
const STALLED_WRITES_MAX = 8;

/**
 * - `read`: an existing file, read only.
 * - `create`: a new file, read and write; EEXIST when there is one.
 * - `edit`: an existing file, read and write, for cutting a torn tail.
 */
export type OpenMode = 'read' | 'create' | 'edit';

export interface OpenOptions {
  /**
   * Asks for reads and writes past the page cache (O_DIRECT). Positions, lengths and places in buffers are then
   * multiples of DIRECT_BLOCK_BYTES, and buffers come from `allocate`. A file system that cannot do it goes
   * through the page cache, and so does a handle after a read that is not of such multiples.
   */
  readonly direct?: boolean;
}

export interface FileHandle {
  /** Whether reads and writes bypass the page cache. */
  readonly direct: boolean;
  /**
   * Writes `buffers` one after another from `position`, in one system call. The caller leaves the
   * buffers alone until it settles.
   * @returns bytes written, which may be fewer than given.
   */
  write(buffers: readonly Uint8Array[], position: number): Promise<number>;
  /**
   * Reads up to `length` bytes from `position` into `target` at `targetOffset`.
   * @returns bytes read; 0 at the end of the file.
   */
  read(target: Uint8Array, targetOffset: number, length: number, position: number): Promise<number>;
  /** Makes the content durable, and the size as far as reading it back needs it (fdatasync). */
  sync(): Promise<void>;
  /**
   * A write and its sync as one operation, on a handle that can: whoever waits for both is woken once.
   * @returns milliseconds that the sync took; undefined when not all was written: then nothing is synced.
   */
  readonly writeSynced?: (bytes: Uint8Array, position: number) => Promise<number | undefined>;
  /** Cuts or extends (with zeros) the file to `bytes`. Durable after `sync`. */
  truncate(bytes: number): Promise<void>;
  size(): Promise<number>;
  /** Releases the handle, without making anything durable. Idempotent. */
  close(): Promise<void>;
}

/** Many may share a lock, or one has it alone. */
export type LockKind = 'shared' | 'exclusive';

export interface FileStatus {
  readonly kind: 'file' | 'directory';
  /** Of a file; 0 for a directory. */
  readonly bytes: number;
  /** When a file's content last changed, microseconds since 1970-01-01T00:00:00Z. */
  readonly modifiedMicros: number;
}

export interface FileSystem {
  /** Memory, zeroed, that direct writes accept. Freed with the array. */
  allocate(bytes: number): Uint8Array;
  open(path: string, mode: OpenMode, options?: OpenOptions): Promise<FileHandle>;
  /** Names in the directory, without `.` and `..`, sorted by code unit. */
  list(path: string): Promise<string[]>;
  exists(path: string): Promise<boolean>;
  /** @returns undefined when there is nothing of that name. */
  status(path: string): Promise<FileStatus | undefined>;
  /** Creates one directory; its parent exists. One that is there already is left as it is. */
  makeDirectory(path: string): Promise<void>;
  /** Replaces what `to` names, atomically. Both lie in the same directory. */
  rename(from: string, to: string): Promise<void>;
  /**
   * Gives the file `from` the name `to` as well, in any directory of the same volume; EEXIST when the
   * name is taken. Of two that race for one name exactly one succeeds.
   */
  link(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Makes the names in the directory durable. */
  syncDirectory(path: string): Promise<void>;
  /**
   * Takes the lock of a directory, between processes and within one; the end of the process lets go of it.
   * It keeps nobody from anything but taking it, and never waits.
   * @returns how to let go; undefined when others hold it otherwise.
   */
  lock(path: string, kind: LockKind): Promise<(() => Promise<void>) | undefined>;
  /** Bytes an unprivileged process can still write on the volume that holds `path`. */
  freeBytes(path: string): Promise<number>;
}

/** Whether `error` is a file-system error of that errno name. */
export function hasErrno(error: unknown, code: string): boolean {
  return errnoOf(error) === code;
}

/** The errno name of a file-system error; undefined for any other value. */
export function errnoOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** An error as the operating system's adapter would raise it. */
export function fileSystemError(code: string, operation: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${operation} '${path}'`), { code });
}

/**
 * Writes all of `bytes` at `position`. After a short direct write it goes on at the last block boundary
 * reached: writing part of a block twice is harmless, an unaligned direct write would be refused.
 * @throws whatever the handle rejects with; ENOSPC when writes stop making progress.
 */
export async function writeFully(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  let done = 0;
  let stalled = 0;
  while (done < bytes.length) {
    const written = await handle.write([bytes.subarray(done)], position + done);
    if (written === bytes.length - done) return;
    const advanced = handle.direct ? written - (written % DIRECT_BLOCK_BYTES) : written;
    stalled = advanced === 0 ? stalled + 1 : 0;
    if (written === 0 || stalled === STALLED_WRITES_MAX) {
      throw fileSystemError('ENOSPC', 'write', 'a file that takes no more bytes');
    }
    done += advanced;
  }
}

/**
 * Writes all of `bytes` at `position` and makes them durable. @returns milliseconds that the sync took.
 * @throws as `writeFully` and `sync` do
 */
export async function writeSynced(
  handle: FileHandle,
  bytes: Uint8Array,
  position: number,
  clock: Clock,
): Promise<number> {
  if (handle.writeSynced !== undefined) {
    const syncMs = await handle.writeSynced(bytes, position);
    if (syncMs !== undefined) return syncMs;
    // Short, or refused because it is direct. What was written is written again.
  }
  await writeFully(handle, bytes, position);
  const startedMs = clock.monotonicMs();
  await handle.sync();
  return clock.monotonicMs() - startedMs;
}

/** Reads exactly the bytes there are, at most `length`. @returns bytes read, fewer only at the end. */
export async function readFully(
  handle: FileHandle,
  target: Uint8Array,
  targetOffset: number,
  length: number,
  position: number,
): Promise<number> {
  let done = 0;
  while (done < length) {
    const read = await handle.read(target, targetOffset + done, length - done, position + done);
    if (read === 0) break;
    done += read;
  }
  return done;
}

/** The whole content of a small file. */
export async function readFile(fileSystem: FileSystem, path: string): Promise<Uint8Array> {
  const handle = await fileSystem.open(path, 'read');
  try {
    const bytes = new Uint8Array(await handle.size());
    return bytes.subarray(0, await readFully(handle, bytes, 0, bytes.length, 0));
  } finally {
    await handle.close();
  }
}

/**
 * Replaces the file at `path` so that after a crash it holds either the old content or the new one:
 * write a temporary file, sync it, rename it over, sync the directory. A crash may leave `PATH.tmp`
 * behind, which the next call replaces. Two calls for one path must not overlap.
 */
export async function atomicReplace(
  fileSystem: FileSystem,
  path: string,
  content: Uint8Array,
): Promise<void> {
  const temporary = `${path}.tmp`;
  if (await fileSystem.exists(temporary)) await fileSystem.unlink(temporary);
  const handle = await fileSystem.open(temporary, 'create');
  try {
    await writeFully(handle, content, 0);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fileSystem.rename(temporary, path);
  await fileSystem.syncDirectory(parentOf(path));
}

/**
 * Makes `path` and its missing parents, each durable in its parent. A `path` that exists is synced as
 * well: the process that made it may have been killed before it did.
 */
export async function makeDirectoryDurable(fileSystem: FileSystem, path: string): Promise<void> {
  const parent = parentOf(path);
  if (!(await fileSystem.exists(path))) {
    await makeDirectoryDurable(fileSystem, parent);
    await fileSystem.makeDirectory(path);
  }
  if (parent !== path) await fileSystem.syncDirectory(parent);
}

/** The directory a path lies in: `/a` for `/a/b`, `/` for `/a`, `.` for `a`. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf('/');
  if (slash < 0) return '.';
  return slash === 0 ? '/' : path.slice(0, slash);
}
