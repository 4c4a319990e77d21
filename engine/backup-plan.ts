/**
 * What a backup copies, and in which order, so that what comes out is an appliance as it could have been
 * found after a power cut, though it is serving meanwhile:
 *
 *   1. The checkpoints there are, while nothing of them and of the log is removed (holdLog).
 *   2. The lake's newest versions are read. Their watermarks are sequences that were durable in the log, and at
 *      or behind those of the checkpoints.
 *   3. The records of imports: they may lag behind the log and never run ahead of it, so they are copied
 *      before the log's end is settled. A restored import then goes on from rows that the backup has.
 *   4. The extent of each log. It reaches from the older checkpoint to beyond every watermark of step 2.
 *   5. Contents: secrets, checkpoints and logs, which may go from then on; the objects of the lake, which no
 *      longer change.
 *   6. The control file last: it names every source that the log does.
 */
import { listCheckpoints } from '../storage/checkpoint-reader.ts';
import { type FileSystem, hasErrno } from '../storage/file-system.ts';
import { LocalObjectStore } from '../storage/lake/local-object-store.ts';
import { isMissing } from '../storage/lake/references.ts';
import { readClosure, type TableClosure, tableKeysOf } from '../storage/lake/table-closure.ts';
import { walExtents } from '../storage/wal-extent.ts';
import {
  checkpointDirectoryOf,
  LAKE_DIRECTORY,
  secretFileOf,
  walDirectoryOf,
} from './data-files.ts';

/**
 * How a file is known to be one that an earlier backup has:
 * - `path`: its name is given once in the life of the world, and its content never changes;
 * - `log`: by its id and length;
 * - `content`: only by reading it.
 */
export type KnownBy = 'path' | 'log' | 'content';

export interface PlannedFile {
  /** Relative to the data directory. */
  readonly path: string;
  /** As much as is to be copied. */
  readonly bytes: number;
  readonly knownBy: KnownBy;
}

export interface BackupSource {
  readonly fileSystem: FileSystem;
  readonly dataDirectory: string;
  /** The lake's, as in its locations. */
  readonly bucket: string;
}

/** Something was there and is not any more: the plan is to be made again. */
export class SourceMovedError extends Error {
  override readonly name = 'SourceMovedError';
}

/** Step 1: the checkpoints of the tenants, whose logs are held. */
export async function planCheckpoints(
  source: BackupSource,
  tenantIds: readonly string[],
): Promise<PlannedFile[]> {
  const { fileSystem, dataDirectory } = source;
  const files: PlannedFile[] = [];
  for (const tenantId of tenantIds) {
    const directory = checkpointDirectoryOf(tenantId);
    if (!(await fileSystem.exists(`${dataDirectory}/${directory}`))) continue;
    for (const name of await listCheckpoints(fileSystem, `${dataDirectory}/${directory}`)) {
      const path = `${directory}/${name}`;
      // A restored log comes to the same sequence again, in another way.
      files.push({ path, bytes: (await sizeOf(source, path)) ?? 0, knownBy: 'content' });
    }
  }
  return files;
}

/**
 * Step 2: what the newest versions of the lake's tables refer to.
 * @throws SourceMovedError, and what reading the lake's metadata throws.
 */
export async function planLake(
  source: BackupSource,
  tenantIds: readonly string[],
): Promise<PlannedFile[]> {
  const { fileSystem, dataDirectory, bucket } = source;
  const root = `${dataDirectory}/${LAKE_DIRECTORY}`;
  const store = LocalObjectStore.besideWriter(fileSystem, root, bucket);
  const files: PlannedFile[] = [];
  for (const tenantId of tenantIds) {
    for (const closure of await closuresOf(store, tenantId)) {
      files.push(...(await lakeFiles(source, closure)));
    }
  }
  return files;
}

/** Step 4: secrets, and logs as they are now. */
export async function planLogs(
  source: BackupSource,
  tenantIds: readonly string[],
): Promise<PlannedFile[]> {
  const files: PlannedFile[] = [];
  for (const tenantId of tenantIds) files.push(...(await logFiles(source, tenantId)));
  return files;
}

/** Steps 3 and 6: a document that is replaced whole; undefined where there is none. */
export async function planDocument(
  source: BackupSource,
  path: string,
): Promise<PlannedFile | undefined> {
  const bytes = await sizeOf(source, path);
  return bytes === undefined ? undefined : { path, bytes, knownBy: 'content' };
}

async function closuresOf(store: LocalObjectStore, tenantId: string): Promise<TableClosure[]> {
  const closures: TableClosure[] = [];
  for (const tableKey of await tableKeysOf(store, tenantId)) {
    const closure = await readClosure(store, tableKey);
    if (closure !== undefined) closures.push(closure);
  }
  return closures;
}

async function logFiles(source: BackupSource, tenantId: string): Promise<PlannedFile[]> {
  const directory = walDirectoryOf(tenantId);
  const secret = await sizeOf(source, secretFileOf(tenantId));
  // The control file names a tenant before its first start has made anything of it.
  if (secret === undefined) return [];
  const files: PlannedFile[] = [
    { path: secretFileOf(tenantId), bytes: secret, knownBy: 'content' },
  ];
  const { fileSystem, dataDirectory } = source;
  for (const { name, bytes } of await walExtents(fileSystem, `${dataDirectory}/${directory}`)) {
    files.push({ path: `${directory}/${name}`, bytes, knownBy: 'log' });
  }
  return files;
}

async function lakeFiles(source: BackupSource, closure: TableClosure): Promise<PlannedFile[]> {
  const files: PlannedFile[] = [];
  for (const [key, { fileBytes }] of closure.dataFiles) {
    files.push({ path: `${LAKE_DIRECTORY}/${key}`, bytes: fileBytes, knownBy: 'path' });
  }
  for (const key of closure.metadataKeys) {
    const path = `${LAKE_DIRECTORY}/${key}`;
    const bytes = await sizeOf(source, path);
    if (bytes === undefined) throw new SourceMovedError(`${path} is gone`);
    // Manifests and lists have a UUID in their names; versions only a number, which a restored lake gives again.
    files.push({ path, bytes, knownBy: key.endsWith('.avro') ? 'path' : 'content' });
  }
  return files;
}

async function sizeOf(source: BackupSource, path: string): Promise<number | undefined> {
  return (await source.fileSystem.status(`${source.dataDirectory}/${path}`))?.bytes;
}

/** Whether `error` says that a file was there when the plan was made and has gone since. */
export function isGone(error: unknown): boolean {
  return error instanceof SourceMovedError || hasErrno(error, 'ENOENT') || isMissing(error);
}
