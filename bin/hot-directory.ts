/**
 * Chooses where hot segments live. By default that is shared memory, in a directory named by the data
 * directory, so that two appliances on one machine never meet; where the machine has none that can be
 * written, or hardly any, it is a directory beside the data.
 *
 * Nothing durable is kept there: hot segments are rebuilt from the log.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, realpathSync, rmdirSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { MIB } from '../base/units.ts';
import { makeDirectory } from './directories.ts';

const SHARED_MEMORY = '/dev/shm';

/** Where hot data goes, and how much of it there can be. */
export interface HotPlace {
  readonly path: string;
  /** At most what was configured, and less where the file system is smaller. */
  readonly bytesMax: number;
}

/** Shared memory below this is no place for hot data: containers often have 64 MiB. */
const SHARED_MEMORY_BYTES_MIN = 512 * MIB;
/** Of the file system that hot segments may fill; identity and others need the rest. */
const FILE_SYSTEM_SHARE = 0.8;

/**
 * Makes the directory too.
 * @param configured the option `hot_dir`; '' lets the appliance choose.
 * @param dataDirectory exists.
 * @param bytesMax the option `hot_bytes_max`.
 * @throws TributaryError TRIBUTARY_CONFIG_DIRECTORY_UNUSABLE
 */
export function prepareHotDirectory(
  configured: string,
  dataDirectory: string,
  bytesMax: number,
): HotPlace {
  const wanted = configured === '' ? chooseHotDirectory(dataDirectory) : configured;
  const { path } = makeDirectory('hot_dir', wanted);
  const room = Math.floor(fileSystemBytes(path) * FILE_SYSTEM_SHARE);
  return { path, bytesMax: Math.min(bytesMax, room) };
}

function chooseHotDirectory(dataDirectory: string): string {
  const real = realpathSync(dataDirectory);
  const name = createHash('sha256').update(real).digest('hex').slice(0, 16);
  const isRoomy =
    isWritable(SHARED_MEMORY) && fileSystemBytes(SHARED_MEMORY) >= SHARED_MEMORY_BYTES_MIN;
  return isRoomy ? join(SHARED_MEMORY, `tributary-${name}`) : join(real, 'hot');
}

/** What the file system holds in all, used or not. */
function fileSystemBytes(path: string): number {
  const { blocks, bsize } = statfsSync(path);
  return blocks * bsize;
}

function isWritable(path: string): boolean {
  try {
    accessSync(path, constants.W_OK | constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Removes the directory if nothing is left in it: shared memory would keep it until the next boot. */
export function removeIfEmpty(path: string): void {
  try {
    rmdirSync(path);
  } catch {
    // Something is left in it, or it is gone: either way it is not ours to remove.
  }
}
