/**
 * The directory of a tenant's hot files. Shared memory is reached through the operating system alone,
 * not through the file-system port: it holds nothing a crash could lose, since every start makes it
 * anew from the log.
 */
import { existsSync, mkdirSync, readdirSync, rmdirSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { REGISTRY_FILE } from './segment-format.ts';

/**
 * Makes `directory`, for its owner alone, and removes the hot files an earlier process left there.
 * Other files are left alone: a wrong setting must not delete anything.
 * @returns how to remove one hot file.
 */
export function clearHotDirectory(directory: string): (path: string) => void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(directory)) {
    if (isHotFile(name)) removeFile(join(directory, name));
  }
  return removeFile;
}

/** Writes a small file of a hot directory whole. Nobody reads it yet. */
export function writeHotFile(path: string, bytes: Uint8Array): void {
  writeFileSync(path, bytes, { mode: 0o600 });
}

/** Removes the hot files of `directory`, and the directory when nothing else is in it. */
export function removeHotDirectory(directory: string): void {
  if (!existsSync(directory)) return;
  clearHotDirectory(directory);
  if (readdirSync(directory).length === 0) rmdirSync(directory);
}

/** A file that is gone is removed. */
function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function isHotFile(name: string): boolean {
  return name === REGISTRY_FILE || /^[a-z0-9_]+(-\d+\.(seg|cold)|\.array)$/.test(name);
}
