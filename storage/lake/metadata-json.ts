/**
 * Reading and writing `v<N>.metadata.json`. What is read is checked field by field before it is used:
 * the rest of the lake trusts a TableMetadata blindly.
 *
 * - The last field is a checksum of all text before it: a digit that turned in an id or a path would
 *   pass for another. It is our own; readers ignore fields they do not know.
 * - Only what our tables are made of is taken: format version 2, primitive optional columns, a day
 *   partition or none. Anything else was not written by us, and is refused by name.
 */
import { TributaryError } from '../../base/errors.ts';
import { crc32c, formatCrc } from '../crc32c.ts';
import { formatJson, parseJson } from './json.ts';
import { isLakeType } from './schema.ts';
import type { FieldJson, SnapshotJson, TableMetadata } from './table-metadata.ts';

type Json = Readonly<Record<string, unknown>>;

const CHECKSUM = 'tributary-crc32c';

/** Why a document is not metadata of ours. */
class Mismatch extends Error {}

export function formatTableMetadata(metadata: TableMetadata): string {
  const body = formatJson(metadata).slice(0, -1);
  return `${body},"${CHECKSUM}":"${checksumOf(body)}"}`;
}

/** Takes the checksum off. A file of another writer has none. */
function checkedBody(text: string): string {
  const start = text.lastIndexOf(`,"${CHECKSUM}":"`);
  if (start < 0) return text;
  const body = text.slice(0, start);
  must(text.slice(start) === `,"${CHECKSUM}":"${checksumOf(body)}"}`, 'its checksum is wrong');
  return `${body}}`;
}

function checksumOf(body: string): string {
  const bytes = new TextEncoder().encode(body);
  return formatCrc(crc32c(bytes, 0, bytes.length, 0));
}

/** @throws TRIBUTARY_LAKE_METADATA_MALFORMED */
export function parseTableMetadata(text: string, location: string): TableMetadata {
  try {
    return checkMetadata(object(parseJson(checkedBody(text)), 'the document'));
  } catch (error) {
    if (!(error instanceof Mismatch) && !(error instanceof SyntaxError)) throw error;
    const reason = error instanceof Mismatch ? error.message : 'it is not JSON';
    throw new TributaryError('TRIBUTARY_LAKE_METADATA_MALFORMED', { location, reason }, error);
  }
}

function checkMetadata(json: Json): TableMetadata {
  must(json['format-version'] === 2, 'its format version is not 2');
  const metadata = {
    ...json,
    'format-version': 2 as const,
    'table-uuid': text(json, 'table-uuid'),
    location: text(json, 'location'),
    'last-sequence-number': count(json, 'last-sequence-number'),
    'last-updated-ms': count(json, 'last-updated-ms'),
    'last-column-id': count(json, 'last-column-id'),
    'current-schema-id': count(json, 'current-schema-id'),
    schemas: list(json, 'schemas').map((schema) => ({
      ...schema,
      type: 'struct' as const,
      'schema-id': count(schema, 'schema-id'),
      fields: list(schema, 'fields').map(checkField),
    })),
    'default-spec-id': count(json, 'default-spec-id'),
    'partition-specs': list(json, 'partition-specs').map((spec) => ({
      ...spec,
      'spec-id': count(spec, 'spec-id'),
      fields: list(spec, 'fields').map((field) => {
        must(field['transform'] === 'day', 'a partition is not by day');
        const ids = {
          'source-id': count(field, 'source-id'),
          'field-id': count(field, 'field-id'),
        };
        return { ...ids, name: text(field, 'name'), transform: 'day' as const };
      }),
    })),
    'last-partition-id': count(json, 'last-partition-id'),
    'default-sort-order-id': count(json, 'default-sort-order-id'),
    'sort-orders': list(json, 'sort-orders') as unknown as TableMetadata['sort-orders'],
    properties: texts(json, 'properties'),
    'current-snapshot-id': id(json, 'current-snapshot-id'),
    refs: checkRefs(object(json['refs'], 'refs')),
    snapshots: list(json, 'snapshots').map(checkSnapshot),
    'snapshot-log': list(json, 'snapshot-log').map((entry) => ({
      'snapshot-id': id(entry, 'snapshot-id'),
      'timestamp-ms': count(entry, 'timestamp-ms'),
    })),
    'metadata-log': list(json, 'metadata-log').map((entry) => ({
      'metadata-file': text(entry, 'metadata-file'),
      'timestamp-ms': count(entry, 'timestamp-ms'),
    })),
  };
  checkReferences(metadata);
  return metadata;
}

/** What is named by id must be there. */
function checkReferences(metadata: TableMetadata): void {
  const { schemas, snapshots, 'partition-specs': specs } = metadata;
  const current = metadata['current-snapshot-id'];
  must(
    schemas.some((schema) => schema['schema-id'] === metadata['current-schema-id']),
    'its current schema is missing',
  );
  must(
    specs.length === 1 && specs[0]!['spec-id'] === metadata['default-spec-id'],
    'it has not one partition spec',
  );
  must(specs[0]!.fields.length <= 1, 'it has more than one partition field');
  must(
    current === -1n || snapshots.some((snapshot) => snapshot['snapshot-id'] === current),
    'its current snapshot is missing',
  );
}

function checkField(field: Json): FieldJson {
  const { type, required } = field;
  const name = text(field, 'name');
  must(isLakeType(type), `the type of column ${name} is not known`);
  must(required === false, `column ${name} is not optional`);
  return { ...field, id: count(field, 'id'), name, required: false, type };
}

function checkSnapshot(snapshot: Json): SnapshotJson {
  const { 'parent-snapshot-id': parent, ...rest } = snapshot;
  return {
    ...rest,
    'snapshot-id': id(snapshot, 'snapshot-id'),
    ...(parent === undefined ? {} : { 'parent-snapshot-id': id(snapshot, 'parent-snapshot-id') }),
    'sequence-number': count(snapshot, 'sequence-number'),
    'timestamp-ms': count(snapshot, 'timestamp-ms'),
    'manifest-list': text(snapshot, 'manifest-list'),
    'schema-id': count(snapshot, 'schema-id'),
    summary: texts(snapshot, 'summary'),
  };
}

function checkRefs(refs: Json): TableMetadata['refs'] {
  const checked = Object.entries(refs).map(([name, value]) => {
    const ref = object(value, name);
    must(ref['type'] === 'branch' || ref['type'] === 'tag', `${name} is no branch and no tag`);
    return [name, { ...ref, type: ref['type'], 'snapshot-id': id(ref, 'snapshot-id') }];
  });
  return Object.fromEntries(checked);
}

function must(condition: boolean, reason: string): asserts condition {
  if (!condition) throw new Mismatch(reason);
}

function object(value: unknown, name: string): Json {
  must(
    typeof value === 'object' && value !== null && !Array.isArray(value),
    `${name} is no object`,
  );
  return value as Json;
}

function list(json: Json, name: string): Json[] {
  const value = json[name];
  must(Array.isArray(value), `${name} is no list`);
  return value.map((item) => object(item, `an item of ${name}`));
}

function text(json: Json, name: string): string {
  const value = json[name];
  must(typeof value === 'string', `${name} is no string`);
  return value;
}

function texts(json: Json, name: string): Record<string, string> {
  const value = object(json[name], name);
  must(
    Object.values(value).every((entry) => typeof entry === 'string'),
    `${name} holds something else than strings`,
  );
  return value as Record<string, string>;
}

function count(json: Json, name: string): number {
  const value = json[name];
  must(typeof value === 'number' && Number.isSafeInteger(value), `${name} is no whole number`);
  must(value >= 0, `${name} is negative`);
  return value;
}

function id(json: Json, name: string): bigint {
  const value = json[name];
  if (typeof value === 'bigint') return value;
  must(typeof value === 'number' && Number.isSafeInteger(value), `${name} is no whole number`);
  return BigInt(value);
}
