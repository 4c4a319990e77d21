/**
 * Copies and digests of whole files, in pieces, so that a file of any size takes the same memory.
 *
 * The digest is SHA-256 and not the CRC-32C of everything else here: a backup names content by it, and two
 * contents of one name would be one of them lost.
 */
import { createHash } from 'node:crypto';
import { MIB } from '../base/units.ts';
import { type FileHandle, type FileSystem, readFully, writeFully } from './file-system.ts';

const PIECE_BYTES = 4 * MIB;

/** What a content is known by. */
export interface FileDigest {
  readonly bytes: number;
  /** 64 lower-case hexadecimal digits. */
  readonly sha256: string;
}

/**
 * Copies the first `bytesMax` bytes of `from`, or all there are, to the new file `to`, and syncs it; its name
 * is the caller's to make durable.
 */
export async function copyFile(
  fileSystem: FileSystem,
  from: string,
  to: string,
  bytesMax: number = Number.POSITIVE_INFINITY,
): Promise<FileDigest> {
  const source = await fileSystem.open(from, 'read');
  try {
    const target = await fileSystem.open(to, 'create');
    try {
      const digest = await passOver(source, bytesMax, (piece, position) =>
        writeFully(target, piece, position),
      );
      await target.sync();
      return digest;
    } finally {
      await target.close();
    }
  } finally {
    await source.close();
  }
}

export async function digestFile(fileSystem: FileSystem, path: string): Promise<FileDigest> {
  const handle = await fileSystem.open(path, 'read');
  try {
    return await passOver(handle, Number.POSITIVE_INFINITY);
  } finally {
    await handle.close();
  }
}

/** @param take gets each piece, which is overwritten once it has settled. */
async function passOver(
  source: FileHandle,
  bytesMax: number,
  take?: (piece: Uint8Array, position: number) => Promise<void>,
): Promise<FileDigest> {
  const end = Math.min(await source.size(), bytesMax);
  const buffer = new Uint8Array(Math.min(end, PIECE_BYTES));
  const hash = createHash('sha256');
  let position = 0;
  while (position < end) {
    const wanted = Math.min(buffer.length, end - position);
    const read = await readFully(source, buffer, 0, wanted, position);
    if (read === 0) break;
    const piece = buffer.subarray(0, read);
    hash.update(piece);
    await take?.(piece, position);
    position += read;
  }
  return { bytes: position, sha256: hash.digest('hex') };
}
