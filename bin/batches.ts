/** Groups NDJSON lines into the bodies of batches. */
import { LIMITS } from '../base/limits.ts';

export interface LineBatch {
  /** `{"batch":[…]}`, the lines as they were. */
  readonly body: string;
  readonly events: number;
  /** Bytes of the lines with their ends, for progress. */
  readonly bytes: number;
}

/** Room for `{"batch":[` and `]}` below the limit of a body. */
const BODY_BYTES_MAX = LIMITS.batchBytesMax - 64;

/** Batches of at most `eventsMax` lines and of a size one request may have. Empty lines are left out. */
export async function* batchLines(
  lines: AsyncIterable<string>,
  eventsMax: number,
): AsyncGenerator<LineBatch> {
  let held: string[] = [];
  let bytes = 0;
  const take = (): LineBatch => {
    const batch = { body: `{"batch":[${held.join(',')}]}`, events: held.length, bytes };
    held = [];
    bytes = 0;
    return batch;
  };
  for await (const line of lines) {
    if (line.trim() === '') continue;
    const lineBytes = Buffer.byteLength(line) + 1;
    if (held.length > 0 && bytes + lineBytes > BODY_BYTES_MAX) yield take();
    held.push(line);
    bytes += lineBytes;
    if (held.length === eventsMax) yield take();
  }
  if (held.length > 0) yield take();
}
