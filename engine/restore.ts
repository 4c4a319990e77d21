/**
 * Puts a backup back into an empty directory.
 *
 * - Every content is held against its checksum while it is copied.
 * - The control file is written last, and everything else is durable before: a directory that has tenants
 *   and no control file is a restore that did not come to its end, and no appliance starts over it.
 *
 * Failure: what was restored so far stays, for somebody to look at, and is to be removed before the next try.
 */
import { TributaryError } from '../base/errors.ts';
import type { BackupFile, BackupManifest } from '../storage/backup-manifest.ts';
import type { BackupRepository } from '../storage/backup-repository.ts';
import {
  atomicReplace,
  type FileSystem,
  makeDirectoryDurable,
  parentOf,
} from '../storage/file-system.ts';
import type { CopyProgress } from './backup.ts';
import { CONTROL_FILE, erasuresFileOf, secretFileOf } from './data-files.ts';
import { parseSuppressionList } from './suppression-list.ts';

export interface RestoreOptions {
  readonly fileSystem: FileSystem;
  readonly repository: BackupRepository;
  readonly manifest: BackupManifest;
  /** Empty but for its lock, or not there yet. */
  readonly dataDirectory: string;
  /** The text of a list of erasures that the first start does again. */
  readonly erasures?: string;
  readonly onProgress?: (progress: CopyProgress) => void;
}

/**
 * @throws TRIBUTARY_STORAGE_RESTORE_OCCUPIED and TRIBUTARY_ERASURE_LIST_INVALID before anything is written,
 *   TRIBUTARY_STORAGE_BACKUP_MALFORMED,
 *   TRIBUTARY_STORAGE_BACKUP_DAMAGED, and the file system's error.
 */
export async function restoreBackup(options: RestoreOptions): Promise<void> {
  const { fileSystem, repository, manifest, dataDirectory, onProgress } = options;
  await requireEmpty(fileSystem, dataDirectory);
  const control = manifest.files.find(({ path }) => path === CONTROL_FILE);
  if (control === undefined) {
    const parameters = { path: manifest.id, reason: `it has no ${CONTROL_FILE}` };
    throw new TributaryError('TRIBUTARY_STORAGE_BACKUP_MALFORMED', parameters);
  }
  const listPath = options.erasures && listFileOf(options.erasures, manifest);
  const totalBytes = manifest.files.reduce((sum, { bytes }) => sum + bytes, 0);
  let doneBytes = 0;
  const made = new Set<string>();
  const place = async (file: BackupFile): Promise<void> => {
    const path = `${dataDirectory}/${file.path}`;
    const directory = parentOf(path);
    if (!made.has(directory)) await makeDirectoryDurable(fileSystem, directory);
    made.add(directory);
    await repository.fetch(file, path);
    doneBytes += file.bytes;
    onProgress?.({ doneBytes, totalBytes });
  };
  for (const file of manifest.files) if (file !== control) await place(file);
  if (options.erasures !== undefined) {
    await atomicReplace(fileSystem, `${dataDirectory}/${listPath}`, Buffer.from(options.erasures));
  }
  for (const directory of made) await fileSystem.syncDirectory(directory);
  await place(control);
  await fileSystem.syncDirectory(dataDirectory);
}

/** @throws TRIBUTARY_STORAGE_RESTORE_OCCUPIED */
export async function requireEmpty(fileSystem: FileSystem, path: string): Promise<void> {
  if (!(await fileSystem.exists(path))) return;
  const [name] = (await fileSystem.list(path)).filter((entry) => entry !== 'LOCK');
  if (name === undefined) return;
  throw new TributaryError('TRIBUTARY_STORAGE_RESTORE_OCCUPIED', { path, name });
}

/** Where a list goes. @throws TRIBUTARY_ERASURE_LIST_INVALID when its tenant is not in the backup. */
function listFileOf(text: string, { files }: BackupManifest): string {
  const { tenantId } = parseSuppressionList(text);
  if (files.some(({ path }) => path === secretFileOf(tenantId))) return erasuresFileOf(tenantId);
  const reason = `the backup has no tenant ${tenantId}`;
  throw new TributaryError('TRIBUTARY_ERASURE_LIST_INVALID', { reason });
}
