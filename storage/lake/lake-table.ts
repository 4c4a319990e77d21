/**
 * A table of the lake, as the rest of the appliance uses it. `IcebergTable` is the implementation.
 *
 * Writing a file and adding it are two steps: a caller puts data files under locations it got from
 * {@link LakeTable.newDataFile}, and `commit` makes them part of the table, all or none. Files that no
 * commit took in are orphans, collected later.
 *
 * - Readers see snapshots, which never change. A snapshot with its files stays while it is pinned.
 * - A commit that has resolved is durable. One that was interrupted, or that the store failed, may or
 *   may not have happened, even later: committing again with the same `commitId` and files gives the one
 *   snapshot, whichever it was. A new id for the same rows could add them twice.
 * - The watermark never goes back: rows of sequences up to it are in the lake, all others are not.
 * - One appliance commits to a table; another one that does so too gets a conflict, never lost rows.
 */
import type { DataFile, LiveFile } from './data-file.ts';
import type { LakeColumnDefinition, LakeSchema, LakeType } from './schema.ts';

export interface LakeSnapshot {
  readonly snapshotId: bigint;
  readonly parentId: bigint | undefined;
  /** Microseconds since 1970-01-01T00:00:00Z, whole milliseconds. Never goes back. */
  readonly committedAtMicros: number;
  /** The schema that was current at the commit. */
  readonly schemaId: number;
  readonly operation: LakeOperation;
  /** Rows up to this sequence are in the snapshot; -1 where no commit has said yet. */
  readonly sequence: number;
  readonly totalRecords: number;
  readonly totalFiles: number;
  /** All that Iceberg's snapshot summary holds, the caller's own keys included. */
  readonly summary: Readonly<Record<string, string>>;
}

/**
 * As Iceberg defines them: `append` only adds, `replace` writes the same rows otherwise (compaction),
 * `overwrite` changes rows (erasure), `delete` only removes files (retention).
 */
export type LakeOperation = 'append' | 'replace' | 'overwrite' | 'delete';

export interface LakeCommit {
  /** Names the commit for ever: a repeated one is found again and not repeated. */
  readonly commitId: string;
  readonly operation: LakeOperation;
  readonly add: readonly DataFile[];
  /** Locations of live files. */
  readonly remove: readonly string[];
  /** The new watermark; the parent's is carried on when absent. */
  readonly sequence?: number;
  /** The caller's own keys, which start with `tributary.`; carried on by later commits until set anew. */
  readonly summary?: Readonly<Record<string, string>>;
}

export type SchemaChange =
  | { readonly kind: 'add'; readonly column: LakeColumnDefinition }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  /** `int` to `long`, `float` to `double`. */
  | { readonly kind: 'promote'; readonly name: string; readonly type: LakeType };

export interface SnapshotPin {
  /** Undefined while the table is empty. */
  readonly snapshot: LakeSnapshot | undefined;
  /** Idempotent. */
  release(): void;
}

export interface ExpiryOptions {
  /** Snapshots committed before are expired; the current one and pinned ones never are. */
  readonly olderThanMicros: number;
  /** The newest so many stay whatever their age. */
  readonly keepLast: number;
  /** True: only count what would be expired. */
  readonly dryRun?: boolean;
}

export interface ExpiryReport {
  readonly expiredSnapshots: number;
  /** Locations that no snapshot refers to any more, and that were deleted. */
  readonly deleted: readonly string[];
}

export interface OrphanOptions {
  /** True: only say what would go. */
  readonly dryRun: boolean;
  /** Only what was written before; at least 72 hours ago, or a flush under way loses its files. */
  readonly olderThanMicros: number;
}

export interface OrphanReport {
  /** Keys that nothing refers to, in order; moved to the trash unless the run was dry. */
  readonly orphans: readonly { readonly key: string; readonly bytes: number }[];
  /** Objects that are too young to tell. */
  readonly youngCount: number;
}

/** The metadata as other engines read it. */
export interface LakeMetadataFile {
  /** `s3://…/metadata/v<N>.metadata.json`. */
  readonly location: string;
  readonly json: string;
}

export interface LakeTable {
  readonly namespace: string;
  readonly name: string;
  /** `s3://<lake>/<namespace>/<table>-<8hex>`; all of the table's objects lie below it. */
  readonly location: string;
  /** The current columns. */
  readonly schema: LakeSchema;
  /** Every version of the columns that a retained snapshot or file may have been written with. */
  readonly schemas: readonly LakeSchema[];
  readonly metadata: LakeMetadataFile;
  /** Undefined while the table is empty. */
  readonly currentSnapshot: LakeSnapshot | undefined;
  /** Retained ones, oldest first. */
  readonly snapshots: readonly LakeSnapshot[];

  /**
   * A location for a file of that day (null for a table of one partition), never given before.
   * @param crc the CRC-32C of its content, which becomes part of its name.
   */
  newDataFile(day: number | null, crc: number): string;
  /**
   * The files of a snapshot, the current one when absent, in order of their commit.
   * @throws TRIBUTARY_LAKE_SNAPSHOT_UNKNOWN when it has expired.
   */
  liveFiles(snapshotId?: bigint): Promise<readonly LiveFile[]>;
  /** Holds the current snapshot until released; for as long as a query reads its files. */
  pin(): SnapshotPin;
  /**
   * Adds and removes files, all or none.
   * @throws TRIBUTARY_LAKE_FILE_UNKNOWN when a file to remove is not live (another commit removed it),
   *   TRIBUTARY_LAKE_CONFLICT when another committer was faster again and again, TRIBUTARY_LAKE_POISONED
   *   after a commit whose outcome is unknown: open the table again.
   */
  commit(commit: LakeCommit): Promise<LakeSnapshot>;
  /**
   * Changes the columns, all or none.
   * @throws TRIBUTARY_LAKE_UPDATE_INVALID
   */
  evolve(changes: readonly SchemaChange[]): Promise<LakeSchema>;
  /** Forgets old snapshots and deletes what only they refer to. */
  expireSnapshots(options: ExpiryOptions): Promise<ExpiryReport>;
  /** Finds objects that no retained version of the metadata refers to, and moves them to the trash. */
  collectOrphans(options: OrphanOptions): Promise<OrphanReport>;
}
