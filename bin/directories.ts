/**
 * Directories that somebody named: made where they are missing, and refused by name where they cannot be used.
 *
 * Why not `mkdir` with `recursive`: below a directory that exists but in which nothing can be made, such as
 * /proc, Node's (20 and 22, with and without a callback) tries again for ever.
 *
 * - A directory that is written to was written to when it was checked: permissions do not tell it all, least of
 *   all to root.
 * - Failure leaves the parents that could be made.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  opendirSync,
  realpathSync,
  rmdirSync,
  statSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { TributaryError } from '../base/errors.ts';
import { hasErrno } from '../storage/file-system.ts';

export interface MadeDirectory {
  /** Its real path. */
  readonly path: string;
  /** The real path of the first directory that was missing; its own where none was. */
  readonly firstMade: string;
}

/**
 * Makes a directory and its missing parents for their owner alone, and makes sure that it can be written.
 * @param option what it was named by, for the message: `data_dir`, `--to`.
 * @throws TributaryError TRIBUTARY_CONFIG_DIRECTORY_UNUSABLE
 */
export function makeDirectory(option: string, path: string): MadeDirectory {
  return refusing(option, path, (absolute) => {
    const made = makeMissing(absolute);
    probe(absolute);
    return { path: realpathSync(absolute), firstMade: realpathSync(made) };
  });
}

/**
 * A directory that is only read. @returns its real path.
 * @throws TributaryError TRIBUTARY_CONFIG_DIRECTORY_UNUSABLE also when there is none.
 */
export function requireDirectory(option: string, path: string): string {
  return refusing(option, path, (absolute) => {
    opendirSync(absolute).closeSync();
    return realpathSync(absolute);
  });
}

function refusing<Result>(
  option: string,
  path: string,
  work: (absolute: string) => Result,
): Result {
  const absolute = resolve(path);
  try {
    return work(absolute);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const parameters = { option, path: absolute, reason };
    throw new TributaryError('TRIBUTARY_CONFIG_DIRECTORY_UNUSABLE', parameters, cause);
  }
}

/** One after the other from the top. @returns the first that was missing, or `path` itself. */
function makeMissing(path: string): string {
  const missing: string[] = [];
  for (let at = path; !existsSync(at) && at !== dirname(at); at = dirname(at)) missing.unshift(at);
  for (const directory of missing) {
    try {
      mkdirSync(directory, { mode: 0o700 });
    } catch (error) {
      // Another process may have been faster; whether it made a directory is seen below.
      if (!hasErrno(error, 'EEXIST') || !statSync(directory).isDirectory()) throw error;
    }
  }
  return missing[0] ?? path;
}

/** Writes where it matters. A full disk is no refusal: an appliance starts on one, and says so. */
function probe(directory: string): void {
  try {
    rmdirSync(mkdtempSync(join(directory, '.tributary-')));
  } catch (error) {
    if (!hasErrno(error, 'ENOSPC') && !hasErrno(error, 'EDQUOT')) throw error;
  }
}
