/** A query of the appliance's own for one answer: its rows, held whole and so bounded. */
import { TributaryError } from '../base/errors.ts';
import type { SqlExecutor } from './ports.ts';

export interface RowsQuery {
  readonly sql: string;
  readonly params: readonly (string | number | boolean | null)[];
  /** Of the result as JSON. */
  readonly bytesMax: number;
  readonly timeoutMs: number;
}

export type Row = readonly unknown[];

/**
 * Runs a statement that analysts could run too, with their budgets and in their queue.
 * @throws TributaryError as a rejection: TRIBUTARY_QUERY_*.
 */
export function queryRows(
  executor: SqlExecutor,
  tenantId: string,
  { sql, params, bytesMax, timeoutMs }: RowsQuery,
): Promise<readonly Row[]> {
  return new Promise((resolve, reject) => {
    const pieces: Uint8Array[] = [];
    let bytes = 0;
    const request = { sql, params, format: 'json', timeout_ms: timeoutMs };
    executor.execute(tenantId, request, {
      begin() {},
      onDrain() {},
      write(piece) {
        bytes += piece.length;
        if (bytes <= bytesMax) pieces.push(piece);
        return true;
      },
      end() {
        if (bytes > bytesMax) {
          const parameters = { limit: bytesMax, unit: 'bytes' };
          reject(new TributaryError('TRIBUTARY_QUERY_RESULT_TOO_LARGE', parameters));
          return;
        }
        const text = Buffer.concat(pieces).toString('utf8');
        resolve((JSON.parse(text) as { readonly rows: readonly Row[] }).rows);
      },
      fail: (error) => reject(error),
    });
  });
}
