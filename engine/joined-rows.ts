/**
 * Rows as the inside of a batch: lines joined by commas, and msgpack maps one behind the other, each with a message id
 * where it is told to. Every byte is copied once, natively (native/src/import_rows.cc).
 */
import { type JoinedLines, native } from '../native/index.ts';

/** The message ids that rows get: their number behind a prefix. */
export interface RowIds {
  /** At most 200 bytes. */
  readonly prefix: Uint8Array;
  readonly firstRow: number;
}

export interface LineLimits {
  /** Whether the end of the bytes is the end of a line. */
  readonly isComplete: boolean;
  readonly rowsMax: number;
}

/** What stands around the rows of a batch of JSON. */
export const BATCH_HEAD = Buffer.from('{"batch":[');
export const BATCH_TAIL = Buffer.from(']}');

/** As {@link joinLines}, with what stands around the rows. @returns also the batch, a part of `target`. */
export function batchOfLines(
  source: Uint8Array,
  target: Buffer,
  limits: LineLimits,
  ids?: RowIds,
): JoinedLines & { readonly bytes: Buffer } {
  const rows = target.subarray(BATCH_HEAD.length, target.length - BATCH_TAIL.length);
  const joined = joinLines(source, rows, limits, ids);
  BATCH_HEAD.copy(target);
  const end = BATCH_HEAD.length + joined.bytesWritten;
  return { ...joined, bytes: target.subarray(0, end + BATCH_TAIL.copy(target, end)) };
}

/**
 * Writes the lines of `source` that are whole to `target`, without blank ones, as many as fit, each behind a comma but the
 * first. With `ids` each gets a message id, its first member.
 */
export function joinLines(
  source: Uint8Array,
  target: Uint8Array,
  { isComplete, rowsMax }: LineLimits,
  ids?: RowIds,
): JoinedLines {
  return native.joinLines(source, target, isComplete, rowsMax, ids?.prefix, ids?.firstRow ?? 0);
}

/**
 * Writes the msgpack maps of `source` that end at the first `rows` of `ends`, one behind the other, to `target`, each
 * with a message id, its first entry.
 * @returns bytes written, or -1 less the place of a row that is no map.
 */
export function joinMaps(
  source: Uint8Array,
  ends: Uint32Array,
  rows: number,
  target: Uint8Array,
  ids: RowIds,
): number {
  return native.joinMaps(source, ends, rows, target, ids.prefix, ids.firstRow);
}
