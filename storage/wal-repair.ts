/**
 * Carries out the plan that reading the log came to. The two steps enclose the creation of the next
 * file: a tail is cut before anything can follow it, and a file without records is removed only once
 * its successor holds the sequence the log has reached. Either can be repeated after a crash.
 */
import type { FileSystem } from './file-system.ts';
import type { WalRepair } from './wal-reader.ts';

/** Cuts the torn tail, and makes durable what was recovered from the last file. */
export async function cutTornTail(
  fileSystem: FileSystem,
  directory: string,
  repair: WalRepair,
): Promise<void> {
  const { truncate } = repair;
  for (const name of new Set([repair.sync, truncate?.name])) {
    if (name === undefined) continue;
    const handle = await fileSystem.open(`${directory}/${name}`, 'edit');
    try {
      if (truncate?.name === name) await handle.truncate(truncate.bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

/** Removes the files without records. */
export async function removeEmptyFiles(
  fileSystem: FileSystem,
  directory: string,
  repair: WalRepair,
): Promise<void> {
  for (const name of repair.remove) await fileSystem.unlink(`${directory}/${name}`);
  if (repair.remove.length > 0) await fileSystem.syncDirectory(directory);
}
