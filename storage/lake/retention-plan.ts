/**
 * Which files of a table retention drops: whole ones, whose rows were all received too long ago. Pure.
 *
 * - A row is kept for `days` at least, and for a day more at most: files hold rows of one day (UTC).
 * - No row is dropped that a query could not see to be old: the day is that of `received_at`, which the
 *   appliance gives, not one that a client claims.
 */
import type { LiveFile } from './data-file.ts';

/** @param today days since 1970-01-01. */
export function planRetention(
  files: readonly LiveFile[],
  today: number,
  days: number,
): readonly LiveFile[] {
  return files.filter(({ day }) => day !== null && day < today - days);
}
