/**
 * Hot rows as lines of JSON, at the port where the appliance encodes Parquet: the same rows in the same
 * files by the same days, read from the same segment files, on this thread. The lake takes data files as they
 * are; that Parquet holds what it should is shown elsewhere.
 */
import { readFileSync } from 'node:fs';
import type { TenantCapacities } from '../../engine/capacities.ts';
import { type FileSystem, writeFully } from '../../storage/file-system.ts';
import type { ColumnMetrics } from '../../storage/lake/data-file.ts';
import type { EncodedFile, EncodeRequest, ParquetEncoder } from '../../storage/parquet-encoder.ts';
import { planSegment, type SegmentPlan } from '../../storage/segment-format.ts';
import { readRows } from '../support/read-rows.ts';
import { isVisible, plainRow, type ShownRow } from './shown-rows.ts';

const DAY_MICROS = 86_400_000_000;

/** @param capacities those of the segments. */
export function plainEncoder(fileSystem: FileSystem, capacities: TenantCapacities): ParquetEncoder {
  return {
    async encode(request) {
      const { columns, output } = request;
      const encoded: EncodedFile[] = [];
      for (const [day, rows] of visibleRowsByDay(request, planOf(request, capacities))) {
        const path = `${output}-${encoded.length}`;
        await writeLines(fileSystem, path, rows);
        const metrics = plainMetrics(columns, rows.length);
        encoded.push({ path, day, rows: rows.length, columns: metrics, splitOffsets: [] });
      }
      return encoded;
    },
    close: () => Promise.resolve(),
  };
}

function planOf({ columns }: EncodeRequest, capacities: TenantCapacities): SegmentPlan {
  const { segmentRows, segmentHeaps, dictionaryEntries } = capacities;
  const hot = columns.map(({ name, hotType }) => ({ name, type: hotType }));
  const schema = { name: 'flushed', schemaId: 0, columns: hot };
  return planSegment(schema, segmentRows, segmentHeaps, dictionaryEntries);
}

function visibleRowsByDay(
  { slices, dayColumn }: EncodeRequest,
  plan: SegmentPlan,
): Map<number | null, ShownRow[]> {
  const days = new Map<number | null, ShownRow[]>();
  for (const { path, fromRow, toRow } of slices) {
    const file = readFileSync(path);
    const { buffer } = new Uint8Array(file);
    for (const row of readRows({ plan, stagedRows: toRow, region: { buffer } }, fromRow)) {
      if (!isVisible(row)) continue;
      const plain = plainRow(row);
      const day =
        dayColumn === undefined ? null : Math.floor(Number(plain[dayColumn]) / DAY_MICROS);
      days.set(day, [...(days.get(day) ?? []), plain]);
    }
  }
  return days;
}

/** Nothing is known of the values but how many there are. */
export function plainMetrics(
  columns: readonly { readonly id: number }[],
  rows: number,
): Map<number, ColumnMetrics> {
  return new Map(columns.map(({ id }) => [id, { valueCount: rows }]));
}

/** Writes a new file of rows, unsynced. */
export async function writeLines(
  fileSystem: FileSystem,
  path: string,
  rows: readonly ShownRow[],
): Promise<void> {
  if (await fileSystem.exists(path)) await fileSystem.unlink(path);
  const handle = await fileSystem.open(path, 'create');
  try {
    const text = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    await writeFully(handle, Buffer.from(text), 0);
  } finally {
    await handle.close();
  }
}

/** The rows of a file that {@link plainEncoder} made. */
export function decodePlain(bytes: Uint8Array): ShownRow[] {
  const lines = Buffer.from(bytes).toString('utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as ShownRow);
}
