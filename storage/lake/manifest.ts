/**
 * Manifests: the lists of data files, each with what a snapshot did to it.
 *
 * - An entry that a commit adds has null sequence numbers in the file and inherits those of its
 *   manifest, so that the manifest need not be written anew when another commit came first.
 * - Bounds of personal columns are not written, whatever the caller knows.
 * - A field of our own, `tributary_values`, lists the values of columns that have few, as JSON. Manifests
 *   that others wrote have none.
 * - Bounds are read with the table's current types; those of columns that are gone are left out.
 */

import type { RandomSource } from '../../base/random.ts';
import { asRecord, countField, idField, listField, recordField, textField } from './avro-fields.ts';
import { decodeAvroFile, encodeAvroFile } from './avro-file.ts';
import { AvroError, type AvroRecordValue } from './avro-schema.ts';
import type { ColumnMetrics, DataFile } from './data-file.ts';
import { formatJson } from './json.ts';
import type { ManifestFile } from './manifest-list.ts';
import { manifestSchema } from './manifest-schema.ts';
import type { LakeColumn, LakeType } from './schema.ts';
import { decodeSingleValue, encodeLowerBound, encodeUpperBound } from './single-value.ts';
import { currentSchema, dayField, type TableMetadata, toLakeSchema } from './table-metadata.ts';

/** What a snapshot did to a file; the numbers of the format. */
export const ENTRY = { existing: 0, added: 1, deleted: 2 } as const;
export type EntryStatus = 0 | 1 | 2;

export interface ManifestEntry {
  readonly status: EntryStatus;
  /** The snapshot that added the file, or, for a deleted one, that deleted it. */
  readonly snapshotId: bigint;
  /** Of the commit that added it. */
  readonly sequenceNumber: number;
  readonly file: DataFile;
}

export function encodeManifest(
  metadata: TableMetadata,
  entries: readonly ManifestEntry[],
  random: RandomSource,
): Uint8Array {
  const schema = currentSchema(metadata);
  const day = dayField(metadata);
  const { columns } = toLakeSchema(metadata, schema);
  const sortOrderId = metadata['default-sort-order-id'];
  const records = entries.map((entry): AvroRecordValue => {
    const sequence = entry.status === ENTRY.added ? null : entry.sequenceNumber;
    const { file } = entry;
    return {
      status: entry.status,
      snapshot_id: entry.snapshotId,
      sequence_number: sequence,
      file_sequence_number: sequence,
      data_file: {
        content: 0,
        file_path: file.location,
        file_format: 'PARQUET',
        partition: day === undefined ? {} : { [day.name]: file.day },
        record_count: file.recordCount,
        file_size_in_bytes: file.fileBytes,
        ...encodeMetrics(file.columns, columns),
        split_offsets: file.splitOffsets.length === 0 ? null : file.splitOffsets,
        sort_order_id: file.sorted ? sortOrderId : 0,
      },
    };
  });
  const header = {
    schema: formatJson(schema),
    'schema-id': String(schema['schema-id']),
    'partition-spec': formatJson(metadata['partition-specs'][0]!.fields),
    'partition-spec-id': String(metadata['default-spec-id']),
    'format-version': '2',
    content: 'data',
  };
  return encodeAvroFile(manifestSchema(day), records, header, random);
}

/** @throws AvroError when the bytes are not the manifest that `manifest` describes. */
export function decodeManifest(
  metadata: TableMetadata,
  manifest: ManifestFile,
  bytes: Uint8Array,
): ManifestEntry[] {
  if (bytes.length !== manifest.length) throw new AvroError('it has not the length it should have');
  const { columns } = toLakeSchema(metadata, currentSchema(metadata));
  const day = dayField(metadata);
  const entries = decodeAvroFile(bytes).records.map((record): ManifestEntry => {
    const status = countField(record, 'status');
    if (status > ENTRY.deleted) throw new AvroError(`an entry has the status ${status}`);
    const data = recordField(record, 'data_file');
    if (countField(data, 'content') !== 0) throw new AvroError('it lists files of deletes');
    const inherits = record['sequence_number'] === null;
    return {
      status: status as EntryStatus,
      snapshotId:
        record['snapshot_id'] === null ? manifest.addedSnapshotId : idField(record, 'snapshot_id'),
      sequenceNumber: inherits ? manifest.sequenceNumber : countField(record, 'sequence_number'),
      file: {
        location: textField(data, 'file_path'),
        day: day === undefined ? null : dayOf(recordField(data, 'partition'), day.name),
        recordCount: countField(data, 'record_count'),
        fileBytes: countField(data, 'file_size_in_bytes'),
        columns: decodeMetrics(data, columns),
        splitOffsets: listField(data, 'split_offsets').map(Number),
        sorted: data['sort_order_id'] !== null && countField(data, 'sort_order_id') > 0,
      },
    };
  });
  const expected = manifest.addedFiles + manifest.existingFiles + manifest.deletedFiles;
  if (entries.length !== expected) throw new AvroError('it has not the entries it should have');
  return entries;
}

function dayOf(partition: AvroRecordValue, name: string): number | null {
  const day = partition[name];
  if (typeof day === 'number' || day === null) return day;
  throw new AvroError('the partition of a file is no day');
}

type Pair = { key: number; value: number | string | Uint8Array };

function encodeMetrics(
  metrics: ReadonlyMap<number, ColumnMetrics>,
  columns: readonly LakeColumn[],
): AvroRecordValue {
  const pairsOf = (
    take: (metric: ColumnMetrics, column: LakeColumn) => Pair['value'] | undefined,
  ) =>
    columns.flatMap((column): Pair[] => {
      const value = take(metrics.get(column.id) ?? {}, column);
      return value === undefined ? [] : [{ key: column.id, value }];
    });
  return {
    column_sizes: pairsOf(({ bytes }) => bytes),
    value_counts: pairsOf(({ valueCount }) => valueCount),
    null_value_counts: pairsOf(({ nullCount }) => nullCount),
    nan_value_counts: pairsOf(({ nanCount }) => nanCount),
    lower_bounds: pairsOf(({ lower }, { type, personal }) =>
      lower === undefined || personal ? undefined : encodeLowerBound(type, lower),
    ),
    upper_bounds: pairsOf(({ upper }, { type, personal }) =>
      upper === undefined || personal ? undefined : encodeUpperBound(type, upper),
    ),
    tributary_values: pairsOf(({ values }, { type, personal }) =>
      values === undefined || personal || type !== 'string' ? undefined : JSON.stringify(values),
    ),
  };
}

function decodeMetrics(
  data: AvroRecordValue,
  columns: readonly LakeColumn[],
): ReadonlyMap<number, ColumnMetrics> {
  const typeOf = new Map(columns.map(({ id, type }) => [id, type]));
  const metrics = new Map<number, Record<string, unknown>>();
  const collect = (field: string, name: keyof ColumnMetrics): void => {
    for (const item of listField(data, field)) {
      const pair = asRecord(item, field);
      const type = typeOf.get(countField(pair, 'key'));
      if (type === undefined) continue;
      const decoded = decodeMetric(type, pair);
      if (decoded === undefined) continue;
      const id = countField(pair, 'key');
      const metric = metrics.get(id) ?? {};
      metric[name] = decoded;
      metrics.set(id, metric);
    }
  };
  collect('column_sizes', 'bytes');
  collect('value_counts', 'valueCount');
  collect('null_value_counts', 'nullCount');
  collect('nan_value_counts', 'nanCount');
  collect('lower_bounds', 'lower');
  collect('upper_bounds', 'upper');
  collect('tributary_values', 'values');
  return metrics;
}

function decodeMetric(type: LakeType, pair: AvroRecordValue): ColumnMetrics[keyof ColumnMetrics] {
  const { value } = pair;
  if (value instanceof Uint8Array) return decodeSingleValue(type, value);
  if (typeof value !== 'string') return countField(pair, 'value');
  return textsOf(value);
}

function textsOf(json: string): readonly string[] {
  try {
    const values: unknown = JSON.parse(json);
    if (Array.isArray(values) && values.every((item) => typeof item === 'string')) return values;
  } catch {
    // It is no JSON at all.
  }
  throw new AvroError('the values of a column are no list of texts');
}
