/**
 * Finishes erasures: takes the rows out of cold files, has everything else written anew that holds a copy, and
 * notes in the log how far it has come.
 *
 * - All erasures that wait are taken out together: a file is rewritten once for all of them.
 * - Hot rows are hidden, so no flush that begins from then on brings them to the lake; one that runs does,
 *   and is waited for.
 * - What is noted was so before anybody began to read the lake and the log (unlessHeld): a backup with the record
 *   and the files of before would show the rows again.
 *
 * Failure: files that were rewritten stay so; the others are found again, by this process or after a start.
 */
import type { FileSystem } from '../storage/file-system.ts';
import type { LakeTable } from '../storage/lake/lake-table.ts';
import { type CompactionOptions, eraseRows } from './compaction.ts';
import type { OpenTenant } from './engine.ts';
import { type CopyPlace, placesOfCopies } from './erasure-copies.ts';
import { unlessHeld } from './log-trim.ts';

export interface ErasedFiles {
  /** That are noted; none while a backup is made, and then they are noted the next time. */
  readonly erasures: number;
  readonly files: number;
  readonly rows: number;
}

/** @returns undefined when nothing waits to be taken out. @throws as eraseRows and Tenant.noteErasures do. */
export async function rewriteErased(
  options: CompactionOptions,
  { cold, erasures, flusher, tenant }: OpenTenant,
  nowMicros: () => number,
): Promise<ErasedFiles | undefined> {
  const ids = tenant.erasures.unwritten.map(({ id }) => id);
  if (ids.length === 0) return undefined;
  // Shared memory may have been too full for a list when somebody was erased.
  await erasures.hideColdRows();
  await flusher.flushing;
  const named = tenant.erasures.coldRows;
  let files = 0;
  let rows = 0;
  for (const table of cold.tables) {
    // A flush that failed may have brought the rows to the lake all the same.
    await table.settle();
    for (const rewrite of await eraseRows(options, table, named[table.lake.name] ?? [])) {
      files += 1;
      rows += rewrite.rowsBefore - rewrite.rowsAfter;
    }
  }
  const noted = await unlessHeld(options.fileSystem, tenant.walDirectory, async () => {
    await tenant.commands.noteErasures({ command: 'rewritten', ids, files, rows }, nowMicros());
    return ids.length;
  });
  if (noted !== undefined) await erasures.hideColdRows();
  return { erasures: noted ?? 0, files, rows };
}

export interface CopiesOptions {
  readonly fileSystem: FileSystem;
  readonly tables: readonly LakeTable[];
  readonly identitySequence: number | undefined;
}

/** Where copies of the tenant's erasures may lie, by their ids; those that are finished are left out. */
export function copiesOf(
  { cold, tenant, checkpointer }: OpenTenant,
  { fileSystem, identitySequence, tables }: CopiesOptions,
): Promise<Map<string, CopyPlace[]>> {
  const source = {
    fileSystem,
    walDirectory: tenant.walDirectory,
    checkpointDirectory: checkpointer?.order.checkpointDirectory,
    tables: [...cold.lakeTables, ...tables],
    identitySequence,
  };
  return placesOfCopies(source, tenant.erasures.unfinished);
}
