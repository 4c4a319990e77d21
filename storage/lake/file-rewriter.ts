/**
 * The port through which data files are written anew: several into one, sorted, without some of the rows.
 * query/rewrite-process.ts is the one of the appliance.
 */
import type { RowCondition } from '../row-condition.ts';
import type { ColumnMetrics } from './data-file.ts';
import type { LakeColumn } from './schema.ts';

/** Plain data, so that it crosses to a process. */
export interface RewriteRequest {
  /** Paths of Parquet files, of any version of the columns. */
  readonly inputs: readonly string[];
  /** Path of the new file; there is none yet. */
  readonly output: string;
  /** A directory that exists, for what a sort spills. */
  readonly temporaryDirectory: string;
  /** The columns of the new file. */
  readonly columns: readonly LakeColumn[];
  /** Ascending, nulls first. */
  readonly sortBy: readonly string[];
  /** Rows that are left out. Where the inputs have none of them, nothing is written. */
  readonly except?: readonly RowCondition[];
}

export interface RewrittenFile {
  /** Of all inputs, those left out included. */
  readonly inputRows: number;
  readonly rows: number;
  /** By field id; personal columns without bounds. */
  readonly columns: ReadonlyMap<number, ColumnMetrics>;
  readonly splitOffsets: readonly number[];
}

export interface FileRewriter {
  /**
   * Writes the new file and reads it back: it has exactly the rows of the inputs that are not left out.
   * The file is not synced. One request runs at a time.
   * @throws TRIBUTARY_LAKE_REWRITE_FAILED; a part of the output may be there.
   */
  rewrite(request: RewriteRequest): Promise<RewrittenFile>;
  /** Ends the request under way, which fails. Idempotent. */
  close(): Promise<void>;
}
