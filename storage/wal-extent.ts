/**
 * The files of a log as they were at one moment, while it is being written: what a backup copies and a
 * verification reads.
 *
 * Sizes are taken from the newest file to the oldest. No file gets a record before the one before it has its
 * last, so the file before one that was seen with records is seen whole. Whatever is written later lies
 * behind the sizes, and files that are made later are not listed.
 *
 * The end of the last file may lie inside the group that was on its way to the disk: readers take that for
 * the torn tail it is.
 */

import type { Crc32c } from './crc32c.ts';
import { type FileHandle, type FileSystem, readFully } from './file-system.ts';
import {
  parseWalFileName,
  readWalFileHeader,
  WAL_BLOCK_BYTES,
  type WalFileHeader,
} from './wal-format.ts';
import { listWalFiles } from './wal-start.ts';

export interface WalExtent {
  readonly name: string;
  readonly bytes: number;
}

/** The part of a file system that reading a log needs. */
export type WalSource = Pick<FileSystem, 'list' | 'open' | 'allocate'>;

/** Oldest first. @throws the file system's error, ENOENT too when a file is removed meanwhile. */
export async function walExtents(fileSystem: FileSystem, directory: string): Promise<WalExtent[]> {
  const names = await listWalFiles({ fileSystem, directory });
  const extents: WalExtent[] = [];
  for (const name of names.reverse()) {
    const handle = await fileSystem.open(`${directory}/${name}`, 'read');
    try {
      extents.push({ name, bytes: await handle.size() });
    } finally {
      await handle.close();
    }
  }
  return extents.reverse();
}

/** The log in `directory` as `extents` have it. */
export function walAsOf(
  fileSystem: FileSystem,
  directory: string,
  extents: readonly WalExtent[],
): WalSource {
  const bytesOf = new Map(extents.map(({ name, bytes }) => [`${directory}/${name}`, bytes]));
  return {
    allocate: (length) => fileSystem.allocate(length),
    list: async () => extents.map(({ name }) => name),
    async open(path, mode) {
      const handle = await fileSystem.open(path, mode);
      return cutAt(handle, bytesOf.get(path) ?? 0);
    },
  };
}

function cutAt(handle: FileHandle, bytes: number): FileHandle {
  return {
    direct: handle.direct,
    write: (buffers, position) => handle.write(buffers, position),
    read: (target, targetOffset, length, position) =>
      handle.read(target, targetOffset, Math.max(0, Math.min(length, bytes - position)), position),
    sync: () => handle.sync(),
    truncate: (length) => handle.truncate(length),
    size: async () => Math.min(await handle.size(), bytes),
    close: () => handle.close(),
  };
}

/** The oldest log file has no event below this sequence; 1 while there is none that can be read. */
export async function walFloorOf(
  fileSystem: WalSource,
  directory: string,
  crc32c: Crc32c,
): Promise<number> {
  const [oldest] = (await fileSystem.list(directory)).filter(
    (name) => parseWalFileName(name) !== undefined,
  );
  if (oldest === undefined) return 1;
  const header = await readHeader(fileSystem, `${directory}/${oldest}`, crc32c);
  return header?.sequenceFloor ?? 1;
}

/**
 * The random id in the header of a log file, as hexadecimal digits; undefined where the header is not whole.
 * Two files of one id and size hold the same: a log is only appended to.
 */
export async function walFileIdOf(
  fileSystem: FileSystem,
  path: string,
  crc32c: Crc32c,
): Promise<string | undefined> {
  const header = await readHeader(fileSystem, path, crc32c);
  return header && Buffer.from(header.fileId).toString('hex');
}

/** Undefined where the header is not whole, or of a newer version. */
async function readHeader(
  fileSystem: WalSource,
  path: string,
  crc32c: Crc32c,
): Promise<WalFileHeader | undefined> {
  const handle = await fileSystem.open(path, 'read');
  try {
    const block = new Uint8Array(WAL_BLOCK_BYTES);
    const read = await readFully(handle, block, 0, block.length, 0);
    const header = readWalFileHeader(block.subarray(0, read), crc32c);
    return header === undefined || 'newerVersion' in header ? undefined : header;
  } finally {
    await handle.close();
  }
}
