/**
 * The metadata of an Iceberg v2 table: the content of `v<N>.metadata.json`, field by field as the
 * specification spells it (Iceberg Table Spec, "Table Metadata").
 *
 * - A value never changes; a commit makes a new one (metadata-updates.ts).
 * - Snapshot ids are bigint, since other writers use 63 bits. Ours stay below 2^53, so that clients in
 *   JavaScript read them exactly. All other numbers are below 2^53.
 * - Times are milliseconds since 1970-01-01T00:00:00Z and never go back, whatever the clock does.
 */
import { LIMITS } from '../../base/limits.ts';
import type { LakeColumn, LakeSchema, LakeTableDefinition, LakeType } from './schema.ts';

export interface FieldJson {
  readonly id: number;
  readonly name: string;
  readonly required: boolean;
  readonly type: LakeType;
}

export interface SchemaJson {
  readonly type: 'struct';
  readonly 'schema-id': number;
  readonly fields: readonly FieldJson[];
}

export interface PartitionFieldJson {
  readonly 'source-id': number;
  readonly 'field-id': number;
  readonly name: string;
  readonly transform: 'day';
}

export interface PartitionSpecJson {
  readonly 'spec-id': number;
  readonly fields: readonly PartitionFieldJson[];
}

export interface SortOrderJson {
  readonly 'order-id': number;
  readonly fields: readonly {
    readonly 'source-id': number;
    readonly transform: 'identity';
    readonly direction: 'asc';
    readonly 'null-order': 'nulls-first';
  }[];
}

export interface SnapshotJson {
  readonly 'snapshot-id': bigint;
  readonly 'parent-snapshot-id'?: bigint;
  readonly 'sequence-number': number;
  readonly 'timestamp-ms': number;
  readonly 'manifest-list': string;
  readonly 'schema-id': number;
  readonly summary: Readonly<Record<string, string>>;
}

export interface SnapshotRefJson {
  readonly 'snapshot-id': bigint;
  readonly type: 'branch' | 'tag';
}

export interface TableMetadata {
  readonly 'format-version': 2;
  readonly 'table-uuid': string;
  readonly location: string;
  readonly 'last-sequence-number': number;
  readonly 'last-updated-ms': number;
  readonly 'last-column-id': number;
  readonly 'current-schema-id': number;
  readonly schemas: readonly SchemaJson[];
  readonly 'default-spec-id': number;
  readonly 'partition-specs': readonly PartitionSpecJson[];
  readonly 'last-partition-id': number;
  readonly 'default-sort-order-id': number;
  readonly 'sort-orders': readonly SortOrderJson[];
  readonly properties: Readonly<Record<string, string>>;
  /** -1 while there is none. */
  readonly 'current-snapshot-id': bigint;
  readonly refs: Readonly<Record<string, SnapshotRefJson>>;
  readonly snapshots: readonly SnapshotJson[];
  readonly 'snapshot-log': readonly {
    readonly 'snapshot-id': bigint;
    readonly 'timestamp-ms': number;
  }[];
  readonly 'metadata-log': readonly {
    readonly 'metadata-file': string;
    readonly 'timestamp-ms': number;
  }[];
}

/** Iceberg numbers partition fields from here. */
const FIRST_PARTITION_ID = 1000;
export const NO_SNAPSHOT = -1n;

/** Counts, but no bounds: how Iceberg says that a column is personal, and how we remember it. */
const METRICS_OF_COLUMN = 'write.metadata.metrics.column.';
const COUNTS_ONLY = 'counts';

/** What every table of ours says to other writers, should one be let in. */
const PROPERTIES = {
  'write.format.default': 'parquet',
  'write.parquet.compression-codec': 'zstd',
  'write.delete.mode': 'copy-on-write',
  'write.update.mode': 'copy-on-write',
  'write.merge.mode': 'copy-on-write',
  'write.metadata.metrics.default': 'truncate(16)',
  'write.metadata.delete-after-commit.enabled': 'true',
  'write.metadata.previous-versions-max': String(LIMITS.lakeMetadataVersionsMax),
  'commit.manifest.min-count-to-merge': String(LIMITS.lakeManifestsMax),
  'commit.manifest.target-size-bytes': String(LIMITS.lakeManifestBytesMax),
} as const;

/** The first version of a table: its columns numbered from 1, no snapshot. */
export function newTableMetadata(
  definition: LakeTableDefinition,
  location: string,
  uuid: string,
  nowMs: number,
): TableMetadata {
  const { columns, dayOf, sortBy } = definition;
  const idOf = (name: string) => columns.findIndex((column) => column.name === name) + 1;
  const day = dayOf === undefined ? [] : [dayPartition(dayOf, idOf(dayOf))];
  const sort = sortBy.map(
    (name) =>
      ({
        'source-id': idOf(name),
        transform: 'identity',
        direction: 'asc',
        'null-order': 'nulls-first',
      }) as const,
  );
  const fields = columns.map(({ name, type }, index) => {
    return { id: index + 1, name, required: false, type };
  });
  const personal = columns.filter((column) => column.personal).map(personalProperty);
  return {
    'format-version': 2,
    'table-uuid': uuid,
    location,
    'last-sequence-number': 0,
    'last-updated-ms': nowMs,
    'last-column-id': fields.length,
    'current-schema-id': 0,
    schemas: [{ type: 'struct', 'schema-id': 0, fields }],
    'default-spec-id': 0,
    'partition-specs': [{ 'spec-id': 0, fields: day }],
    'last-partition-id': FIRST_PARTITION_ID - 1 + day.length,
    'default-sort-order-id': sort.length === 0 ? 0 : 1,
    // Order 0 is the unsorted one by definition.
    'sort-orders': sort.length === 0 ? [UNSORTED] : [UNSORTED, { 'order-id': 1, fields: sort }],
    properties: { ...PROPERTIES, ...Object.fromEntries(personal) },
    'current-snapshot-id': NO_SNAPSHOT,
    refs: {},
    snapshots: [],
    'snapshot-log': [],
    'metadata-log': [],
  };
}

const UNSORTED: SortOrderJson = { 'order-id': 0, fields: [] };

function dayPartition(column: string, sourceId: number): PartitionFieldJson {
  const name = `${column}_day`;
  return { 'source-id': sourceId, 'field-id': FIRST_PARTITION_ID, name, transform: 'day' };
}

/** The property that marks a column as personal. */
export function personalProperty(column: { readonly name: string }): [string, string] {
  return [`${METRICS_OF_COLUMN}${column.name}`, COUNTS_ONLY];
}

export function currentSchema(metadata: TableMetadata): SchemaJson {
  const id = metadata['current-schema-id'];
  return metadata.schemas.find((schema) => schema['schema-id'] === id)!;
}

/** The one partition field of the table; undefined for a table of one partition. */
export function dayField(metadata: TableMetadata): PartitionFieldJson | undefined {
  const id = metadata['default-spec-id'];
  return metadata['partition-specs'].find((spec) => spec['spec-id'] === id)!.fields[0];
}

export function findSnapshot(
  metadata: TableMetadata,
  snapshotId: bigint = metadata['current-snapshot-id'],
): SnapshotJson | undefined {
  return metadata.snapshots.find((snapshot) => snapshot['snapshot-id'] === snapshotId);
}

/** A schema as the rest of the appliance sees it. */
export function toLakeSchema(metadata: TableMetadata, schema: SchemaJson): LakeSchema {
  const columns = schema.fields.map(({ id, name, type }): LakeColumn => {
    const [property, counts] = personalProperty({ name });
    return { id, name, type, personal: metadata.properties[property] === counts };
  });
  return { schemaId: schema['schema-id'], columns };
}
