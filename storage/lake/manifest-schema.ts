/**
 * The Avro schemas of manifests and manifest lists (Iceberg Table Spec v2, "Manifests" and "Manifest
 * Lists"), with the field ids that readers go by.
 */
import type { AvroField, AvroRecord, AvroSchema } from './avro-schema.ts';

function field(id: number, name: string, type: AvroSchema): AvroField {
  return { name, type, 'field-id': id };
}

function optional(id: number, name: string, type: AvroSchema): AvroField {
  return { name, type: ['null', type], default: null, 'field-id': id };
}

/** Iceberg's map with int keys: Avro's own maps have only strings as keys. */
function byFieldId(id: number, name: string, keyId: number, value: AvroSchema): AvroField {
  const fields = [field(keyId, 'key', 'int'), field(keyId + 1, 'value', value)];
  const items: AvroRecord = { type: 'record', name: `k${keyId}_v${keyId + 1}`, fields };
  return optional(id, name, { type: 'array', logicalType: 'map', items });
}

/** Of our own field, far above those that the specification gives; other readers leave it out. */
const VALUES_FIELD_ID = 9001;

/** The schema of a manifest; `dayField` is the table's partition field, if it has one. */
export function manifestSchema(
  dayField: { readonly 'field-id': number; readonly name: string } | undefined,
): AvroRecord {
  const day = { type: 'int', logicalType: 'date' } as const;
  const partition: AvroRecord = {
    type: 'record',
    name: 'r102',
    fields: dayField === undefined ? [] : [optional(dayField['field-id'], dayField.name, day)],
  };
  const dataFile: AvroRecord = {
    type: 'record',
    name: 'r2',
    fields: [
      field(134, 'content', 'int'),
      field(100, 'file_path', 'string'),
      field(101, 'file_format', 'string'),
      field(102, 'partition', partition),
      field(103, 'record_count', 'long'),
      field(104, 'file_size_in_bytes', 'long'),
      byFieldId(108, 'column_sizes', 117, 'long'),
      byFieldId(109, 'value_counts', 119, 'long'),
      byFieldId(110, 'null_value_counts', 121, 'long'),
      byFieldId(137, 'nan_value_counts', 138, 'long'),
      byFieldId(125, 'lower_bounds', 126, 'bytes'),
      byFieldId(128, 'upper_bounds', 129, 'bytes'),
      optional(132, 'split_offsets', { type: 'array', items: 'long', 'element-id': 133 }),
      optional(140, 'sort_order_id', 'int'),
      byFieldId(VALUES_FIELD_ID, 'tributary_values', VALUES_FIELD_ID + 1, 'string'),
    ],
  };
  return {
    type: 'record',
    name: 'manifest_entry',
    fields: [
      field(0, 'status', 'int'),
      optional(1, 'snapshot_id', 'long'),
      optional(3, 'sequence_number', 'long'),
      optional(4, 'file_sequence_number', 'long'),
      field(2, 'data_file', dataFile),
    ],
  };
}

const PARTITION_SUMMARY: AvroRecord = {
  type: 'record',
  name: 'r508',
  fields: [
    field(509, 'contains_null', 'boolean'),
    optional(518, 'contains_nan', 'boolean'),
    optional(510, 'lower_bound', 'bytes'),
    optional(511, 'upper_bound', 'bytes'),
  ],
};

export const MANIFEST_LIST_SCHEMA: AvroRecord = {
  type: 'record',
  name: 'manifest_file',
  fields: [
    field(500, 'manifest_path', 'string'),
    field(501, 'manifest_length', 'long'),
    field(502, 'partition_spec_id', 'int'),
    field(517, 'content', 'int'),
    field(515, 'sequence_number', 'long'),
    field(516, 'min_sequence_number', 'long'),
    field(503, 'added_snapshot_id', 'long'),
    field(504, 'added_files_count', 'int'),
    field(505, 'existing_files_count', 'int'),
    field(506, 'deleted_files_count', 'int'),
    field(512, 'added_rows_count', 'long'),
    field(513, 'existing_rows_count', 'long'),
    field(514, 'deleted_rows_count', 'long'),
    optional(507, 'partitions', { type: 'array', items: PARTITION_SUMMARY, 'element-id': 508 }),
  ],
};
