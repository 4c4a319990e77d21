/** Groups NDJSON lines into the bodies of batches. */
import { isJson } from '../base/json-text.ts';
import { LIMITS } from '../base/limits.ts';

export interface LineBatch {
  /** In their order, without empty ones. */
  readonly lines: readonly NumberedLine[];
  /** Bytes of the lines with their ends, for progress. */
  readonly bytes: number;
}

export interface NumberedLine {
  /** In the file, from 1, empty lines counted. */
  readonly number: number;
  readonly text: string;
}

/** Room for `{"batch":[` and `]}` below the limit of a body. */
const BODY_BYTES_MAX = LIMITS.batchBytesMax - 64;

/** Batches of at most `eventsMax` lines and of a size one request may have. Empty lines are left out. */
export async function* batchLines(
  lines: AsyncIterable<string>,
  eventsMax: number,
): AsyncGenerator<LineBatch> {
  let held: NumberedLine[] = [];
  let bytes = 0;
  let number = 0;
  const take = (): LineBatch => {
    const batch = { lines: held, bytes };
    held = [];
    bytes = 0;
    return batch;
  };
  for await (const text of lines) {
    number += 1;
    if (text.trim() === '') continue;
    const lineBytes = Buffer.byteLength(text) + 1;
    if (held.length > 0 && bytes + lineBytes > BODY_BYTES_MAX) yield take();
    held.push({ number, text });
    bytes += lineBytes;
    if (held.length === eventsMax) yield take();
  }
  if (held.length > 0) yield take();
}

/** `{"batch":[…]}`, the lines as they were; each is JSON ({@link malformedLine}). */
export function bodyOf({ lines }: LineBatch): string {
  return `{"batch":[${lines.map(({ text }) => text).join(',')}]}`;
}

/** The first line that is no JSON by itself. */
export function malformedLine({ lines }: LineBatch): NumberedLine | undefined {
  return lines.find(({ text }) => !isJson(text));
}
