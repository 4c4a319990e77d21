/**
 * Writes what a new snapshot consists of, manifests and their list, and describes the snapshot. It
 * becomes part of the table only with the next version of the metadata.
 */
import type { Clock } from '../../base/clock.ts';
import { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { RandomSource } from '../../base/random.ts';
import type { LakeCommit } from './lake-table.ts';
import { keyOf, randomUuid } from './location.ts';
import { ENTRY, encodeManifest, type ManifestEntry } from './manifest.ts';
import { describeManifest, encodeManifestList, type ManifestFile } from './manifest-list.ts';
import type { MetadataReader } from './metadata-reader.ts';
import type { ObjectStore } from './object-store.ts';
import {
  hasLiveFiles,
  isLive,
  type LoadedManifest,
  planMerge,
  planSnapshot,
} from './snapshot-plan.ts';
import { summarise } from './snapshot-summary.ts';
import { dayField, findSnapshot, type SnapshotJson, type TableMetadata } from './table-metadata.ts';

export interface SnapshotWriting {
  readonly store: ObjectStore;
  readonly reader: MetadataReader;
  readonly clock: Clock;
  readonly random: RandomSource;
  /** The version that the snapshot is written for. */
  readonly base: TableMetadata;
  /** For messages. */
  readonly tableName: string;
}

/** A snapshot's own numbers. */
interface Identity {
  readonly snapshotId: bigint;
  readonly sequenceNumber: number;
}

/**
 * Writes the manifests of `commit` on top of the current snapshot.
 * @throws TRIBUTARY_LAKE_FILE_UNKNOWN
 */
export async function writeSnapshot(
  writing: SnapshotWriting,
  commit: LakeCommit,
): Promise<SnapshotJson> {
  const { base, clock, random, reader } = writing;
  const parent = findSnapshot(base);
  const identity: Identity = {
    snapshotId: newSnapshotId(base, random),
    sequenceNumber: base['last-sequence-number'] + 1,
  };
  const loaded = await loadParent(writing, parent, commit.remove.length > 0);
  const plan = planSnapshot(loaded, { ...identity, add: commit.add, remove: commit.remove });
  if (plan.unknown.length > 0) {
    throw new TributaryError('TRIBUTARY_LAKE_FILE_UNKNOWN', {
      location: plan.unknown[0]!,
      table: writing.tableName,
    });
  }

  const written: ManifestFile[] = [];
  for (const entries of plan.written) written.push(await writeManifest(writing, identity, entries));
  const manifests = [...(await mergeManifests(writing, identity, plan.kept)), ...written];

  // What this snapshot leaves out is only asked for by those that look back.
  reader.retain(manifests);
  const parentId = parent === undefined ? {} : { 'parent-snapshot-id': parent['snapshot-id'] };
  const ids = {
    'snapshot-id': identity.snapshotId,
    ...parentId,
    'sequence-number': identity.sequenceNumber,
  };
  const list = newLocation(writing, `snap-${identity.snapshotId}-${randomUuid(random)}`);
  await put(writing, list, encodeManifestList(manifests, ids, random));
  return {
    ...ids,
    'timestamp-ms': Math.max(Math.floor(clock.nowMicros() / 1000), base['last-updated-ms']),
    'manifest-list': list,
    'schema-id': base['current-schema-id'],
    summary: summarise(parent?.summary ?? {}, commit, plan.removed),
  };
}

/** Manifests with live files; their entries only where files are going to be removed. */
async function loadParent(
  { reader, base }: SnapshotWriting,
  parent: SnapshotJson | undefined,
  withEntries: boolean,
): Promise<LoadedManifest[]> {
  if (parent === undefined) return [];
  const loaded: LoadedManifest[] = [];
  for (const manifest of (await reader.manifestsOf(parent)).filter(hasLiveFiles)) {
    const entries = withEntries ? await reader.entriesOf(base, manifest) : [];
    loaded.push({ manifest, entries });
  }
  return loaded;
}

/** `manifests` with the small ones merged, where there are too many. */
async function mergeManifests(
  writing: SnapshotWriting,
  identity: Identity,
  manifests: readonly ManifestFile[],
): Promise<ManifestFile[]> {
  const { lakeManifestsMax, lakeManifestBytesMax } = LIMITS;
  const groups = planMerge(manifests, lakeManifestsMax, lakeManifestBytesMax);
  const merged: ManifestFile[] = [];
  for (const group of groups) {
    const entries: ManifestEntry[] = [];
    for (const manifest of group) {
      const live = (await writing.reader.entriesOf(writing.base, manifest)).filter(isLive);
      for (const entry of live) entries.push({ ...entry, status: ENTRY.existing });
    }
    merged.push(await writeManifest(writing, identity, entries));
  }
  const gone = new Set(groups.flat());
  return [...merged, ...manifests.filter((manifest) => !gone.has(manifest))];
}

async function writeManifest(
  writing: SnapshotWriting,
  identity: Identity,
  entries: readonly ManifestEntry[],
): Promise<ManifestFile> {
  const { base, random } = writing;
  const location = newLocation(writing, randomUuid(random));
  const bytes = encodeManifest(base, entries, random);
  await put(writing, location, bytes);
  const partition = { specId: base['default-spec-id'], byDay: dayField(base) !== undefined };
  return describeManifest(location, bytes.length, entries, identity, partition);
}

function newLocation({ base }: SnapshotWriting, name: string): string {
  return `${base.location}/metadata/${name}.avro`;
}

async function put({ store }: SnapshotWriting, location: string, bytes: Uint8Array): Promise<void> {
  await store.put(keyOf(store.bucket, location), bytes, { ifNoneMatch: true });
}

/** Random and positive; below 2^53, so that clients in JavaScript read it exactly. */
function newSnapshotId(base: TableMetadata, random: RandomSource): bigint {
  for (;;) {
    const bits = Buffer.from(random.bytes(8)).readBigUInt64LE() & (2n ** 53n - 1n);
    if (bits > 0n && findSnapshot(base, bits) === undefined) return bits;
  }
}
