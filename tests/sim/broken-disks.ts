/**
 * Disks, and so writers, that break the promise on purpose: the canaries of the simulation. Each one is a
 * mistake that storage code is known for, made at the port where it cannot be overlooked.
 */
import { FaultFileSystem } from '../../storage/fault-file-system.ts';
import type { FileHandle, FileSystem } from '../../storage/file-system.ts';

export const BROKEN_DISKS: Readonly<Record<string, (inner: FileSystem) => FileSystem>> = {
  /** A disk that says it has synced and has not. */
  'a sync that does nothing': (inner) =>
    new FaultFileSystem(inner, {
      faults: [{ operation: 'sync', result: 'ignored', lasting: true }],
    }),
  /** A writer that acknowledges before the sync is through: the sync comes, but too late. */
  'an acknowledgement before the sync': (inner) => new EarlyFileSystem(inner),
  /** The step everyone forgets: the file is synced, its name is not. */
  'a directory that is never synced': (inner) =>
    new FaultFileSystem(inner, {
      faults: [{ operation: 'syncDirectory', result: 'ignored', lasting: true }],
    }),
};

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
