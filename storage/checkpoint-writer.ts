/**
 * Writes a checkpoint: the parts of a state at rest, piece by piece, in memory that does not depend on
 * their size.
 *
 * Failure, or a kill at any point: the file of the final name does not exist, or is whole and durable.
 * What was begun is left under a temporary name, which the next one replaces.
 */
import {
  CHECKPOINT_FORMAT_VERSION,
  CHECKPOINT_MAGIC,
  CHECKPOINT_TRAILER_BYTES,
  type CheckpointPart,
  checkpointFileName,
  serialiseContents,
} from './checkpoint-format.ts';
import type { Crc32c } from './crc32c.ts';
import type { FileSystem } from './file-system.ts';
import type { StatePart } from './state-part.ts';
import { StreamWriter } from './stream-writer.ts';

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
  const handle = await fileSystem.open(temporary, 'create', { direct: true });
  const stream = new StreamWriter(fileSystem, handle);
  let bytes: number;
  try {
    const parts: CheckpointPart[] = [];
    for (const part of options.parts) {
      let crc = 0;
      await stream.append(part.bytes, (offset, target) => {
        part.read(offset, target);
        crc = crc32c(target, 0, target.length, crc);
      });
      parts.push({ name: part.name, bytes: part.bytes, crc });
    }
    const contents = serialiseContents({ tenantId, nextSequence, parts });
    const end = Buffer.concat([contents, trailerOf(contents, crc32c)]);
    await stream.append(end.length, (offset, target) =>
      target.set(end.subarray(offset, offset + target.length)),
    );
    bytes = await stream.finish();
  } finally {
    await stream.close();
    await handle.close();
  }
  await fileSystem.rename(temporary, `${directory}/${checkpointFileName(nextSequence)}`);
  await fileSystem.syncDirectory(directory);
  return bytes;
}

function trailerOf(contents: Uint8Array, crc32c: Crc32c): Uint8Array {
  const trailer = Buffer.alloc(CHECKPOINT_TRAILER_BYTES);
  trailer.writeUInt32LE(contents.length, 0);
  trailer.writeUInt32LE(crc32c(contents, 0, contents.length, 0), 4);
  trailer.writeUInt32LE(CHECKPOINT_FORMAT_VERSION, 8);
  trailer.write(CHECKPOINT_MAGIC, 16, 'latin1');
  return trailer;
}
