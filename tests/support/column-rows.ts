import type { NativeColumnRows } from '../../native/index.ts';

/** What was written last. */
export function textOfRows(rows: NativeColumnRows): string {
  const text = Buffer.alloc(rows.textBytes);
  rows.copyText(text);
  return text.toString('utf8');
}
