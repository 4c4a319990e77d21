/**
 * What breaks the promise on purpose: the canaries of the simulation. Each one is a mistake that storage code is
 * known for, made at the port where it cannot be overlooked.
 */
import { FaultFileSystem } from '../../storage/fault-file-system.ts';
import type { FileHandle, FileSystem } from '../../storage/file-system.ts';
import type { ShownRow } from './shown-rows.ts';

export interface Sabotage {
  /** A disk, and so a writer, that is broken. */
  readonly disk?: (inner: FileSystem) => FileSystem;
  /** What compaction keeps of the rows it is to keep. */
  readonly rewritten?: (rows: readonly ShownRow[]) => readonly ShownRow[];
  /** Whether rewriting keeps the rows that are to be left out. */
  readonly keepsErased?: boolean;
  /** Below what the log is removed when it could go below `older`, and the newest checkpoint is of `newest`. */
  readonly trimmed?: (older: number, newest: number) => number;
}

export const SABOTAGE: Readonly<Record<string, Sabotage>> = {
  /** A disk that says it has synced and has not. */
  'a sync that does nothing': {
    disk: (inner) =>
      new FaultFileSystem(inner, {
        faults: [{ operation: 'sync', result: 'ignored', lasting: true }],
      }),
  },
  /** A writer that acknowledges before the sync is through: the sync comes, but too late. */
  'an acknowledgement before the sync': { disk: (inner) => new EarlyFileSystem(inner) },
  /** The step everyone forgets: the file is synced, its name is not. */
  'a directory that is never synced': {
    disk: (inner) =>
      new FaultFileSystem(inner, {
        faults: [{ operation: 'syncDirectory', result: 'ignored', lasting: true }],
      }),
  },
  /** Compaction's own check counts what the rewriter says that it wrote. */
  'a compaction that loses a row': { rewritten: (rows) => rows.slice(1) },
  /** The log says that files are rewritten, and queries leave nothing out any more. */
  'a rewrite that leaves erased rows in their file': { keepsErased: true },
  /** A backup that reads the lake before, and the log after, something was done to both. */
  'a log that nobody can hold': { disk: (inner) => new UnheldFileSystem(inner) },
  /** Until the newest decays, and the one before has no log behind it. */
  'a log that is kept for the newest checkpoint alone': { trimmed: (_, newest) => newest },
};

/** Grants every lock to everybody. */
class UnheldFileSystem extends FaultFileSystem {
  constructor(inner: FileSystem) {
    super(inner, {});
  }

  override lock(): Promise<() => Promise<void>> {
    return Promise.resolve(() => Promise.resolve());
  }
}

/** Passes everything on, but for `sync`: that resolves at once, and is done in its own time. */
class EarlyFileSystem extends FaultFileSystem {
  constructor(inner: FileSystem) {
    super(inner, {});
  }

  override async open(...of: Parameters<FileSystem['open']>): Promise<FileHandle> {
    const handle = await super.open(...of);
    return {
      direct: handle.direct,
      write: (buffers, position) => handle.write(buffers, position),
      read: (target, targetOffset, length, position) =>
        handle.read(target, targetOffset, length, position),
      sync: async () => {
        void handle.sync().catch(() => {});
      },
      truncate: (bytes) => handle.truncate(bytes),
      size: () => handle.size(),
      close: () => handle.close(),
    };
  }
}
