/**
 * The rows of a batch of lines that the decoder could not read: those before the first that is to blame are stored,
 * and the import can name it. Found by halves, each stored as it proves readable.
 *
 * No line end stands within a row, since rows were cut at them.
 */
import { TributaryError } from '../base/errors.ts';
import { BATCH_HEAD, BATCH_TAIL } from '../engine/joined-rows.ts';
import type { BatchOutcome } from '../engine/types.ts';

const BETWEEN_ROWS = '\n,';

/** What became of a batch. */
export interface AppendedRows {
  readonly outcomes: readonly BatchOutcome[];
  /** Why the row behind `rowsBefore` stored ones cannot be read; undefined when all are stored. */
  readonly failure?: { readonly rowsBefore: number; readonly reason: string };
}

const UNREADABLE: ReadonlySet<string> = new Set([
  'TRIBUTARY_INGEST_JSON_MALFORMED',
  'TRIBUTARY_INGEST_JSON_TOO_DEEP',
  'TRIBUTARY_INGEST_NUMBER_OUT_OF_RANGE',
  'TRIBUTARY_INGEST_UTF8_INVALID',
]);

/** Whether a batch was refused for what is in it, by a decoder that does not tell the row. */
export function isUnreadable(error: unknown): error is TributaryError {
  return error instanceof TributaryError && UNREADABLE.has(error.code);
}

/**
 * Stores the rows of `batch` before the first that cannot be read.
 * @param append stores a batch. @throws what it throws, unless that is {@link isUnreadable}.
 */
export async function appendReadable(
  batch: Uint8Array,
  unreadable: TributaryError,
  append: (bytes: Uint8Array, rows: number) => Promise<BatchOutcome>,
): Promise<AppendedRows> {
  const bytes = Buffer.from(batch.buffer, batch.byteOffset, batch.length);
  const starts = rowStarts(bytes);
  const outcomes: BatchOutcome[] = [];
  let reason = reasonOf(unreadable);
  // The first row that cannot be read is in [first, end).
  let first = 0;
  for (let end = starts.length; end - first > 1; ) {
    const middle = (first + end) >> 1;
    const until = starts[middle]! - BETWEEN_ROWS.length;
    try {
      const rows = bytes.subarray(starts[first], until);
      const part = Buffer.concat([BATCH_HEAD, rows, BATCH_TAIL]);
      outcomes.push(await append(part, middle - first));
      first = middle;
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      reason = reasonOf(error);
      end = middle;
    }
  }
  return { outcomes, failure: { rowsBefore: first, reason } };
}

/** A message as a part of another. */
function reasonOf({ message }: TributaryError): string {
  return message.replace(/\.$/, '');
}

function rowStarts(batch: Buffer): number[] {
  const starts: number[] = [];
  for (let at = BATCH_HEAD.length; ; ) {
    starts.push(at);
    const between = batch.indexOf(BETWEEN_ROWS, at);
    if (between === -1) return starts;
    at = between + BETWEEN_ROWS.length;
  }
}
