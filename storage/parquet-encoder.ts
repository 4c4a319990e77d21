/**
 * Hot rows as Parquet files: what one flush of one table asks for, and what it gets.
 *
 * One file for each day that the visible rows were received on, or more where they are many; a table
 * without days makes one of it all. Hidden rows are left out, so hidden rows alone give no file.
 *
 * - A file's footer was decoded again and agrees with what was to be written.
 * - What the mask hides while the rows are read is hidden or not, row by row: who hides rows that are
 *   being flushed waits until the flush is over.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import type { RecordBatch } from './arrow.ts';
import { ColumnBounds } from './column-bounds.ts';
import type { FileSystem } from './file-system.ts';
import type { ColumnMetrics } from './lake/data-file.ts';
import { readParquetFooter, writeParquet } from './parquet-wasm.ts';
import { type RowRuns, runsByDay, visibleRuns } from './row-runs.ts';
import { SegmentSlice, type SliceReference } from './segment-slice.ts';
import { arrowSchema, type FlushColumn, toRecordBatch } from './segment-to-arrow.ts';

/**
 * Rows of one file, at which the next begins: of events, 100 to 150 MB. Files are encoded in memory,
 * and a query reads several at once.
 */
const FILE_ROWS_MAX = 32 * LIMITS.segmentRowsMax;

/** Plain data, so that it crosses to a thread. */
export interface EncodeRequest {
  /** In the order of their rows. */
  readonly slices: readonly SliceReference[];
  readonly columns: readonly FlushColumn[];
  /** The timestamp column whose UTC day makes the files. */
  readonly dayColumn: string | undefined;
}

/** A data file that is not stored yet. */
export interface EncodedFile {
  /** Days since 1970-01-01; null where the table has no days. */
  readonly day: number | null;
  readonly rows: number;
  readonly bytes: Uint8Array;
  /** By field id. */
  readonly columns: ReadonlyMap<number, ColumnMetrics>;
  readonly splitOffsets: readonly number[];
}

/** Encodes one request after another. {@link ParquetThread} is the one of the appliance. */
export interface ParquetEncoder {
  encode(request: EncodeRequest): Promise<readonly EncodedFile[]>;
  close(): Promise<void>;
}

/** Rows of one slice that go to one file. */
interface Piece {
  readonly slice: SliceReference;
  readonly runs: RowRuns;
}

interface PlannedFile {
  readonly day: number | null;
  rows: number;
  readonly pieces: Piece[];
}

/** Encodes on the calling thread. @throws the file system's error. */
export async function encodeSegments(
  fileSystem: FileSystem,
  request: EncodeRequest,
): Promise<EncodedFile[]> {
  const files: EncodedFile[] = [];
  for (const { day, pieces } of await planFiles(fileSystem, request)) {
    files.push(await encodeFile(fileSystem, request.columns, day, pieces));
  }
  return files;
}

async function planFiles(
  fileSystem: FileSystem,
  { slices, dayColumn }: EncodeRequest,
): Promise<PlannedFile[]> {
  const files: PlannedFile[] = [];
  const newest = new Map<number | null, PlannedFile>();
  for (const reference of slices) {
    const slice = await SegmentSlice.open(fileSystem, reference);
    try {
      const visible = visibleRuns(await slice.hiddenBits(), slice.rowCount);
      for (const [day, runs] of await daysOf(slice, visible, dayColumn)) {
        let file = newest.get(day);
        if (file === undefined || file.rows + runs.count > FILE_ROWS_MAX) {
          file = { day, rows: 0, pieces: [] };
          newest.set(day, file);
          files.push(file);
        }
        file.pieces.push({ slice: reference, runs });
        file.rows += runs.count;
      }
    } finally {
      await slice.close();
    }
  }
  return files;
}

async function daysOf(
  slice: SegmentSlice,
  runs: RowRuns,
  dayColumn: string | undefined,
): Promise<ReadonlyMap<number | null, RowRuns>> {
  if (runs.count === 0) return new Map();
  if (dayColumn === undefined) return new Map([[null, runs]]);
  const column = slice.plan.columns.find(({ name }) => name === dayColumn);
  assert(column?.type === 'timestamp', 'the day of a row comes from a timestamp');
  const values = await slice.values(column);
  return runsByDay(runs, new Int32Array(values.buffer, values.byteOffset, values.length / 4));
}

async function encodeFile(
  fileSystem: FileSystem,
  columns: readonly FlushColumn[],
  day: number | null,
  pieces: readonly Piece[],
): Promise<EncodedFile> {
  const bounds = columns.map(
    ({ type }) => new ColumnBounds(type !== 'uint32' && type !== 'dictionary'),
  );
  const schema = arrowSchema(columns);
  async function* batches(): AsyncGenerator<RecordBatch> {
    for (const { slice: reference, runs } of pieces) {
      const slice = await SegmentSlice.open(fileSystem, reference);
      try {
        yield await toRecordBatch(slice, runs, columns, schema, bounds);
      } finally {
        await slice.close();
      }
    }
  }
  const rows = pieces.reduce((sum, { runs }) => sum + runs.count, 0);
  const bytes = await writeParquet(
    batches(),
    columns.map(({ name, type, personal }) => ({
      name,
      personal,
      repeats: type === 'dictionary' || type === 'utf8' || type === 'uint32',
    })),
  );
  const footer = await readParquetFooter(bytes);
  assert(footer.rows === rows, 'a file has the rows that went into it');
  const metrics = columns.map(({ name, fieldId }, index) => {
    const written = footer.columns[index]!;
    assert(written.name === name && written.fieldId === fieldId, 'columns keep their field ids');
    return [fieldId, bounds[index]!.metrics(written.bytes)] as const;
  });
  return { day, rows, bytes, columns: new Map(metrics), splitOffsets: footer.splitOffsets };
}
