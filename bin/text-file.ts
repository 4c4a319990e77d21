/** A file that a command is given, as text. */
import { readFile } from 'node:fs/promises';
import { TributaryError } from '../base/errors.ts';

/** @throws TributaryError TRIBUTARY_CONFIG_FILE_UNREADABLE */
export async function readTextFile(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw unreadable(path, cause);
  }
}

/** @param cause what the file system said. */
export function unreadable(path: string, cause: unknown): TributaryError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TributaryError('TRIBUTARY_CONFIG_FILE_UNREADABLE', { path, reason }, cause);
}
