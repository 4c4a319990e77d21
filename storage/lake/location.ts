/**
 * Names of the lake's objects. Metadata names them by location, `s3://<lake>/<key>`, whatever they lie
 * on; the object store knows them by key.
 *
 *   <namespace>/<table>-<8hex>/data/<column>_day=2026-11-20/<uuid>-<crc>.parquet
 *   <namespace>/<table>-<8hex>/metadata/v<N>.metadata.json        the table, as of commit N
 *   <namespace>/<table>-<8hex>/metadata/snap-<id>-<uuid>.avro     manifest list of a snapshot
 *   <namespace>/<table>-<8hex>/metadata/<uuid>.avro               manifest
 *   <namespace>/<table>-<8hex>/metadata/version-hint.text         N, a hint for readers by path
 *   <namespace>/.trash/<day>/<table>-<8hex>/…                     collected orphans
 *
 * - The eight hex digits are the start of SHA-256 of `<namespace>/<table>`: they keep the prefix of one
 *   table from being the prefix of another's (`edges`, `edges_old`), and need no catalog to be found.
 * - A data file has the CRC-32C of its content in its name. Every engine passes a name on as it is, so the
 *   checksum goes where the file goes: into manifests, backups, other stores, the trash.
 * - Keys are ASCII without empty, `.` or `..` parts, so that a key is a relative path as it stands and
 *   a location has one spelling. What does not fit is refused, never mended.
 */
import { createHash } from 'node:crypto';
import { assert } from '../../base/assert.ts';
import { TributaryError } from '../../base/errors.ts';
import type { RandomSource } from '../../base/random.ts';
import { formatCrc } from '../crc32c.ts';

const NAME = /^[a-z0-9_][a-z0-9_-]{0,62}$/;
const KEY_PART = /^[A-Za-z0-9_=.-]{1,200}$/;
/** Hadoop's names for the same stores; foreign engines write them. */
const SCHEME = /^s3[an]?:\/\//;
/** Behind the last group of the UUID, which has twelve digits. */
const DATA_FILE = /-([0-9a-f]{8})\.parquet$/;
const DAY_MS = 86_400_000;

/** Whether `key` may name an object. */
export function isObjectKey(key: string): boolean {
  return key.split('/').every((part) => KEY_PART.test(part) && part !== '.' && part !== '..');
}

/** Whether `name` may name a namespace or a table. */
export function isLakeName(name: string): boolean {
  return NAME.test(name);
}

/** The prefix of a table's keys, without a slash at the end. */
export function tableKey(namespace: string, table: string): string {
  assert(isLakeName(namespace) && isLakeName(table), 'a namespace and a table have plain names');
  const digest = createHash('sha256').update(`${namespace}/${table}`).digest('hex');
  return `${namespace}/${table}-${digest.slice(0, 8)}`;
}

export function locationOf(bucket: string, key: string): string {
  assert(isObjectKey(key), 'an object key is a plain relative path');
  return `s3://${bucket}/${key}`;
}

/** @throws TRIBUTARY_LAKE_LOCATION_FOREIGN unless `location` is a well-formed one of this bucket. */
export function keyOf(bucket: string, location: string): string {
  const rest = location.replace(SCHEME, '');
  const key = rest.slice(bucket.length + 1);
  if (!SCHEME.test(location) || !rest.startsWith(`${bucket}/`) || !isObjectKey(key)) {
    throw new TributaryError('TRIBUTARY_LAKE_LOCATION_FOREIGN', { location });
  }
  return key;
}

/** The name of a new data file, and what its content is checked against. */
export function dataFileName(crc: number, random: RandomSource): string {
  return `${randomUuid(random)}-${formatCrc(crc)}.parquet`;
}

/** The CRC-32C that a data file has in its name; undefined for one that was named without. */
export function crcOfName(location: string): number | undefined {
  const [, digits] = DATA_FILE.exec(location) ?? [];
  return digits === undefined ? undefined : Number.parseInt(digits, 16);
}

/** Where an orphan waits for its end; `key` lies in `namespace`. */
export function trashKey(namespace: string, day: string, key: string): string {
  assert(key.startsWith(`${namespace}/`), 'an orphan lies in its namespace');
  return `${trashPrefix(namespace)}${day}/${key.slice(namespace.length + 1)}`;
}

/** The prefix of all trash of a namespace, with a slash at the end. */
export function trashPrefix(namespace: string): string {
  return `${namespace}/.trash/`;
}

/** `2026-11-20` for days since 1970-01-01. */
export function formatDay(day: number): string {
  return new Date(day * DAY_MS).toISOString().slice(0, 10);
}

/** A random UUID (version 4). */
export function randomUuid(random: RandomSource): string {
  const bytes = random.bytes(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return [0, 8, 12, 16, 20].map((start, i, all) => hex.slice(start, all[i + 1])).join('-');
}
