/**
 * Backs an appliance up, beside it or while it is stopped: it only reads the data directory and asks the
 * running process nothing, but to keep the logs while they are copied. backup-plan.ts says why the result
 * is consistent.
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
import {
  type BackupSource,
  isGone,
  type PlannedFile,
  planCheckpoints,
  planDocument,
  planLake,
  planLogs,
  SourceMovedError,
} from './backup-plan.ts';
import { parseControl } from './control-file.ts';
import { CONTROL_FILE, IMPORTS_FILE, walDirectoryOf } from './data-files.ts';
import { holdLog } from './log-trim.ts';

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
  readonly #files: BackupFile[] = [];
  /** Of what is known to be to copy. */
  #totalBytes = 0;
  readonly report = { files: 0, bytes: 0, copiedFiles: 0, copiedBytes: 0 };

  constructor(options: BackupOptions, known: BackupManifest | undefined) {
    this.#options = options;
    this.#known = new Map((known?.files ?? []).map((file) => [file.path, file]));
  }

  /** The steps of backup-plan.ts. */
  async run(): Promise<BackupFile[]> {
    const source = this.#options;
    const tenantIds = await this.#tenantIds();
    const holds = await this.#holdLogs(tenantIds);
    let lake: PlannedFile[];
    try {
      const checkpoints = await planCheckpoints(source, tenantIds);
      lake = await planLake(source, tenantIds);
      this.#expect([...checkpoints, ...lake]);
      const imports = await planDocument(source, IMPORTS_FILE);
      if (imports !== undefined) await this.#copy([imports]);
      const logs = await planLogs(source, tenantIds);
      this.#expect(logs);
      await this.#copy([...checkpoints, ...logs]);
    } finally {
      for (const release of holds) await release();
    }
    await this.#copy(lake);
    const control = await planDocument(source, CONTROL_FILE);
    if (control !== undefined) await this.#copy([control]);
    const added = (await this.#tenantIds()).filter((id) => !tenantIds.includes(id));
    if (added.length === 0) return this.#files;
    throw this.#unusable('a tenant was added meanwhile; try again');
  }

  /** Keeps the logs of all tenants, and their checkpoints, as long as it takes to copy them. */
  async #holdLogs(tenantIds: readonly string[]): Promise<(() => Promise<void>)[]> {
    const { fileSystem, dataDirectory } = this.#options;
    const holds: (() => Promise<void>)[] = [];
    for (const tenantId of tenantIds) {
      const path = `${dataDirectory}/${walDirectoryOf(tenantId)}`;
      // The control file names a tenant before its first start has made anything of it.
      if (!(await fileSystem.exists(path))) continue;
      const release = await holdLog(fileSystem, path);
      if (release === undefined) throw new SourceMovedError(`${path} is being removed from`);
      holds.push(release);
    }
    return holds;
  }

  #expect(planned: readonly PlannedFile[]): void {
    for (const { bytes } of planned) this.#totalBytes += bytes;
  }

  async #copy(planned: readonly PlannedFile[]): Promise<void> {
    for (const each of planned) {
      const file = await this.#take(each);
      this.#files.push(file);
      this.report.files += 1;
      this.report.bytes += file.bytes;
      const totalBytes = Math.max(this.#totalBytes, this.report.bytes);
      this.#options.onProgress?.({ doneBytes: this.report.bytes, totalBytes });
    }
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
