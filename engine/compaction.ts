/**
 * Rewrites cold files of a table: compaction (the same rows in fewer, sorted files) and erasure (without
 * rows that an erasure names). What to rewrite is planned by storage/lake/compaction-plan.ts.
 *
 * - The rows are written by a process of its own, which proves that none is lost or added.
 * - One commit replaces the inputs by the new file. It fails when one of the inputs is not live any more, so
 *   that two who rewrite one file cannot both succeed.
 * - The watermark is carried on: a rewrite says nothing about the log.
 *
 * Failure: a rewrite that was killed at any point, or failed, has changed nothing; what it wrote is
 * removed, by the next start or as an orphan at the latest. The next plan finds the same work.
 */
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import type { RandomSource } from '../base/random.ts';
import { DAY_MICROS } from '../base/units.ts';
import { native } from '../native/index.ts';
import { crcOfFile } from '../storage/file-checksum.ts';
import type { FileSystem } from '../storage/file-system.ts';
import {
  COMPACTION_LIMITS,
  type CompactionLimits,
  planCompaction,
} from '../storage/lake/compaction-plan.ts';
import type { DataFile, LiveFile } from '../storage/lake/data-file.ts';
import type { FileRewriter } from '../storage/lake/file-rewriter.ts';
import { keyOf, randomUuid } from '../storage/lake/location.ts';
import type { ObjectStore } from '../storage/lake/object-store.ts';
import type { RowCondition } from '../storage/row-condition.ts';
import type { ColdStore } from './cold-store.ts';
import type { ColdTable } from './cold-table.ts';

export interface CompactionOptions {
  readonly store: ObjectStore;
  readonly fileSystem: FileSystem;
  readonly rewriter: FileRewriter;
  readonly random: RandomSource;
  /** {@link COMPACTION_LIMITS} unless given. */
  readonly limits?: CompactionLimits;
}

/** What a rewrite did. */
export interface Rewrite {
  readonly day: number | null;
  readonly filesBefore: number;
  readonly bytesBefore: number;
  readonly rowsBefore: number;
  /** 0 when no row was left. */
  readonly bytesAfter: number;
  readonly rowsAfter: number;
}

/** What of a table is needed to rewrite its files. */
export type RewrittenTable = Pick<ColdTable, 'definition' | 'lake' | 'replace'>;

/** Whether files can be rewritten: the process reads them by their paths. */
export function hasLocalFiles({ directory }: ColdStore): boolean {
  return directory !== undefined;
}

/** Does the most useful job of a table. @returns undefined when there is nothing to do. */
export async function compactOnce(
  options: CompactionOptions,
  table: RewrittenTable,
  nowMicros: number,
): Promise<Rewrite | undefined> {
  const { limits = COMPACTION_LIMITS } = options;
  const today = Math.floor(nowMicros / DAY_MICROS);
  const [job] = planCompaction(await table.lake.liveFiles(), today, limits);
  return job && rewriteFiles(options, table, job.files, []);
}

/**
 * Rewrites every file that may hold rows the conditions name, each by itself. The rows are gone from the
 * table when it resolves; they are gone from the disk once the snapshots before it have expired. Hot rows
 * that are named have been hidden or flushed before.
 * @returns one for each file that held such rows.
 */
export async function eraseRows(
  options: CompactionOptions,
  table: RewrittenTable,
  conditions: readonly RowCondition[],
): Promise<Rewrite[]> {
  const rewrites: Rewrite[] = [];
  for (const file of filesNamed(table, await table.lake.liveFiles(), conditions)) {
    const rewrite = await rewriteFiles(options, table, [file], conditions);
    if (rewrite !== undefined) rewrites.push(rewrite);
  }
  return rewrites;
}

/** The files whose bounds let them hold a row that the conditions name. */
export function filesNamed(
  table: RewrittenTable,
  files: readonly LiveFile[],
  conditions: readonly RowCondition[],
): LiveFile[] {
  return files.filter(({ columns }) =>
    conditions.some(({ column: name, values }) => {
      const column = table.lake.schema.columns.find((candidate) => candidate.name === name);
      assert(column !== undefined, 'rows are named by a column of their table');
      const { lower, upper } = columns.get(column.id) ?? {};
      if (lower === undefined || upper === undefined) return values.length > 0;
      return values.some((value) => value >= Number(lower) && value <= Number(upper));
    }),
  );
}

/** @returns undefined when the files hold no row that is to be left out. */
async function rewriteFiles(
  { store, fileSystem, rewriter, random }: CompactionOptions,
  table: RewrittenTable,
  files: readonly LiveFile[],
  except: readonly RowCondition[],
): Promise<Rewrite | undefined> {
  const { lake, definition } = table;
  const day = files[0]!.day;
  const erases = except.length > 0;
  const output = `${store.stagingDirectory}/rewrite-${randomUuid(random)}`;
  try {
    const written = await rewriter.rewrite({
      inputs: files.map(({ location }) => localPathOf(store, location)),
      output,
      temporaryDirectory: store.stagingDirectory,
      columns: lake.schema.columns,
      sortBy: definition.sortBy,
      ...(erases && { except }),
    });
    const rowsBefore = files.reduce((sum, { recordCount }) => sum + recordCount, 0);
    if (written.inputRows !== rowsBefore) {
      const reason = `files of ${rowsBefore} rows held ${written.inputRows}`;
      throw new TributaryError('TRIBUTARY_LAKE_REWRITE_FAILED', { reason });
    }
    if (erases && written.rows === rowsBefore) return undefined;
    const fileBytes = (await fileSystem.status(output))?.bytes ?? 0;
    const add: DataFile[] = [];
    if (written.rows > 0) {
      const location = lake.newDataFile(day, await crcOfFile(fileSystem, output, native.crc32c));
      const result = await store.putFile(keyOf(store.bucket, location), output);
      assert(result === 'stored', 'a new data file has a name of its own');
      const { rows: recordCount, columns, splitOffsets } = written;
      add.push({ location, day, recordCount, fileBytes, columns, splitOffsets, sorted: true });
    }
    await commit(store, table, files, add, erases, randomUuid(random));
    return {
      day,
      filesBefore: files.length,
      bytesBefore: files.reduce((sum, file) => sum + file.fileBytes, 0),
      rowsBefore,
      bytesAfter: add.length === 0 ? 0 : fileBytes,
      rowsAfter: written.rows,
    };
  } finally {
    if (await fileSystem.exists(output)) await fileSystem.unlink(output);
  }
}

async function commit(
  store: ObjectStore,
  table: RewrittenTable,
  files: readonly LiveFile[],
  add: readonly DataFile[],
  erases: boolean,
  name: string,
): Promise<void> {
  const operation = !erases ? 'replace' : add.length === 0 ? 'delete' : 'overwrite';
  const remove = files.map(({ location }) => location);
  const commitId = `${erases ? 'erase' : 'compact'}-${name}`;
  try {
    await table.replace({ commitId, operation, add, remove });
  } catch (error) {
    // Refused for certain; after any other failure the commit may have happened, with its file.
    if (error instanceof TributaryError && error.code === 'TRIBUTARY_LAKE_FILE_UNKNOWN') {
      for (const { location } of add) await store.delete(keyOf(store.bucket, location));
    }
    throw error;
  }
}

function localPathOf(store: ObjectStore, location: string): string {
  const path = store.localPath(keyOf(store.bucket, location));
  assert(path !== undefined, 'files that are rewritten lie on this machine');
  return path;
}
