/**
 * One table's rows on their way from hot segments into the lake, and the list that queries find them by.
 *
 * - A row is in the lake before it leaves the hot table, and queries see the change as one.
 * - The lake's watermark says which sequences are in it; a start continues there (replay-floors.ts).
 * - A list's snapshot of the lake is held until no query can read it any more.
 *
 * Failure: a flush that failed has changed nothing that queries see. Its files may lie in the lake as
 * orphans, or its commit may have happened: the next flush opens the table anew, where the watermark
 * says which, and goes on behind it.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { native, type SliceReference } from '../native/index.ts';
import {
  type ColdColumn,
  type ColdFile,
  coldFileOf,
  coldListFile,
  serialiseColdList,
} from '../storage/cold-list.ts';
import { crcOfFile } from '../storage/file-checksum.ts';
import type { FileSystem } from '../storage/file-system.ts';
import { writeHotFile } from '../storage/hot-directory.ts';
import type { HotTable } from '../storage/hot-table.ts';
import type { DataFile } from '../storage/lake/data-file.ts';
import type {
  LakeCommit,
  LakeSnapshot,
  LakeTable,
  SnapshotPin,
} from '../storage/lake/lake-table.ts';
import { keyOf } from '../storage/lake/location.ts';
import type { ObjectStore } from '../storage/lake/object-store.ts';
import type { LakeTableDefinition } from '../storage/lake/schema.ts';
import type { EncodedFile, FlushColumn, ParquetEncoder } from '../storage/parquet-encoder.ts';
import type { RowCondition } from '../storage/row-condition.ts';

export interface ColdTableOptions {
  readonly hot: HotTable;
  /** Where lists go. */
  readonly hotDirectory: string;
  readonly removeHotFile: (path: string) => void;
  readonly definition: LakeTableDefinition;
  readonly openLake: () => Promise<LakeTable>;
  readonly store: ObjectStore;
  /** Of the store's staging directory. */
  readonly fileSystem: FileSystem;
  readonly encoder: ParquetEncoder;
  readonly clock: Clock;
  /** Longer than any query runs, milliseconds. */
  readonly queryGraceMs: number;
}

/** What one flush is to move: the published rows below `toRow`, whose sequences are `sequence` or less. */
export interface FlushOrder {
  readonly toRow: number;
  readonly sequence: number;
  /** Whether a commit is made even when there are no rows, for its watermark. */
  readonly commits: boolean;
  readonly isUrgent: boolean;
}

/** What one flush moved. */
export interface FlushedRows {
  readonly rows: number;
  readonly files: number;
  readonly bytes: number;
}

interface PublishedList {
  readonly version: number;
  readonly columns: readonly ColdColumn[];
  readonly files: readonly ColdFile[];
  /** Undefined once a later list of the same files holds it. */
  pin: SnapshotPin | undefined;
  supersededAtMs: number;
}

export class ColdTable {
  readonly hot: HotTable;
  readonly #options: ColdTableOptions;
  #lake: LakeTable;
  /** Rows that were erased and that live files may still have. */
  #except: readonly RowCondition[] = [];
  /** Those of the newest list, as JSON: the list may have failed to be written. */
  #listedExcept = '[]';
  /** Settles when the last of the waiting commits has: lake and list change together. */
  #changes: Promise<unknown> = Promise.resolve();
  /** A commit that was begun, until its list is out. */
  #unsettled: { readonly toRow: number; readonly sequence: number } | undefined;
  /** Oldest first; the last one is current. */
  #lists: PublishedList[] = [];

  /** Opens the table's lake, and lists what is in it. The hot table is fresh. */
  static async open(options: ColdTableOptions): Promise<ColdTable> {
    const table = new ColdTable(options, await options.openLake());
    await table.#publish(0);
    return table;
  }

  private constructor(options: ColdTableOptions, lake: LakeTable) {
    this.#options = options;
    this.hot = options.hot;
    this.#lake = lake;
  }

  get definition(): LakeTableDefinition {
    return this.#options.definition;
  }

  get lake(): LakeTable {
    return this.#lake;
  }

  /** Rows of sequences up to it are in the lake; 0 while it is empty, as sequences start at 1. */
  get watermark(): number {
    return Math.max(0, this.#lake.currentSnapshot?.sequence ?? 0);
  }

  /** Memory of published rows that are not cold yet, bytes; of segments in part, their share. */
  get unflushedBytes(): number {
    const { floorRow, publishedRows, segments } = this.hot;
    let bytes = 0;
    for (let index = segments.length - 1; index >= 0; index -= 1) {
      const { firstRow, stagedRows, usedBytes } = segments[index]!;
      const rows = Math.min(publishedRows, firstRow + stagedRows) - Math.max(floorRow, firstRow);
      if (rows > 0) bytes += (usedBytes * rows) / stagedRows;
      if (firstRow <= floorRow) break;
    }
    return bytes;
  }

  /** Moves rows into the lake. */
  flush(order: FlushOrder): Promise<FlushedRows> {
    return this.#serially(() => this.#flush(order));
  }

  /**
   * Commits what compaction, retention or erasure has made of cold rows, after a flush that runs. Queries
   * see it as one change; those that run keep the files they began with.
   * @throws as LakeTable.commit does; after TRIBUTARY_LAKE_FILE_UNKNOWN nothing has changed.
   */
  replace(commit: LakeCommit): Promise<LakeSnapshot> {
    return this.#serially(async () => {
      await this.#settleCommit();
      this.#unsettled = { toRow: this.hot.floorRow, sequence: this.watermark };
      const snapshot = await this.#lake.commit(commit);
      await this.#publish(this.hot.floorRow);
      this.#unsettled = undefined;
      return snapshot;
    });
  }

  /**
   * From when this resolves, no query that begins sees cold rows that `conditions` name. It lists the same files
   * again, and so needs nothing of the lake, whatever has become of its disk.
   */
  leaveOut(conditions: readonly RowCondition[]): Promise<void> {
    return this.#serially(async () => {
      this.#except = conditions;
      if (JSON.stringify(conditions) === this.#listedExcept) return;
      const current = this.#lists.at(-1)!;
      this.#list(this.hot.floorRow, current.columns, current.files, current.pin);
      current.pin = undefined;
    });
  }

  /**
   * Finds out what became of a commit that was not heard of any more: until then `lake` may be behind what is
   * in the lake. @throws the file system's error.
   */
  settle(): Promise<void> {
    return this.#serially(() => this.#settleCommit());
  }

  /** Lets go of lists that no query reads any more, and of the snapshots they hold. */
  releaseOldLists(): void {
    this.#releaseOldLists();
  }

  async #flush({ toRow, sequence, commits, isUrgent }: FlushOrder): Promise<FlushedRows> {
    await this.#settleCommit();
    const slices = this.#slicesBelow(toRow);
    const encoded = slices.length === 0 ? [] : await this.#encode(slices, isUrgent);
    const add: DataFile[] = [];
    for (const file of encoded) add.push(await this.#store(file));
    if (add.length > 0 || commits) {
      this.#unsettled = { toRow, sequence };
      const commitId = `flush-${sequence}`;
      await this.#lake.commit({ commitId, operation: 'append', add, remove: [], sequence });
    }
    await this.#publish(toRow);
    this.#unsettled = undefined;
    return {
      rows: encoded.reduce((sum, { rows }) => sum + rows, 0),
      files: encoded.length,
      bytes: add.reduce((sum, { fileBytes }) => sum + fileBytes, 0),
    };
  }

  /**
   * Lists what is in the lake now, and takes the rows below `floorRow` to be there: they must be, and no others,
   * so a commit that is unsettled is settled before.
   */
  async #publish(floorRow: number): Promise<void> {
    const pin = this.#lake.pin();
    try {
      const columns = this.#coldColumns();
      this.#list(floorRow, columns, await this.#filesOf(pin.snapshot, columns), pin);
    } catch (failure) {
      pin.release();
      throw failure;
    }
    this.#releaseOldLists();
  }

  async #filesOf(
    snapshot: LakeSnapshot | undefined,
    columns: readonly ColdColumn[],
  ): Promise<readonly ColdFile[]> {
    if (snapshot === undefined) return [];
    const prefix = `${this.#lake.namespace}/`;
    const live = await this.#lake.liveFiles(snapshot.snapshotId);
    return live.map((file) => {
      const key = keyOf(this.#options.store.bucket, file.location);
      assert(key.startsWith(prefix), 'a table lies in the namespace of its tenant');
      return coldFileOf(file, key.slice(prefix.length), columns, this.#lake.schemas);
    });
  }

  #list(
    floorRow: number,
    columns: readonly ColdColumn[],
    files: readonly ColdFile[],
    pin: SnapshotPin | undefined,
  ): void {
    const previous = this.#lists.at(-1);
    const version = (previous?.version ?? 0) + 1;
    const except = this.#except;
    writeHotFile(this.#pathOf(version), serialiseColdList({ columns, files, except }));
    this.hot.setCold(floorRow, version);
    this.#listedExcept = JSON.stringify(except);
    if (previous !== undefined) previous.supersededAtMs = this.#options.clock.monotonicMs();
    const supersededAtMs = Number.POSITIVE_INFINITY;
    this.#lists.push({ version, columns, files, pin, supersededAtMs });
  }

  /** Takes the rows below `floorRow` to be among those that are listed already. */
  skipTo(floorRow: number): void {
    this.hot.setCold(floorRow, this.#lists.at(-1)!.version);
  }

  /** Runs a change when all earlier ones have settled. */
  #serially<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = this.#changes.then(change);
    this.#changes = result.catch(() => {});
    return result;
  }

  /** Finds out what became of a commit that was not heard of any more. */
  async #settleCommit(): Promise<void> {
    if (this.#unsettled === undefined) return;
    const { toRow, sequence } = this.#unsettled;
    this.#lake = await this.#options.openLake();
    if (this.watermark >= sequence) await this.#publish(toRow);
    this.#unsettled = undefined;
  }

  #pathOf(version: number): string {
    return `${this.#options.hotDirectory}/${coldListFile(this.hot.plan.schema.name, version)}`;
  }

  /** Queries that read a list began before it was superseded. */
  #releaseOldLists(): void {
    const { clock, queryGraceMs, removeHotFile } = this.#options;
    const nowMs = clock.monotonicMs();
    this.#lists = this.#lists.filter(({ version, pin, supersededAtMs }) => {
      if (nowMs - supersededAtMs <= queryGraceMs) return true;
      pin?.release();
      removeHotFile(this.#pathOf(version));
      return false;
    });
  }

  /**
   * Into files of the staging area. Their names are the same each time, so that what a failed flush has left
   * there is written over by the next.
   */
  #encode(slices: readonly SliceReference[], isUrgent: boolean): Promise<readonly EncodedFile[]> {
    const { definition, encoder, store } = this.#options;
    return encoder.encode({
      slices,
      isUrgent,
      columns: this.#columns(),
      dayColumn: definition.dayOf,
      output: `${store.stagingDirectory}/flush-${this.#lake.namespace}-${this.#lake.name}`,
      temporaryDirectory: store.stagingDirectory,
    });
  }

  #slicesBelow(toRow: number): SliceReference[] {
    const { floorRow, segments } = this.hot;
    return segments.flatMap(({ path, firstRow, stagedRows }) => {
      const from = Math.max(floorRow - firstRow, 0);
      const to = Math.min(toRow - firstRow, stagedRows);
      return from < to ? [{ path, fromRow: from, toRow: to }] : [];
    });
  }

  /** The columns of new files: those of the hot table, under the lake's ids. */
  #columns(): FlushColumn[] {
    const { columns } = this.#lake.schema;
    return this.hot.plan.schema.columns.map(({ name, type: hotType }) => {
      const column = columns.find((candidate) => candidate.name === name);
      assert(column !== undefined, `the lake has the column ${name}`);
      return { ...column, hotType };
    });
  }

  /** The columns of queries: those of the hot table, as the lake stores them. */
  #coldColumns(): ColdColumn[] {
    const { columns } = this.#lake.schema;
    return this.hot.plan.schema.columns.flatMap(({ name, type: hotType }) => {
      const column = columns.find((candidate) => candidate.name === name);
      return column === undefined ? [] : [{ id: column.id, name, type: column.type, hotType }];
    });
  }

  async #store(file: EncodedFile): Promise<DataFile> {
    const { store, fileSystem } = this.#options;
    const fileBytes = (await fileSystem.status(file.path))?.bytes ?? 0;
    const crc = await crcOfFile(fileSystem, file.path, native.crc32c);
    const location = this.#lake.newDataFile(file.day, crc);
    const result = await store.putFile(keyOf(store.bucket, location), file.path);
    assert(result === 'stored', 'a new data file has a name of its own');
    return {
      location,
      day: file.day,
      recordCount: file.rows,
      fileBytes,
      columns: file.columns,
      splitOffsets: file.splitOffsets,
      sorted: false,
    };
  }
}
