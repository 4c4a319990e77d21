/**
 * The CRC-32C of a whole file, read in pieces, so that a file of any size takes the same memory. A piece is
 * small: whoever asks may be serving meanwhile, and a checksum holds up its thread.
 */
import { MIB } from '../base/units.ts';
import type { Crc32c } from './crc32c.ts';
import { type FileSystem, readFully } from './file-system.ts';

const PIECE_BYTES = MIB;

/** @throws the file system's error. */
export async function crcOfFile(
  fileSystem: FileSystem,
  path: string,
  crc32c: Crc32c,
): Promise<number> {
  const handle = await fileSystem.open(path, 'read');
  try {
    const buffer = new Uint8Array(PIECE_BYTES);
    let crc = 0;
    for (let position = 0; ; ) {
      const read = await readFully(handle, buffer, 0, buffer.length, position);
      if (read === 0) return crc;
      crc = crc32c(buffer, 0, read, crc);
      position += read;
    }
  } finally {
    await handle.close();
  }
}
