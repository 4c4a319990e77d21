/**
 * Manifest lists: which manifests make a snapshot, with the counts and days of each, so that a reader
 * opens only those it needs.
 */
import type { RandomSource } from '../../base/random.ts';
import { asRecord, countField, idField, listField, textField } from './avro-fields.ts';
import { decodeAvroFile, encodeAvroFile } from './avro-file.ts';
import { AvroError, type AvroValue } from './avro-schema.ts';
import { ENTRY, type EntryStatus, type ManifestEntry } from './manifest.ts';
import { MANIFEST_LIST_SCHEMA } from './manifest-schema.ts';
import { encodeSingleValue } from './single-value.ts';
import type { SnapshotJson } from './table-metadata.ts';

export interface ManifestFile {
  readonly location: string;
  readonly length: number;
  readonly specId: number;
  /** Of the commit that wrote it. */
  readonly sequenceNumber: number;
  /** The least of its files. */
  readonly minSequenceNumber: number;
  readonly addedSnapshotId: bigint;
  readonly addedFiles: number;
  readonly existingFiles: number;
  readonly deletedFiles: number;
  readonly addedRows: number;
  readonly existingRows: number;
  readonly deletedRows: number;
  /** Of the partition field, as it stands in the file; null for a table of one partition. */
  readonly days: AvroValue;
}

/** Describes a manifest that `snapshot` writes at `location`. */
export function describeManifest(
  location: string,
  length: number,
  entries: readonly ManifestEntry[],
  snapshot: { readonly snapshotId: bigint; readonly sequenceNumber: number },
  partition: { readonly specId: number; readonly byDay: boolean },
): ManifestFile {
  const of = (status: EntryStatus) => entries.filter((entry) => entry.status === status);
  const rows = (status: EntryStatus) =>
    of(status).reduce((sum, { file }) => sum + file.recordCount, 0);
  return {
    location,
    length,
    specId: partition.specId,
    sequenceNumber: snapshot.sequenceNumber,
    minSequenceNumber: entries.reduce(
      (least, entry) => Math.min(least, entry.sequenceNumber),
      snapshot.sequenceNumber,
    ),
    addedSnapshotId: snapshot.snapshotId,
    addedFiles: of(ENTRY.added).length,
    existingFiles: of(ENTRY.existing).length,
    deletedFiles: of(ENTRY.deleted).length,
    addedRows: rows(ENTRY.added),
    existingRows: rows(ENTRY.existing),
    deletedRows: rows(ENTRY.deleted),
    days: partition.byDay ? [summariseDays(entries)] : [],
  };
}

function summariseDays(entries: readonly ManifestEntry[]): AvroValue {
  const days = entries.map(({ file }) => file.day).filter((day) => day !== null);
  const bound = (choose: (a: number, b: number) => number) =>
    days.length === 0 ? null : encodeSingleValue('date', days.reduce(choose));
  return {
    contains_null: days.length < entries.length,
    contains_nan: null,
    lower_bound: bound((a, b) => Math.min(a, b)),
    upper_bound: bound((a, b) => Math.max(a, b)),
  };
}

/** The list of a snapshot whose other fields are those of `snapshot`. */
export function encodeManifestList(
  manifests: readonly ManifestFile[],
  snapshot: Pick<SnapshotJson, 'snapshot-id' | 'parent-snapshot-id' | 'sequence-number'>,
  random: RandomSource,
): Uint8Array {
  const records = manifests.map((manifest) => ({
    manifest_path: manifest.location,
    manifest_length: manifest.length,
    partition_spec_id: manifest.specId,
    content: 0,
    sequence_number: manifest.sequenceNumber,
    min_sequence_number: manifest.minSequenceNumber,
    added_snapshot_id: manifest.addedSnapshotId,
    added_files_count: manifest.addedFiles,
    existing_files_count: manifest.existingFiles,
    deleted_files_count: manifest.deletedFiles,
    added_rows_count: manifest.addedRows,
    existing_rows_count: manifest.existingRows,
    deleted_rows_count: manifest.deletedRows,
    partitions: manifest.days,
  }));
  const header = {
    'snapshot-id': String(snapshot['snapshot-id']),
    'parent-snapshot-id': String(snapshot['parent-snapshot-id'] ?? null),
    'sequence-number': String(snapshot['sequence-number']),
    'format-version': '2',
  };
  return encodeAvroFile(MANIFEST_LIST_SCHEMA, records, header, random);
}

/** @throws AvroError */
export function decodeManifestList(bytes: Uint8Array): ManifestFile[] {
  return decodeAvroFile(bytes).records.map((record) => {
    if (countField(record, 'content') !== 0) throw new AvroError('it lists manifests of deletes');
    return {
      location: textField(record, 'manifest_path'),
      length: countField(record, 'manifest_length'),
      specId: countField(record, 'partition_spec_id'),
      sequenceNumber: countField(record, 'sequence_number'),
      minSequenceNumber: countField(record, 'min_sequence_number'),
      addedSnapshotId: idField(record, 'added_snapshot_id'),
      addedFiles: countField(record, 'added_files_count'),
      existingFiles: countField(record, 'existing_files_count'),
      deletedFiles: countField(record, 'deleted_files_count'),
      addedRows: countField(record, 'added_rows_count'),
      existingRows: countField(record, 'existing_rows_count'),
      deletedRows: countField(record, 'deleted_rows_count'),
      days: listField(record, 'partitions').map((days) => asRecord(days, 'partitions')),
    };
  });
}
