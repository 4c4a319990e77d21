/**
 * Writes a checkpoint: the parts of a state at rest, piece by piece, in memory that does not depend on
 * their size.
 *
 * Failure, or a kill at any point: the file of the final name does not exist, or is whole and durable.
 * What was begun is left under a temporary name, which the next one replaces.
 */
import { MIB } from '../base/units.ts';
import {
  CHECKPOINT_FORMAT_VERSION,
  CHECKPOINT_MAGIC,
  CHECKPOINT_TRAILER_BYTES,
  type CheckpointPart,
  checkpointFileName,
  serialiseContents,
} from './checkpoint-format.ts';
import type { Crc32c } from './crc32c.ts';
import { type FileSystem, writeFully } from './file-system.ts';
import type { StatePart } from './state-part.ts';

const PIECE_BYTES = 4 * MIB;
/** Of a checkpoint that is being written. */
export const CHECKPOINT_TEMPORARY = 'checkpoint.tmp';

export interface CheckpointWriteOptions {
  readonly fileSystem: FileSystem;
  /** It exists. One checkpoint at a time is written to it. */
  readonly directory: string;
  readonly crc32c: Crc32c;
  readonly tenantId: string;
  readonly nextSequence: number;
  /** Nothing changes them until the promise settles. */
  readonly parts: readonly StatePart[];
}

/** @returns the size of the file, bytes. @throws the file system's error. */
export async function writeCheckpoint(options: CheckpointWriteOptions): Promise<number> {
  const { fileSystem, directory, crc32c, tenantId, nextSequence } = options;
  const temporary = `${directory}/${CHECKPOINT_TEMPORARY}`;
  if (await fileSystem.exists(temporary)) await fileSystem.unlink(temporary);
  const handle = await fileSystem.open(temporary, 'create');
  let position = 0;
  try {
    const write = async (bytes: Uint8Array): Promise<void> => {
      await writeFully(handle, bytes, position);
      position += bytes.length;
    };
    const piece = new Uint8Array(PIECE_BYTES);
    const parts: CheckpointPart[] = [];
    for (const part of options.parts) {
      let crc = 0;
      for (let offset = 0; offset < part.bytes; offset += PIECE_BYTES) {
        const target = piece.subarray(0, Math.min(PIECE_BYTES, part.bytes - offset));
        part.read(offset, target);
        crc = crc32c(target, 0, target.length, crc);
        await write(target);
      }
      parts.push({ name: part.name, bytes: part.bytes, crc });
    }
    const contents = serialiseContents({ tenantId, nextSequence, parts });
    await write(contents);
    await write(trailerOf(contents, crc32c));
    await handle.sync();
  } finally {
    await handle.close();
  }
  await fileSystem.rename(temporary, `${directory}/${checkpointFileName(nextSequence)}`);
  await fileSystem.syncDirectory(directory);
  return position;
}

function trailerOf(contents: Uint8Array, crc32c: Crc32c): Uint8Array {
  const trailer = Buffer.alloc(CHECKPOINT_TRAILER_BYTES);
  trailer.writeUInt32LE(contents.length, 0);
  trailer.writeUInt32LE(crc32c(contents, 0, contents.length, 0), 4);
  trailer.writeUInt32LE(CHECKPOINT_FORMAT_VERSION, 8);
  trailer.write(CHECKPOINT_MAGIC, 16, 'latin1');
  return trailer;
}
