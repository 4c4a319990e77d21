/**
 * Forgetting snapshots, and deleting what only they referred to.
 *
 * - The snapshots leave the metadata first; their objects go afterwards. A crash in between leaves
 *   orphans, never a snapshot without its files.
 * - Data files go before the manifests that name them, and those before their lists.
 */
import type { ExpiryOptions } from './lake-table.ts';
import { keyOf } from './location.ts';
import type { MetadataReader } from './metadata-reader.ts';
import type { ObjectStore } from './object-store.ts';
import { addReferences, noReferences } from './references.ts';
import type { TableMetadata } from './table-metadata.ts';

/** The snapshots to expire, oldest first. */
export function planExpiry(
  metadata: TableMetadata,
  options: ExpiryOptions,
  pinned: ReadonlySet<bigint>,
): bigint[] {
  const { snapshots, 'current-snapshot-id': current } = metadata;
  return snapshots
    .slice(0, Math.max(0, snapshots.length - options.keepLast))
    .filter((snapshot) => snapshot['timestamp-ms'] * 1000 < options.olderThanMicros)
    .map((snapshot) => snapshot['snapshot-id'])
    .filter((snapshotId) => snapshotId !== current && !pinned.has(snapshotId));
}

/**
 * Deletes what the `expired` snapshots of `before` referred to and those of `after` do not.
 * @returns the locations, in the order of their deletion.
 */
export async function deleteUnreferenced(
  store: ObjectStore,
  reader: MetadataReader,
  before: TableMetadata,
  after: TableMetadata,
  expired: readonly bigint[],
): Promise<string[]> {
  if (expired.length === 0) return [];
  const gone = noReferences();
  const kept = noReferences();
  const snapshots = before.snapshots.filter((known) => expired.includes(known['snapshot-id']));
  await addReferences(gone, reader, before, snapshots, true);
  await addReferences(kept, reader, after, after.snapshots, false);
  const deleted = [
    ...[...gone.dataFiles.keys()].filter((location) => !kept.dataFiles.has(location)),
    ...[...gone.manifests.keys()].filter((location) => !kept.manifests.has(location)),
    ...[...gone.lists].filter((location) => !kept.lists.has(location)),
  ];
  for (const location of deleted) await store.delete(keyOf(store.bucket, location));
  return deleted;
}
