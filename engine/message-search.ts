/**
 * Where a message id stands in the hot rows of `events`, hidden rows included: what no query shows.
 *
 * One native call looks through one segment; after a few of them others may run, so that a search through
 * a large tenant never holds up the write path. Segments may become cold meanwhile: the search goes on
 * with those that are left, and queries find what moved. Rows that were flushed are theirs as well, also while
 * their segment stays for the rows behind them; what they do not show is told for as long as it is in memory.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { native } from '../native/index.ts';
import type { HotTable } from '../storage/hot-table.ts';
import type { SegmentFile } from '../storage/segment-file.ts';
import { readDictionary, readU64 } from '../storage/segment-text.ts';

/** One row of `events` that has the message id. */
export interface MessageRow {
  readonly sequence: number;
  readonly receivedAtMicros: number;
  readonly source: string | null;
  /** A duplicate, or rejected. */
  readonly isHidden: boolean;
  readonly segmentId: number;
}

const SEGMENTS_PER_TURN = 8;
const HIDDEN_BIT = 2 ** 31;

/**
 * @param isErased whether an anchor was erased: its rows are passed over.
 * @returns the published rows of the id in commit order, `LIMITS.traceRowsMax` at most.
 */
export async function findMessage(
  events: HotTable,
  messageId: string,
  isErased: (anchor: number) => boolean,
): Promise<MessageRow[]> {
  const text = Buffer.from(messageId, 'utf8');
  const rows: MessageRow[] = [];
  let nextRow = 0;
  for (let count = 0; rows.length < LIMITS.traceRowsMax; count += 1) {
    if (count > 0 && count % SEGMENTS_PER_TURN === 0) await new Promise(setImmediate);
    const segment = events.segments.find(({ firstRow }) => firstRow >= nextRow);
    if (segment === undefined) break;
    nextRow = segment.firstRow + 1;
    const rowEnd = Math.min(segment.stagedRows, events.publishedRows - segment.firstRow);
    const coldRows = Math.max(0, events.floorRow - segment.firstRow);
    if (rowEnd > 0) search(segment, text, { coldRows, rowEnd }, isErased, rows);
  }
  return rows;
}

function search(
  segment: SegmentFile,
  text: Uint8Array,
  { coldRows, rowEnd }: { readonly coldRows: number; readonly rowEnd: number },
  isErased: (anchor: number) => boolean,
  rows: MessageRow[],
): void {
  const found = new Uint32Array(LIMITS.traceRowsMax - rows.length);
  const count = native.findText(segment.region, 'message_id', text, rowEnd, found);
  assert(count >= 0, 'events have a text column message_id');
  for (const value of found.subarray(0, count)) {
    const row = value % HIDDEN_BIT;
    const isHidden = value >= HIDDEN_BIT;
    if (row < coldRows && !isHidden) continue;
    if (isErased(segment.u32Column('anchor')[row]!)) continue;
    rows.push({
      sequence: readU64(segment, 'sequence', row),
      receivedAtMicros: readU64(segment, 'received_at', row),
      source: readDictionary(segment, 'source', row),
      isHidden,
      segmentId: segment.segmentId,
    });
  }
}
