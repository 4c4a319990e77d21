/**
 * Hot rows as lines of JSON, at the port where the appliance encodes Parquet: the same rows in the same
 * files by the same days, read from the same segment files, at once and on this thread. The lake takes
 * data files as they are; that Parquet holds what it should is shown elsewhere.
 */
import { readFileSync } from 'node:fs';
import type { EncodedFile, EncodeRequest, ParquetEncoder } from '../../storage/parquet-encoder.ts';
import { readRows } from '../support/read-rows.ts';
import { isVisible, plainRow, type ShownRow } from './shown-rows.ts';

const DAY_MICROS = 86_400_000_000;

export const plainEncoder: ParquetEncoder = {
  async encode({ slices, columns, dayColumn }: EncodeRequest): Promise<readonly EncodedFile[]> {
    const files = new Map<number | null, ShownRow[]>();
    for (const { path, plan, fromRow, toRow } of slices) {
      const file = readFileSync(path);
      const { buffer } = new Uint8Array(file);
      for (const row of readRows({ plan, stagedRows: toRow, region: { buffer } }, fromRow)) {
        if (!isVisible(row)) continue;
        const plain = plainRow(row);
        const day =
          dayColumn === undefined ? null : Math.floor(Number(plain[dayColumn]) / DAY_MICROS);
        files.set(day, [...(files.get(day) ?? []), plain]);
      }
    }
    return [...files].map(([day, rows]) => ({
      day,
      rows: rows.length,
      bytes: Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join('')),
      columns: new Map(columns.map(({ fieldId }) => [fieldId, { valueCount: rows.length }])),
      splitOffsets: [],
    }));
  },
  close: () => Promise.resolve(),
};

/** The rows of a file that {@link plainEncoder} made. */
export function decodePlain(bytes: Uint8Array): ShownRow[] {
  const lines = Buffer.from(bytes).toString('utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as ShownRow);
}
