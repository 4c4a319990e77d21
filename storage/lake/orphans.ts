/**
 * Orphans: objects below a table's key that nothing refers to, left by writers and commits that did not
 * come to their end.
 *
 * Wrong answers here lose data, and have, in other lakes; so:
 * - What is kept is the union over every retained version of the metadata, not only the current one.
 * - Locations are compared as keys of this store. One that is no such key stops the collection: a
 *   location that was misread would make a live file look like an orphan.
 * - What is younger than a limit is left alone: its commit may be under way.
 * - Orphans go to the trash, `<namespace>/.trash/<day>/…`, and from there after some days (upkeep.ts).
 */
import { assert } from '../../base/assert.ts';
import { TributaryError } from '../../base/errors.ts';
import { DAY_MICROS } from '../../base/units.ts';
import type { OrphanOptions, OrphanReport } from './lake-table.ts';
import { formatDay, keyOf, trashKey } from './location.ts';
import { isVersionHint, type MetadataVersion } from './metadata-chain.ts';
import { parseTableMetadata } from './metadata-json.ts';
import type { MetadataReader } from './metadata-reader.ts';
import type { ObjectStore } from './object-store.ts';
import { addReferences, noReferences } from './references.ts';

export interface OrphanPlace {
  readonly store: ObjectStore;
  readonly reader: MetadataReader;
  readonly tableKey: string;
  readonly namespace: string;
  readonly nowMicros: number;
}

export async function collectOrphans(
  place: OrphanPlace,
  current: MetadataVersion,
  options: OrphanOptions,
): Promise<OrphanReport> {
  const { store, tableKey, namespace, nowMicros } = place;
  const kept = await referencedKeys(place, current);
  const orphans: { key: string; bytes: number }[] = [];
  let youngCount = 0;
  for await (const { key, bytes, modifiedMicros } of store.list(`${tableKey}/`)) {
    if (kept.has(key) || isVersionHint(tableKey, key)) continue;
    if (modifiedMicros < options.olderThanMicros) orphans.push({ key, bytes });
    else youngCount += 1;
  }
  if (!options.dryRun) {
    const day = formatDay(Math.floor(nowMicros / DAY_MICROS));
    for (const { key } of orphans) await store.move(key, trashKey(namespace, day, key));
  }
  return { orphans, youngCount };
}

/** The keys that any retained version of the metadata refers to, those versions included. */
async function referencedKeys(
  { store, reader }: OrphanPlace,
  current: MetadataVersion,
): Promise<Set<string>> {
  const references = noReferences();
  const { metadata } = current;
  await addReferences(references, reader, metadata, metadata.snapshots, false);
  const versions = metadata['metadata-log'].map((entry) => entry['metadata-file']);
  for (const location of versions) {
    const text = await textOrNothing(reader, location);
    if (text === undefined) continue;
    const { snapshots } = parseTableMetadata(text, location);
    await addReferences(references, reader, metadata, snapshots, true);
  }
  const { lists, manifests, dataFiles } = references;
  const locations = [
    current.location,
    ...versions,
    ...lists,
    ...manifests.keys(),
    ...dataFiles.keys(),
  ];
  const keys = new Set(locations.map((location) => keyOf(store.bucket, location)));
  assert(keys.has(keyOf(store.bucket, current.location)), 'the current version is no orphan');
  return keys;
}

/** A version that is named by the log may be gone: it is deleted after the commit that drops it. */
async function textOrNothing(
  reader: MetadataReader,
  location: string,
): Promise<string | undefined> {
  try {
    return await reader.metadataText(location);
  } catch (error) {
    if (error instanceof TributaryError && error.code === 'TRIBUTARY_LAKE_OBJECT_MISSING') return;
    throw error;
  }
}
