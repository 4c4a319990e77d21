/**
 * Changes to a table's metadata, named as the Iceberg REST protocol names them (TableUpdate), and what
 * they make of it. A commit is a list of them, applied to the version it was made for; that nobody came in
 * between is what the conditional put of the next version proves (iceberg-table.ts).
 */
import { assert } from '../../base/assert.ts';
import type { SchemaJson, SnapshotJson, TableMetadata } from './table-metadata.ts';

export type TableUpdate =
  /** The schema becomes the current one. */
  | { readonly action: 'add-schema'; readonly schema: SchemaJson }
  /** The snapshot becomes the current one of branch `main`. */
  | { readonly action: 'add-snapshot'; readonly snapshot: SnapshotJson }
  | { readonly action: 'remove-snapshots'; readonly 'snapshot-ids': readonly bigint[] }
  | { readonly action: 'set-properties'; readonly updates: Readonly<Record<string, string>> }
  | { readonly action: 'remove-properties'; readonly removals: readonly string[] };

export interface NextVersion {
  readonly nowMs: number;
  /** Where the version that is changed lies. */
  readonly previousLocation: string;
  /** How many versions before the new one its log names. */
  readonly versionsMax: number;
}

/** The version after `metadata`, `updates` applied in order. */
export function nextMetadata(
  metadata: TableMetadata,
  updates: readonly TableUpdate[],
  next: NextVersion,
): TableMetadata {
  const previous = {
    'metadata-file': next.previousLocation,
    'timestamp-ms': metadata['last-updated-ms'],
  };
  const stamped: TableMetadata = {
    ...metadata,
    'last-updated-ms': Math.max(next.nowMs, metadata['last-updated-ms']),
    'metadata-log': [...metadata['metadata-log'], previous].slice(-next.versionsMax),
  };
  return updates.reduce(applyUpdate, stamped);
}

function applyUpdate(metadata: TableMetadata, update: TableUpdate): TableMetadata {
  switch (update.action) {
    case 'add-schema': {
      const { schema } = update;
      const ids = schema.fields.map(({ id }) => id);
      return {
        ...metadata,
        schemas: [...metadata.schemas, schema],
        'current-schema-id': schema['schema-id'],
        'last-column-id': Math.max(metadata['last-column-id'], ...ids),
      };
    }
    case 'add-snapshot':
      return addSnapshot(metadata, update.snapshot);
    case 'remove-snapshots':
      return removeSnapshots(metadata, new Set(update['snapshot-ids']));
    case 'set-properties':
      return { ...metadata, properties: { ...metadata.properties, ...update.updates } };
    case 'remove-properties': {
      const kept = Object.entries(metadata.properties).filter(
        ([name]) => !update.removals.includes(name),
      );
      return { ...metadata, properties: Object.fromEntries(kept) };
    }
  }
}

function addSnapshot(metadata: TableMetadata, snapshot: SnapshotJson): TableMetadata {
  const snapshotId = snapshot['snapshot-id'];
  assert(
    snapshot['sequence-number'] > metadata['last-sequence-number'],
    'sequence numbers of snapshots rise',
  );
  const entry = { 'snapshot-id': snapshotId, 'timestamp-ms': snapshot['timestamp-ms'] };
  return {
    ...metadata,
    'last-updated-ms': Math.max(metadata['last-updated-ms'], snapshot['timestamp-ms']),
    'last-sequence-number': snapshot['sequence-number'],
    'current-snapshot-id': snapshotId,
    refs: { ...metadata.refs, main: { 'snapshot-id': snapshotId, type: 'branch' } },
    snapshots: [...metadata.snapshots, snapshot],
    'snapshot-log': [...metadata['snapshot-log'], entry],
  };
}

function removeSnapshots(metadata: TableMetadata, ids: ReadonlySet<bigint>): TableMetadata {
  assert(!ids.has(metadata['current-snapshot-id']), 'the current snapshot stays');
  const log = metadata['snapshot-log'];
  // Iceberg wants a log without gaps: what lies before a removed snapshot goes as well.
  const lastRemoved = log.findLastIndex((entry) => ids.has(entry['snapshot-id']));
  return {
    ...metadata,
    snapshots: metadata.snapshots.filter((snapshot) => !ids.has(snapshot['snapshot-id'])),
    'snapshot-log': log.slice(lastRemoved + 1),
  };
}
