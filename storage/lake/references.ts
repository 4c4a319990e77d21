/**
 * What a version of a table's metadata refers to: the other side of every deletion. An object may go
 * only when it is in none of these sets.
 */
import { TributaryError } from '../../base/errors.ts';
import type { DataFile } from './data-file.ts';
import type { ManifestFile } from './manifest-list.ts';
import type { MetadataReader } from './metadata-reader.ts';
import { isLive } from './snapshot-plan.ts';
import type { SnapshotJson, TableMetadata } from './table-metadata.ts';

/** Locations, by what they are. */
export interface References {
  readonly lists: Set<string>;
  readonly manifests: Map<string, ManifestFile>;
  /** Live in some snapshot. */
  readonly dataFiles: Map<string, DataFile>;
}

export function noReferences(): References {
  return { lists: new Set(), manifests: new Map(), dataFiles: new Map() };
}

/**
 * Adds what `snapshots` refer to. With `tolerant`, a list or manifest that is gone refers to nothing:
 * the snapshots of an old version may have expired since.
 */
export async function addReferences(
  references: References,
  reader: MetadataReader,
  metadata: TableMetadata,
  snapshots: readonly SnapshotJson[],
  tolerant: boolean,
): Promise<void> {
  const { lists, manifests, dataFiles } = references;
  const orNothing = async <Item>(read: Promise<Item[]>): Promise<Item[]> => {
    try {
      return await read;
    } catch (error) {
      if (tolerant && isMissing(error)) return [];
      throw error;
    }
  };
  for (const snapshot of snapshots) {
    const list = snapshot['manifest-list'];
    if (lists.has(list)) continue;
    lists.add(list);
    for (const manifest of await orNothing(reader.manifestsOf(snapshot))) {
      if (manifests.has(manifest.location)) continue;
      manifests.set(manifest.location, manifest);
      const entries = await orNothing(reader.entriesOf(metadata, manifest));
      for (const entry of entries.filter(isLive)) {
        dataFiles.set(entry.file.location, entry.file);
      }
    }
  }
}

/** Whether `error` says that an object of the lake is not there. */
export function isMissing(error: unknown): boolean {
  return error instanceof TributaryError && error.code === 'TRIBUTARY_LAKE_OBJECT_MISSING';
}
