/**
 * A file system that fails on demand, around any other: the disk of the bad-day tests.
 *
 * A plan is a list of faults, each for one operation on the files whose path contains a text. A fault
 * fires on the `after + 1`-th matching operation, and on all later ones when `lasting`.
 *
 * - `EIO` on `write`: nothing of it reaches the file. On `sync`: the pending changes are dropped, as
 *   Linux may, and the next sync would succeed: that is the trap a retry falls into.
 * - `short`: the write ends early, at a whole 512-byte sector, without an error. One that has no whole
 *   sector to end at is written as it is.
 * - `ignored`: the sync says it succeeded and did nothing, as a disk that lies would.
 * - `writableBytes`: the volume is full after so many bytes; the write that crosses the line is short,
 *   the next one fails with ENOSPC.
 */
import {
  type FileHandle,
  type FileStatus,
  type FileSystem,
  fileSystemError,
  type LockKind,
  type OpenMode,
  type OpenOptions,
} from './file-system.ts';

export type FaultOperation =
  | 'open'
  | 'read'
  | 'write'
  | 'sync'
  | 'truncate'
  | 'rename'
  | 'link'
  | 'unlink'
  | 'syncDirectory';

export interface Fault {
  readonly operation: FaultOperation;
  /** `short` is for writes only, `ignored` for syncs of files and directories only. */
  readonly result: 'EIO' | 'ENOSPC' | 'EMFILE' | 'short' | 'ignored';
  /** Only paths that contain this. */
  readonly path?: string;
  /** Matching operations that still succeed; 0 when absent. */
  readonly after?: number;
  /** Whether it goes on failing. */
  readonly lasting?: boolean;
}

export interface FaultPlan {
  readonly faults?: readonly Fault[];
  readonly writableBytes?: number;
  /** Told of a failed sync, to drop what was not durable: the memory file system's `dropUnsynced`. */
  readonly onSyncFailed?: (path: string) => void;
  /** Told of every operation that a fault struck; a full volume counts as a write with ENOSPC. */
  readonly onFault?: (operation: FaultOperation, result: Fault['result'], path: string) => void;
}

const SECTOR_BYTES = 512;

export class FaultFileSystem implements FileSystem {
  readonly #inner: FileSystem;
  readonly #plan: FaultPlan;
  readonly #seen: number[];
  #writableBytes: number;

  constructor(inner: FileSystem, plan: FaultPlan) {
    this.#inner = inner;
    this.#plan = plan;
    this.#seen = (plan.faults ?? []).map(() => 0);
    this.#writableBytes = plan.writableBytes ?? Number.POSITIVE_INFINITY;
  }

  allocate(bytes: number): Uint8Array {
    return this.#inner.allocate(bytes);
  }

  async open(path: string, mode: OpenMode, options?: OpenOptions): Promise<FileHandle> {
    this.#failOn('open', path);
    return this.#wrap(path, await this.#inner.open(path, mode, options));
  }

  list(path: string): Promise<string[]> {
    return this.#inner.list(path);
  }

  exists(path: string): Promise<boolean> {
    return this.#inner.exists(path);
  }

  status(path: string): Promise<FileStatus | undefined> {
    return this.#inner.status(path);
  }

  makeDirectory(path: string): Promise<void> {
    return this.#inner.makeDirectory(path);
  }

  async rename(from: string, to: string): Promise<void> {
    this.#failOn('rename', from);
    await this.#inner.rename(from, to);
  }

  async link(from: string, to: string): Promise<void> {
    this.#failOn('link', to);
    await this.#inner.link(from, to);
  }

  async unlink(path: string): Promise<void> {
    this.#failOn('unlink', path);
    await this.#inner.unlink(path);
  }

  async syncDirectory(path: string): Promise<void> {
    const result = this.#fires('syncDirectory', path);
    if (result === 'ignored') return;
    if (result !== undefined) throw fileSystemError(result, 'syncDirectory', path);
    await this.#inner.syncDirectory(path);
  }

  lock(path: string, kind: LockKind): Promise<(() => Promise<void>) | undefined> {
    return this.#inner.lock(path, kind);
  }

  async freeBytes(path: string): Promise<number> {
    return Math.min(await this.#inner.freeBytes(path), this.#writableBytes);
  }

  #wrap(path: string, inner: FileHandle): FileHandle {
    return {
      direct: inner.direct,
      write: (buffers, position) => this.#write(path, inner, buffers, position),
      read: async (target, targetOffset, length, position) => {
        this.#failOn('read', path);
        return inner.read(target, targetOffset, length, position);
      },
      sync: async () => {
        const result = this.#fires('sync', path);
        if (result === 'ignored') return;
        if (result !== undefined) {
          this.#plan.onSyncFailed?.(path);
          throw fileSystemError(result, 'sync', path);
        }
        await inner.sync();
      },
      truncate: async (bytes) => {
        this.#failOn('truncate', path);
        await inner.truncate(bytes);
      },
      size: () => inner.size(),
      close: () => inner.close(),
    };
  }

  async #write(
    path: string,
    inner: FileHandle,
    buffers: readonly Uint8Array[],
    position: number,
  ): Promise<number> {
    const result = this.#fires('write', path);
    if (result !== undefined && result !== 'short') throw fileSystemError(result, 'write', path);
    const bytes = Buffer.concat(buffers);
    const half = Math.floor(bytes.length / 2);
    const wanted = result === 'short' && half >= SECTOR_BYTES ? half : bytes.length;
    const granted = Math.min(wanted, this.#writableBytes);
    if (granted === bytes.length) {
      this.#writableBytes -= granted;
      return inner.write(buffers, position);
    }
    const written = granted - (granted % SECTOR_BYTES);
    if (granted < wanted) this.#plan.onFault?.('write', 'ENOSPC', path);
    if (written === 0) throw fileSystemError('ENOSPC', 'write', path);
    this.#writableBytes -= written;
    return this.#writePart(inner, bytes, written, position);
  }

  /** Direct handles take whole blocks only, so the rest of the block is read back and kept. */
  async #writePart(
    inner: FileHandle,
    bytes: Uint8Array,
    written: number,
    position: number,
  ): Promise<number> {
    if (!inner.direct) return inner.write([bytes.subarray(0, written)], position);
    const part = this.#inner.allocate(bytes.length);
    await inner.read(part, 0, part.length, position);
    part.set(bytes.subarray(0, written));
    await inner.write([part], position);
    return written;
  }

  #failOn(operation: FaultOperation, path: string): void {
    const result = this.#fires(operation, path);
    if (result !== undefined) throw fileSystemError(result, operation, path);
  }

  /** Counts the operation for every fault it matches. @returns what it comes to, if anything. */
  #fires(operation: FaultOperation, path: string): Fault['result'] | undefined {
    let result: Fault['result'] | undefined;
    this.#plan.faults?.forEach((fault, index) => {
      if (fault.operation !== operation || !path.includes(fault.path ?? '')) return;
      const earlier = this.#seen[index]++;
      const after = fault.after ?? 0;
      if (earlier === after || (fault.lasting === true && earlier > after)) result = fault.result;
    });
    if (result !== undefined) this.#plan.onFault?.(operation, result, path);
    return result;
  }
}
