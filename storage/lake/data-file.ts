/**
 * A data file of a lake table, as its manifest describes it: what a planner needs to leave it out, and
 * what a reader needs to find it.
 */

/**
 * A value of a column, by its type: boolean; number for int, date (days since 1970-01-01), float and
 * double; bigint for long, timestamp and timestamptz (microseconds since 1970-01-01T00:00:00Z); string;
 * bytes for binary.
 */
export type LakeValue = boolean | number | bigint | string | Uint8Array;

/** What is known of one column in one file. */
export interface ColumnMetrics {
  /** On disk, bytes. */
  readonly bytes?: number;
  /** Values, nulls included. */
  readonly valueCount?: number;
  readonly nullCount?: number;
  /** Of float and double only. */
  readonly nanCount?: number;
  /**
   * No value is below it. As read back, a string is cut after 16 code points, so it may be below the
   * least value; absent when all values are null or the column is personal.
   */
  readonly lower?: LakeValue;
  /** No value is above it; a cut string is rounded up. */
  readonly upper?: LakeValue;
  /** Of a string: all values but NULL, once each; absent where they are many, or the column is personal. */
  readonly values?: readonly string[];
}

export interface DataFile {
  /** `s3://<lake>/<namespace>/<table>-<8hex>/data/…`, from {@link LakeTable.newDataFile}. */
  readonly location: string;
  /** Days since 1970-01-01 of every row's partition column; null for a table of one partition. */
  readonly day: number | null;
  readonly recordCount: number;
  readonly fileBytes: number;
  /** By field id. A writer may leave out what it does not know. */
  readonly columns: ReadonlyMap<number, ColumnMetrics>;
  /** Where row groups begin, bytes, ascending. */
  readonly splitOffsets: readonly number[];
  /** Whether rows are in the table's sort order. */
  readonly sorted: boolean;
}

/** A data file that a snapshot holds. */
export interface LiveFile extends DataFile {
  /** The snapshot that added it. */
  readonly snapshotId: bigint;
}
