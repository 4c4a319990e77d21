/**
 * The manifest of a backup: every file of the appliance at one moment, by path and content, as one JSON
 * document. It is written last, so a backup is there when its manifest is, and whole.
 *
 *     { "format_version": 1, "id": "20261120T081500000Z", "files": [
 *         { "path": "control.json", "bytes": 812, "sha256": "…" },
 *         { "path": "tenants/…/wal/wal-0000000000000007", "bytes": …, "sha256": "…", "wal_file_id": "…" }, … ],
 *       "crc32c": "…" }
 *
 * - Paths are relative to the data directory, plain and without `..`: what restores them writes nowhere else.
 * - `crc32c` covers the compact text of the rest.
 */
import { TributaryError } from '../base/errors.ts';
import { crc32c, formatCrc } from './crc32c.ts';
import type { FileDigest } from './file-copy.ts';

const FORMAT_VERSION = 1;
const ID = /^\d{8}T\d{9}Z$/;
const PATH_PART = /^[A-Za-z0-9_=.-]{1,200}$/;

export interface BackupFile extends FileDigest {
  readonly path: string;
  /** Of a log file: the id in its header, see wal-extent.ts. */
  readonly wal_file_id?: string;
}

export interface BackupManifest {
  /** When the backup was begun, UTC, to the millisecond: ids sort by time. */
  readonly id: string;
  readonly files: readonly BackupFile[];
}

/** The id of a backup that begins now; behind `last` also when the clock went back. */
export function backupIdAt(nowMicros: number, last: string | undefined): string {
  const nowMs = Math.floor(nowMicros / 1000);
  const lastMs = last === undefined ? 0 : millisecondsOf(last);
  return new Date(Math.max(nowMs, lastMs + 1)).toISOString().replace(/[-:.]/g, '');
}

export function isBackupId(text: string): boolean {
  return ID.test(text);
}

function millisecondsOf(id: string): number {
  const parts = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)(\d{3})Z$/.exec(id)!.slice(1).map(Number);
  const [year, month, day, hour, minute, second, millisecond] = parts;
  return Date.UTC(year!, month! - 1, day, hour, minute, second, millisecond);
}

export function serialiseBackupManifest({ id, files }: BackupManifest): Uint8Array {
  const document = { format_version: FORMAT_VERSION, id, files };
  return Buffer.from(`${JSON.stringify({ ...document, crc32c: checksum(document) })}\n`, 'utf8');
}

function checksum(document: object): string {
  const text = Buffer.from(JSON.stringify(document), 'utf8');
  return formatCrc(crc32c(text, 0, text.length, 0));
}

/** @param path only for the message. @throws TRIBUTARY_STORAGE_BACKUP_MALFORMED */
export function parseBackupManifest(bytes: Uint8Array, path: string): BackupManifest {
  const refuse = (reason: string, cause?: unknown): never => {
    throw new TributaryError('TRIBUTARY_STORAGE_BACKUP_MALFORMED', { path, reason }, cause);
  };
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (cause) {
    return refuse('its manifest is not JSON', cause);
  }
  if (!isRecord(value)) return refuse('its manifest is not a JSON object');
  const { crc32c: written, ...rest } = value;
  if (rest['format_version'] !== FORMAT_VERSION) {
    return refuse(`format_version is ${String(rest['format_version'])}, not ${FORMAT_VERSION}`);
  }
  if (written !== checksum(rest)) return refuse('the checksum of its manifest does not hold');
  const { id, files } = rest;
  if (typeof id !== 'string' || !isBackupId(id)) return refuse('its manifest has no id');
  if (!Array.isArray(files) || !files.every(isBackupFile)) {
    return refuse('its manifest lists something that is not a file');
  }
  if (new Set(files.map((file) => file.path)).size !== files.length) {
    return refuse('its manifest lists a path twice');
  }
  return { id, files };
}

function isBackupFile(value: unknown): value is BackupFile {
  return (
    isRecord(value) &&
    isPlainPath(value['path']) &&
    Number.isSafeInteger(value['bytes']) &&
    (value['bytes'] as number) >= 0 &&
    typeof value['sha256'] === 'string' &&
    /^[0-9a-f]{64}$/.test(value['sha256']) &&
    ['string', 'undefined'].includes(typeof value['wal_file_id'])
  );
}

function isPlainPath(path: unknown): path is string {
  if (typeof path !== 'string') return false;
  return path.split('/').every((part) => PATH_PART.test(part) && part !== '.' && part !== '..');
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
