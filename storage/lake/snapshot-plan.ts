/**
 * What a commit does to a table's manifests, as plain data: which stay, and what new ones hold.
 *
 * - Added files make one new manifest. Manifests that hold removed files are written anew, the files
 *   marked as deleted; all others stay as they are, so that a commit costs what it changes.
 * - From `manifestsMax` manifests on, the small ones are merged, in order, up to `mergedBytesMax`: a
 *   reader opens every manifest it cannot rule out.
 * - A manifest without live files stays for the snapshot that emptied it and is left out by the next.
 */

import type { DataFile } from './data-file.ts';
import { ENTRY, type ManifestEntry } from './manifest.ts';
import type { ManifestFile } from './manifest-list.ts';

/** A manifest of the parent snapshot, with its entries where they are needed. */
export interface LoadedManifest {
  readonly manifest: ManifestFile;
  readonly entries: readonly ManifestEntry[];
}

export interface SnapshotPlan {
  readonly kept: readonly ManifestFile[];
  /** The entries of each manifest to write. */
  readonly written: readonly (readonly ManifestEntry[])[];
  readonly removed: readonly DataFile[];
  /** Locations to remove that no manifest holds. */
  readonly unknown: readonly string[];
}

export interface SnapshotChange {
  readonly snapshotId: bigint;
  readonly sequenceNumber: number;
  readonly add: readonly DataFile[];
  readonly remove: readonly string[];
}

/** Whether a manifest is part of the snapshots after the one it was written for. */
export function hasLiveFiles(manifest: ManifestFile): boolean {
  return manifest.addedFiles + manifest.existingFiles > 0;
}

/** `parent`: the manifests of the parent snapshot that have live files, in order. */
export function planSnapshot(
  parent: readonly LoadedManifest[],
  change: SnapshotChange,
): SnapshotPlan {
  const { snapshotId, sequenceNumber, add } = change;
  const remove = new Set(change.remove);
  const kept: ManifestFile[] = [];
  const written: ManifestEntry[][] = [];
  const removed: DataFile[] = [];
  for (const { manifest, entries } of parent) {
    if (!entries.some((entry) => isLive(entry) && remove.has(entry.file.location))) {
      kept.push(manifest);
      continue;
    }
    written.push(
      entries.filter(isLive).map((entry): ManifestEntry => {
        if (!remove.has(entry.file.location)) return { ...entry, status: ENTRY.existing };
        removed.push(entry.file);
        return { ...entry, status: ENTRY.deleted, snapshotId };
      }),
    );
  }
  if (add.length > 0) {
    written.push(add.map((file) => ({ status: ENTRY.added, snapshotId, sequenceNumber, file })));
  }
  const found = new Set(removed.map(({ location }) => location));
  return { kept, written, removed, unknown: change.remove.filter((path) => !found.has(path)) };
}

/** Groups of manifests to be merged into one each; none while there are fewer than `manifestsMax`. */
export function planMerge(
  manifests: readonly ManifestFile[],
  manifestsMax: number,
  mergedBytesMax: number,
): readonly (readonly ManifestFile[])[] {
  if (manifests.length < manifestsMax) return [];
  const groups: ManifestFile[][] = [];
  let group: ManifestFile[] = [];
  let bytes = 0;
  for (const manifest of manifests) {
    if (manifest.length >= mergedBytesMax) continue;
    if (bytes + manifest.length > mergedBytesMax) {
      groups.push(group);
      group = [];
      bytes = 0;
    }
    group.push(manifest);
    bytes += manifest.length;
  }
  groups.push(group);
  return groups.filter(({ length }) => length > 1);
}

export function isLive(entry: ManifestEntry): boolean {
  return entry.status !== ENTRY.deleted;
}
