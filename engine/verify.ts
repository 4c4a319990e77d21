/**
 * Reads every durable byte of an appliance again and holds it against its checksums, while it is serving or
 * stopped: control file, records of imports, secrets, checkpoints, logs, the lake.
 *
 * - It changes nothing and asks the running process nothing.
 * - The lake is looked at before the log: the log then reaches beyond every watermark.
 * - Damage is a finding and not an error, and the rest is verified all the same.
 */
import type { BackupManifest } from '../storage/backup-manifest.ts';
import type { BackupRepository } from '../storage/backup-repository.ts';
import { type FileSystem, hasErrno, readFile } from '../storage/file-system.ts';
import { LocalObjectStore } from '../storage/lake/local-object-store.ts';
import { tableKeysOf } from '../storage/lake/table-closure.ts';
import type { BackupSource } from './backup-plan.ts';
import { parseControl } from './control-file.ts';
import { CONTROL_FILE, IMPORTS_FILE, LAKE_DIRECTORY, TENANTS_DIRECTORY } from './data-files.ts';
import { type DataFileDecoder, verifyTable } from './verify-lake.ts';
import { verifyLog } from './verify-log.ts';
import { type VerifyReport, VerifyTally } from './verify-tally.ts';

export interface VerifyOptions extends BackupSource {
  readonly decoder: DataFileDecoder;
  readonly onFile?: (report: VerifyReport) => void;
}

/** Verifies a data directory. @throws the file system's error. */
export async function verifyData(options: VerifyOptions): Promise<VerifyReport> {
  const tally = new VerifyTally(options.onFile);
  for (const tenantId of await tenantIds(options, tally)) {
    const sequence = await verifyLake(options, tenantId, tally);
    await verifyLog(options, tenantId, sequence, tally);
  }
  return tally;
}

/** Reads every content of a backup. @throws the file system's error. */
export async function verifyBackup(
  repository: BackupRepository,
  manifest: BackupManifest,
  onFile?: (report: VerifyReport) => void,
): Promise<VerifyReport> {
  const tally = new VerifyTally(onFile);
  for (const file of manifest.files) {
    await tally.check(file.path, () => repository.check(file));
    tally.add(file.bytes);
  }
  return tally;
}

/** Tenants the control file names; where it is damaged, those that have a directory. */
async function tenantIds(options: VerifyOptions, tally: VerifyTally): Promise<string[]> {
  const { fileSystem, dataDirectory } = options;
  await verifyDocument(options, IMPORTS_FILE, 'optional', (text) => JSON.parse(text), tally);
  const control = await verifyDocument(options, CONTROL_FILE, 'required', parseControl, tally);
  if (control !== undefined) return control.tenants.map(({ id }) => id);
  return listOrNothing(fileSystem, `${dataDirectory}/${TENANTS_DIRECTORY}`);
}

async function verifyDocument<Document>(
  { fileSystem, dataDirectory }: VerifyOptions,
  path: string,
  need: 'optional' | 'required',
  parse: (text: string, path: string) => Document,
  tally: VerifyTally,
): Promise<Document | undefined> {
  if (!(await fileSystem.exists(`${dataDirectory}/${path}`))) {
    if (need === 'required') tally.find(path, 'it is not there');
    return undefined;
  }
  const bytes = await readFile(fileSystem, `${dataDirectory}/${path}`);
  tally.add(bytes.length);
  return tally.check(path, async () => parse(Buffer.from(bytes).toString('utf8'), path));
}

/** @returns the highest watermark; -1 where there is none. */
async function verifyLake(
  { fileSystem, dataDirectory, bucket, decoder }: VerifyOptions,
  tenantId: string,
  tally: VerifyTally,
): Promise<number> {
  const root = `${dataDirectory}/${LAKE_DIRECTORY}`;
  const store = LocalObjectStore.besideWriter(fileSystem, root, bucket);
  let highest = -1;
  for (const tableKey of await tableKeysOf(store, tenantId)) {
    highest = Math.max(
      highest,
      await verifyTable({ fileSystem, store, dataDirectory, decoder }, tableKey, tally),
    );
  }
  return highest;
}

async function listOrNothing(fileSystem: FileSystem, path: string): Promise<string[]> {
  try {
    return await fileSystem.list(path);
  } catch (error) {
    if (hasErrno(error, 'ENOENT')) return [];
    throw error;
  }
}
