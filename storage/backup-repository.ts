/**
 * A directory of backups. Contents lie in it once each, under their digest; a backup is a manifest that
 * names them. So every backup is whole by itself, and costs only what the ones before it have not got.
 *
 *   <directory>/files/<2 hex>/<sha256>      a content
 *   <directory>/backups/<id>.json           a backup: backup-manifest.ts
 *   <directory>/staging/                    contents on their way
 *
 * Why copies and not hard links: a link shares its bytes with what it is to protect from.
 *
 * - A content gets its name when it is whole and synced, and a manifest is put when all names it needs are
 *   durable. A process that is killed leaves contents, which the next backup finds, and no manifest.
 * - One process at a time writes to a directory; the caller sees to it. Any number read.
 */
import { TributaryError } from '../base/errors.ts';
import {
  type BackupManifest,
  isBackupId,
  parseBackupManifest,
  serialiseBackupManifest,
} from './backup-manifest.ts';
import { copyFile, digestFile, type FileDigest } from './file-copy.ts';
import {
  atomicReplace,
  type FileSystem,
  hasErrno,
  makeDirectoryDurable,
  parentOf,
  readFile,
} from './file-system.ts';

export class BackupRepository {
  readonly directory: string;
  readonly #fileSystem: FileSystem;
  #stagedFiles = 0;

  constructor(fileSystem: FileSystem, directory: string) {
    this.#fileSystem = fileSystem;
    this.directory = directory;
  }

  /** Makes what is missing and removes what a killed process left; to be done before `store`. */
  async prepare(): Promise<void> {
    const staging = `${this.directory}/staging`;
    for (const path of [`${this.directory}/files`, `${this.directory}/backups`, staging]) {
      await makeDirectoryDurable(this.#fileSystem, path);
    }
    for (const name of await this.#fileSystem.list(staging)) {
      await this.#fileSystem.unlink(`${staging}/${name}`);
    }
  }

  /** Ids of the backups, oldest first; none where there is no directory of backups. */
  async list(): Promise<string[]> {
    try {
      const names = await this.#fileSystem.list(`${this.directory}/backups`);
      return names
        .filter((name) => name.endsWith('.json'))
        .map((name) => name.slice(0, -'.json'.length))
        .filter(isBackupId);
    } catch (error) {
      if (hasErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }

  /**
   * The newest backup, or the one of that id.
   * @throws TRIBUTARY_STORAGE_BACKUP_MISSING, TRIBUTARY_STORAGE_BACKUP_MALFORMED
   */
  async read(id?: string): Promise<BackupManifest> {
    const ids = await this.list();
    const wanted = id ?? ids.at(-1);
    if (wanted === undefined || !ids.includes(wanted)) {
      const parameters = { path: this.directory, id: id ?? 'at all' };
      throw new TributaryError('TRIBUTARY_STORAGE_BACKUP_MISSING', parameters);
    }
    const path = this.#manifestPath(wanted);
    const manifest = parseBackupManifest(await readFile(this.#fileSystem, path), path);
    if (manifest.id === wanted) return manifest;
    const reason = `its manifest is that of ${manifest.id}`;
    throw new TributaryError('TRIBUTARY_STORAGE_BACKUP_MALFORMED', { path, reason });
  }

  /** Whether a content of that digest and length is there. Its bytes are not read. */
  async has({ sha256, bytes }: FileDigest): Promise<boolean> {
    const status = await this.#fileSystem.status(this.pathOf(sha256));
    return status?.kind === 'file' && status.bytes === bytes;
  }

  /** Takes in the first `bytesMax` bytes of the file at `path`, unless it has that content. */
  async store(path: string, bytesMax?: number): Promise<FileDigest> {
    this.#stagedFiles += 1;
    const staged = `${this.directory}/staging/${this.#stagedFiles}`;
    try {
      const digest = await copyFile(this.#fileSystem, path, staged, bytesMax);
      await this.#name(staged, digest);
      return digest;
    } finally {
      if (await this.#fileSystem.exists(staged)) await this.#fileSystem.unlink(staged);
    }
  }

  /** Makes the backup there is nothing left to do for. All its contents are in. */
  async commit(manifest: BackupManifest): Promise<void> {
    // Names that an earlier process made before it was killed may not be durable either.
    for (const folder of new Set(
      manifest.files.map(({ sha256 }) => parentOf(this.pathOf(sha256))),
    )) {
      await this.#fileSystem.syncDirectory(folder);
    }
    const path = this.#manifestPath(manifest.id);
    await atomicReplace(this.#fileSystem, path, serialiseBackupManifest(manifest));
  }

  /**
   * Copies a content to the new file `path` and syncs it.
   * @throws TRIBUTARY_STORAGE_BACKUP_DAMAGED when it is not what it was.
   */
  async fetch(content: FileDigest, path: string): Promise<void> {
    await this.#holding(content, (from) => copyFile(this.#fileSystem, from, path));
  }

  /** Reads a content. @throws TRIBUTARY_STORAGE_BACKUP_DAMAGED when it is not what it was. */
  async check(content: FileDigest): Promise<void> {
    await this.#holding(content, (path) => digestFile(this.#fileSystem, path));
  }

  /** Forgets all but the newest backups, and removes what only the others named. @returns how many. */
  async keepNewest(count: number): Promise<number> {
    const ids = await this.list();
    const forgotten = ids.slice(0, Math.max(0, ids.length - count));
    const kept = new Set<string>();
    for (const id of ids.slice(forgotten.length)) {
      for (const { sha256 } of (await this.read(id)).files) kept.add(sha256);
    }
    for (const id of forgotten) await this.#fileSystem.unlink(this.#manifestPath(id));
    await this.#fileSystem.syncDirectory(`${this.directory}/backups`);
    const files = `${this.directory}/files`;
    for (const folder of forgotten.length === 0 ? [] : await this.#fileSystem.list(files)) {
      for (const name of await this.#fileSystem.list(`${files}/${folder}`)) {
        if (!kept.has(name)) await this.#fileSystem.unlink(`${files}/${folder}/${name}`);
      }
    }
    return forgotten.length;
  }

  /** Where the content of that digest lies. */
  pathOf(sha256: string): string {
    return `${this.directory}/files/${sha256.slice(0, 2)}/${sha256}`;
  }

  /** Gives a staged content its name. One that is there and of another length was cut short since. */
  async #name(staged: string, digest: FileDigest): Promise<void> {
    const path = this.pathOf(digest.sha256);
    if (await this.has(digest)) return;
    await makeDirectoryDurable(this.#fileSystem, parentOf(path));
    if (await this.#fileSystem.exists(path)) await this.#fileSystem.unlink(path);
    await this.#fileSystem.link(staged, path);
  }

  async #holding(content: FileDigest, read: (path: string) => Promise<FileDigest>): Promise<void> {
    const path = this.pathOf(content.sha256);
    const damaged = (reason: string): TributaryError =>
      new TributaryError('TRIBUTARY_STORAGE_BACKUP_DAMAGED', { path, reason });
    if (!(await this.#fileSystem.exists(path))) throw damaged('it is not there');
    const { bytes, sha256 } = await read(path);
    if (bytes !== content.bytes) {
      throw damaged(`it has ${bytes} bytes, ${content.bytes} were copied`);
    }
    if (sha256 !== content.sha256) throw damaged('its checksum does not hold');
  }

  #manifestPath(id: string): string {
    return `${this.directory}/backups/${id}.json`;
  }
}
