/**
 * The port through which hot rows become Parquet files: what one flush of one table asks for, and what it
 * gets. query/encode-process.ts is the one of the appliance.
 *
 * One file for each day that the visible rows were received on, or more where they are many; a table
 * without days makes one of it all. Hidden rows are left out, so hidden rows alone give no file.
 *
 * - What the mask hides while the rows are read is hidden or not, row by row: who hides rows that are
 *   being flushed waits until the flush is over.
 */
import type { SliceReference } from '../native/index.ts';
import type { ColumnMetrics } from './lake/data-file.ts';
import type { LakeColumn } from './lake/schema.ts';
import type { ColumnType } from './segment-format.ts';

/** A column of a data file, and how its hot rows are stored. */
export interface FlushColumn extends LakeColumn {
  readonly hotType: ColumnType;
}

/** Plain data, so that it crosses to a process. */
export interface EncodeRequest {
  /** Of segments of one table, in the order of their rows. */
  readonly slices: readonly SliceReference[];
  readonly columns: readonly FlushColumn[];
  /** The timestamp column whose UTC day makes the files. */
  readonly dayColumn: string | undefined;
  /** Path of the first file; a number is put behind it. Files that are there are written over. */
  readonly output: string;
  /** Whether hot storage fills faster than it is flushed, so that the write path had better wait a little. */
  readonly isUrgent: boolean;
  /** A directory that exists, for what does not fit memory. */
  readonly temporaryDirectory: string;
}

/** A data file that is not stored yet, and not synced. */
export interface EncodedFile {
  readonly path: string;
  /** Days since 1970-01-01; null where the table has no days. */
  readonly day: number | null;
  readonly rows: number;
  /** By field id; personal columns without bounds. */
  readonly columns: ReadonlyMap<number, ColumnMetrics>;
  readonly splitOffsets: readonly number[];
}

/** Encodes one request after another. */
export interface ParquetEncoder {
  /** @throws TRIBUTARY_LAKE_ENCODE_FAILED; parts of files may be there. */
  encode(request: EncodeRequest): Promise<readonly EncodedFile[]>;
  /** Ends the requests under way, which fail. Idempotent. */
  close(): Promise<void>;
}
