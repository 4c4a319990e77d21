/**
 * The control file: which tenants, sources and keys the appliance has, as one JSON document.
 *
 * It is small, read once at start and replaced as a whole, so that a crash leaves either the old
 * document or the new one. This module is the format: text to plain values and back, checked.
 *
 * - Everything read is validated before it is used; a document of a newer version is refused.
 * - `crc32c` covers the rest, spaces aside: a bit that turned in a name or a hash would pass for another.
 * - A source's ordinal is stored in the log and is never given to another source of its tenant.
 * - Key ids are unique among the keys of one kind.
 */
import { TributaryError } from '../base/errors.ts';
import { crc32c } from '../storage/crc32c.ts';

const FORMAT_VERSION = 2;

/** A stored key: what proves it, never the key itself. */
export interface KeyRecord {
  readonly id: string;
  /** SHA-256 of the whole key, 64 lower-case hexadecimal digits. */
  readonly sha256: string;
  /** ISO 8601. */
  readonly created_at: string;
}

export interface SourceRecord {
  readonly ordinal: number;
  readonly name: string;
  readonly keys: readonly KeyRecord[];
}

/** A key that other engines read the lake with, and the name people know it by. */
export interface LakeTokenRecord extends KeyRecord {
  readonly name: string;
}

export interface TenantRecord {
  /** UUID; directories and logs are named by it. */
  readonly id: string;
  readonly name: string;
  readonly sources: readonly SourceRecord[];
  readonly admin_keys: readonly KeyRecord[];
  /** Absent in documents that were written before there were any. */
  readonly lake_tokens?: readonly LakeTokenRecord[];
  /** Days that rows are kept, by table, where that differs from the appliance's; 0 is for ever. */
  readonly retention_days?: Readonly<Record<string, number>>;
}

export interface ControlDocument {
  readonly format_version: number;
  readonly tenants: readonly TenantRecord[];
}

/** A document for an appliance that starts for the first time. */
export function firstDocument(
  tenantId: string,
  writeKey: KeyRecord,
  adminKey: KeyRecord,
): ControlDocument {
  const source = { ordinal: 1, name: 'default', keys: [writeKey] };
  const tenant = { id: tenantId, name: 'default', sources: [source], admin_keys: [adminKey] };
  return { format_version: FORMAT_VERSION, tenants: [tenant] };
}

export function serialiseControl(document: ControlDocument): string {
  return `${JSON.stringify({ ...document, crc32c: checksum(document) }, null, 2)}\n`;
}

/** CRC-32C of the compact text, 8 hexadecimal digits. */
function checksum(document: object): string {
  const text = Buffer.from(JSON.stringify(document), 'utf8');
  return crc32c(text, 0, text.length, 0).toString(16).padStart(8, '0');
}

/**
 * @param path only for the message.
 * @throws TributaryError TRIBUTARY_CONFIG_CONTROL_MALFORMED
 */
export function parseControl(text: string, path: string): ControlDocument {
  const refuse = (reason: string, cause?: unknown): never => {
    throw new TributaryError('TRIBUTARY_CONFIG_CONTROL_MALFORMED', { path, reason }, cause);
  };
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    return refuse('it is not JSON', cause);
  }
  if (!isObject(value)) return refuse('it is not a JSON object');
  if (value['format_version'] !== FORMAT_VERSION) {
    return refuse(
      `format_version is ${String(value['format_version'])}, this version reads ${FORMAT_VERSION}`,
    );
  }
  const { crc32c: written, ...rest } = value;
  if (written !== checksum(rest)) return refuse('it is damaged: its checksum does not hold');
  if (!isArrayOf(value['tenants'], isTenant) || value['tenants'].length === 0) {
    return refuse('tenants is not a list of tenants');
  }
  const document = { format_version: FORMAT_VERSION, tenants: value['tenants'] };
  const repeated = firstRepeated(document);
  return repeated === undefined ? document : refuse(`${repeated} is there twice`);
}

function firstRepeated(document: ControlDocument): string | undefined {
  const seen = new Set<string>();
  const names: string[] = [];
  for (const tenant of document.tenants) {
    names.push(`tenant ${tenant.id}`);
    for (const key of tenant.admin_keys) names.push(`admin key ${key.id}`);
    for (const token of tenant.lake_tokens ?? []) names.push(`lake token ${token.id}`);
    for (const source of tenant.sources) {
      names.push(`source ${tenant.id}/${source.ordinal}`);
      for (const key of source.keys) names.push(`write key ${key.id}`);
    }
  }
  return names.find((name) => seen.size === seen.add(name).size);
}

function isTenant(value: unknown): value is TenantRecord {
  return (
    isObject(value) &&
    typeof value['id'] === 'string' &&
    /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/.test(value['id']) &&
    typeof value['name'] === 'string' &&
    isArrayOf(value['sources'], isSource) &&
    isArrayOf(value['admin_keys'], isKey) &&
    (value['lake_tokens'] === undefined || isArrayOf(value['lake_tokens'], isLakeToken)) &&
    (value['retention_days'] === undefined || isRetention(value['retention_days']))
  );
}

function isRetention(value: unknown): value is Record<string, number> {
  return (
    isObject(value) &&
    Object.values(value).every((days) => Number.isSafeInteger(days) && (days as number) >= 0)
  );
}

function isLakeToken(value: unknown): value is LakeTokenRecord {
  return isKey(value) && 'name' in value && typeof value.name === 'string';
}

function isSource(value: unknown): value is SourceRecord {
  return (
    isObject(value) &&
    Number.isInteger(value['ordinal']) &&
    (value['ordinal'] as number) > 0 &&
    typeof value['name'] === 'string' &&
    isArrayOf(value['keys'], isKey)
  );
}

function isKey(value: unknown): value is KeyRecord {
  return (
    isObject(value) &&
    typeof value['id'] === 'string' &&
    typeof value['sha256'] === 'string' &&
    /^[0-9a-f]{64}$/.test(value['sha256']) &&
    typeof value['created_at'] === 'string'
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isArrayOf<Item>(
  value: unknown,
  isItem: (item: unknown) => item is Item,
): value is readonly Item[] {
  return Array.isArray(value) && value.every(isItem);
}
