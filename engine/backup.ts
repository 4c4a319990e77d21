/**
 * Backs an appliance up, beside it or while it is stopped: it only reads the data directory, takes no lock
 * of it and asks the running process nothing. backup-plan.ts says why the result is consistent.
 *
 * - Copied is only what no earlier backup of the directory has.
 * - Files that go away meanwhile (a snapshot expired, a person was erased) begin another attempt, which
 *   finds what the one before has copied.
 *
 * Failure: no manifest is written, and the backups there are stay as they are.
 */
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { native } from '../native/index.ts';
import { type BackupFile, type BackupManifest, backupIdAt } from '../storage/backup-manifest.ts';
import type { BackupRepository } from '../storage/backup-repository.ts';
import { readFile } from '../storage/file-system.ts';
import { walFileIdOf } from '../storage/wal-extent.ts';
import { type BackupSource, isGone, type PlannedFile, planBackup } from './backup-plan.ts';
import { parseControl } from './control-file.ts';
import { CONTROL_FILE } from './data-files.ts';

export interface CopyProgress {
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface BackupOptions extends BackupSource {
  /** Prepared, and nobody else's to write. */
  readonly repository: BackupRepository;
  readonly clock: Clock;
  readonly onProgress?: (progress: CopyProgress) => void;
}

export interface BackupReport {
  readonly id: string;
  readonly files: number;
  readonly bytes: number;
  /** Of these, read and copied now; the others were there. */
  readonly copiedFiles: number;
  readonly copiedBytes: number;
}

/**
 * @throws TRIBUTARY_STORAGE_BACKUP_SOURCE, TRIBUTARY_STORAGE_BACKUP_UNSETTLED, what reading the control file
 *   and the lake's metadata throws, and the file system's error.
 */
export async function createBackup(options: BackupOptions): Promise<BackupReport> {
  const { repository, clock } = options;
  const ids = await repository.list();
  const id = backupIdAt(clock.nowMicros(), ids.at(-1));
  const known = await newestReadable(repository, ids);
  let moved: unknown;
  for (let attempt = 0; attempt < LIMITS.backupAttemptsMax; attempt += 1) {
    const copying = new Copying(options, known);
    try {
      const files = await copying.run();
      await repository.commit({ id, files });
      return { id, ...copying.report };
    } catch (error) {
      if (!isGone(error)) throw error;
      moved = error;
    }
  }
  throw new TributaryError(
    'TRIBUTARY_STORAGE_BACKUP_UNSETTLED',
    {
      path: options.dataDirectory,
      attempts: LIMITS.backupAttemptsMax,
      reason: moved instanceof Error ? moved.message : String(moved),
    },
    moved,
  );
}

/** One that cannot be read must not keep new ones from being made: everything is copied then. */
async function newestReadable(
  repository: BackupRepository,
  ids: readonly string[],
): Promise<BackupManifest | undefined> {
  for (const id of ids.toReversed()) {
    try {
      return await repository.read(id);
    } catch (error) {
      if (!(error instanceof TributaryError)) throw error;
    }
  }
  return undefined;
}

class Copying {
  readonly #options: BackupOptions;
  readonly #known: ReadonlyMap<string, BackupFile>;
  readonly report = { files: 0, bytes: 0, copiedFiles: 0, copiedBytes: 0 };

  constructor(options: BackupOptions, known: BackupManifest | undefined) {
    this.#options = options;
    this.#known = new Map((known?.files ?? []).map((file) => [file.path, file]));
  }

  async run(): Promise<BackupFile[]> {
    const tenantIds = await this.#tenantIds();
    const plan = await planBackup(this.#options, tenantIds);
    const totalBytes = plan.reduce((sum, { bytes }) => sum + bytes, 0);
    const files: BackupFile[] = [];
    for (const planned of plan) {
      const file = await this.#take(planned);
      files.push(file);
      this.report.files += 1;
      this.report.bytes += file.bytes;
      this.#options.onProgress?.({ doneBytes: this.report.bytes, totalBytes });
    }
    const added = (await this.#tenantIds()).filter((id) => !tenantIds.includes(id));
    if (added.length === 0) return files;
    throw this.#unusable('a tenant was added meanwhile; try again');
  }

  async #take(planned: PlannedFile): Promise<BackupFile> {
    const { fileSystem, dataDirectory, repository } = this.#options;
    const { path, bytes, knownBy } = planned;
    const from = `${dataDirectory}/${path}`;
    const fileId =
      knownBy === 'log' ? await walFileIdOf(fileSystem, from, native.crc32c) : undefined;
    const known = this.#known.get(path);
    const isKnown =
      known?.bytes === bytes &&
      (knownBy === 'path' ||
        (knownBy === 'log' && fileId !== undefined && known.wal_file_id === fileId));
    if (isKnown && (await repository.has(known))) return known;

    // A log grows; documents are replaced whole, and may be longer than they were.
    const digest = await repository.store(from, knownBy === 'log' ? bytes : undefined);
    if (knownBy !== 'content' && digest.bytes !== bytes) {
      throw this.#unusable(`${path} has ${digest.bytes} bytes and should have ${bytes}`);
    }
    this.report.copiedFiles += 1;
    this.report.copiedBytes += digest.bytes;
    return { path, ...digest, ...(fileId !== undefined && { wal_file_id: fileId }) };
  }

  async #tenantIds(): Promise<string[]> {
    const { fileSystem, dataDirectory } = this.#options;
    const path = `${dataDirectory}/${CONTROL_FILE}`;
    if (!(await fileSystem.exists(path))) throw this.#unusable(`it has no ${CONTROL_FILE}`);
    const text = Buffer.from(await readFile(fileSystem, path)).toString('utf8');
    return parseControl(text, path).tenants.map(({ id }) => id);
  }

  #unusable(reason: string): TributaryError {
    const path = this.#options.dataDirectory;
    return new TributaryError('TRIBUTARY_STORAGE_BACKUP_SOURCE', { path, reason });
  }
}
