/**
 * Chooses where hot segments live. By default that is shared memory, in a directory named by the data
 * directory, so that two appliances on one machine never meet; where the machine has none that can be
 * written, it is a directory beside the data.
 *
 * Nothing durable is kept there: hot segments are rebuilt from the log.
 */
import { createHash } from 'node:crypto';
import { accessSync, constants, mkdirSync, realpathSync, rmdirSync } from 'node:fs';
import { join, resolve } from 'node:path';

const SHARED_MEMORY = '/dev/shm';

/**
 * Makes the directory too.
 * @param configured the option `hot_dir`; '' lets the appliance choose.
 * @param dataDirectory exists.
 */
export function prepareHotDirectory(configured: string, dataDirectory: string): string {
  const path = configured === '' ? chooseHotDirectory(dataDirectory) : resolve(configured);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

function chooseHotDirectory(dataDirectory: string): string {
  const real = realpathSync(dataDirectory);
  const name = createHash('sha256').update(real).digest('hex').slice(0, 16);
  return isWritable(SHARED_MEMORY) ? join(SHARED_MEMORY, `tributary-${name}`) : join(real, 'hot');
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
