/**
 * All that the newest version of a table refers to, read without opening the table: by a process beside the
 * one that commits, for backups and verification.
 *
 * What it names may expire while it is used. Whoever finds something missing reads the closure again and
 * sees whether it is still named.
 */
import type { DataFile } from './data-file.ts';
import { keyOf } from './location.ts';
import { type MetadataVersion, readNewestVersion } from './metadata-chain.ts';
import { MetadataReader } from './metadata-reader.ts';
import type { ObjectStore } from './object-store.ts';
import { addReferences, isMissing, noReferences } from './references.ts';
import { toLakeSnapshot } from './snapshot-summary.ts';
import { findSnapshot } from './table-metadata.ts';

const TABLE_FOLDER = /^[^/]+\/[a-z0-9_][a-z0-9_-]*-[0-9a-f]{8}\//;

export interface TableClosure {
  /** The prefix of the table's keys, without a slash at the end. */
  readonly tableKey: string;
  readonly version: MetadataVersion;
  /** The watermark of the current snapshot; -1 where none has said. */
  readonly sequence: number;
  /** Keys of the version itself, and of the manifest lists and manifests of its retained snapshots. */
  readonly metadataKeys: readonly string[];
  /** What is live in some retained snapshot, by key. */
  readonly dataFiles: ReadonlyMap<string, DataFile>;
}

/** The prefixes of all tables of a namespace, in order. */
export async function tableKeysOf(store: ObjectStore, namespace: string): Promise<string[]> {
  const keys: string[] = [];
  let startAfter = `${namespace}/`;
  for (;;) {
    const key = await firstKey(store, `${namespace}/`, startAfter);
    if (key === undefined) return keys;
    const folder = key.split('/', 2).join('/');
    if (TABLE_FOLDER.test(key)) keys.push(folder);
    // `0` is the character behind the slash: on behind everything in the folder.
    startAfter = `${folder}0`;
  }
}

/**
 * @returns undefined for a table that has no version yet.
 * @throws TRIBUTARY_LAKE_METADATA_MALFORMED, and TRIBUTARY_LAKE_OBJECT_MISSING when the newest version names
 *   metadata that is not there.
 */
export async function readClosure(
  store: ObjectStore,
  tableKey: string,
): Promise<TableClosure | undefined> {
  const reader = new MetadataReader(store);
  let version = await readNewestVersion({ store, reader, tableKey });
  while (version !== undefined) {
    try {
      return await closureOf(store, tableKey, reader, version);
    } catch (error) {
      if (!isMissing(error)) throw error;
      const newest = await readNewestVersion({ store, reader, tableKey });
      if (newest?.location === version.location) throw error;
      version = newest;
    }
  }
  return undefined;
}

async function closureOf(
  store: ObjectStore,
  tableKey: string,
  reader: MetadataReader,
  version: MetadataVersion,
): Promise<TableClosure> {
  const { metadata, location } = version;
  const references = noReferences();
  await addReferences(references, reader, metadata, metadata.snapshots, false);
  const { lists, manifests, dataFiles } = references;
  const keys = [location, ...lists, ...manifests.keys()].map((at) => keyOf(store.bucket, at));
  const current = findSnapshot(metadata);
  return {
    tableKey,
    version,
    sequence: current === undefined ? -1 : toLakeSnapshot(current).sequence,
    metadataKeys: keys,
    dataFiles: new Map([...dataFiles].map(([at, file]) => [keyOf(store.bucket, at), file])),
  };
}

async function firstKey(
  store: ObjectStore,
  prefix: string,
  startAfter: string,
): Promise<string | undefined> {
  for await (const { key } of store.list(prefix, { startAfter })) return key;
  return undefined;
}
