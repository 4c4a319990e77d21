/**
 * A lake table as an Iceberg v2 table in an object store. lake-table.ts says what it promises,
 * docs/lake.md how it lies on disk.
 *
 * - One committer at a time: commits, schema changes, expiry and collection of this table wait for one
 *   another. Reading waits for nobody: it sees the version that was current when it began.
 * - Everything a version refers to is durable before the version is, so that a crash at any point leaves
 *   the old version or the new one, whole. What was written for a commit that did not come about is
 *   an orphan.
 */
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { TributaryError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { RandomSource } from '../../base/random.ts';
import type { DataFile, LiveFile } from './data-file.ts';
import type {
  ExpiryOptions,
  ExpiryReport,
  LakeCommit,
  LakeMetadataFile,
  LakeSnapshot,
  LakeTable,
  OrphanOptions,
  OrphanReport,
  SchemaChange,
  SnapshotPin,
} from './lake-table.ts';
import { dataFileName, formatDay, keyOf, randomUuid, tableKey } from './location.ts';
import type { ManifestEntry } from './manifest.ts';
import { MetadataChain } from './metadata-chain.ts';
import { MetadataReader } from './metadata-reader.ts';
import type { ObjectStore } from './object-store.ts';
import { collectOrphans } from './orphans.ts';
import type { LakeSchema, LakeTableDefinition } from './schema.ts';
import { missingChanges, planEvolution } from './schema-evolution.ts';
import { deleteUnreferenced, planExpiry } from './snapshot-expiry.ts';
import { hasLiveFiles, isLive } from './snapshot-plan.ts';
import { commitIdOf, toLakeSnapshot } from './snapshot-summary.ts';
import { writeSnapshot } from './snapshot-writer.ts';
import {
  currentSchema,
  dayField,
  findSnapshot,
  newTableMetadata,
  type SnapshotJson,
  type TableMetadata,
  toLakeSchema,
} from './table-metadata.ts';

export interface IcebergTableOptions {
  readonly store: ObjectStore;
  /** The tenant's. */
  readonly namespace: string;
  readonly definition: LakeTableDefinition;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly log: Logger;
  /** How many hold each snapshot; shared with the table as it was opened before, whose pins still count. */
  readonly pins?: Map<bigint, number>;
}

export class IcebergTable implements LakeTable {
  readonly namespace: string;
  readonly name: string;
  readonly location: string;
  readonly #options: IcebergTableOptions;
  readonly #key: string;
  readonly #chain: MetadataChain;
  readonly #reader: MetadataReader;
  /** How many hold each snapshot. */
  readonly #pins: Map<bigint, number>;
  /** The last answer of `liveFiles`: queries ask again and again between two commits. */
  #lastLive:
    | {
        readonly snapshot: SnapshotJson;
        readonly schemaId: number;
        readonly files: readonly LiveFile[];
      }
    | undefined;
  /** Settles when the last of the waiting changes has. */
  #changes: Promise<unknown> = Promise.resolve();

  /**
   * Opens the table, creates it when it is missing, and adds and widens columns as its definition says.
   * @throws TRIBUTARY_LAKE_METADATA_MALFORMED, TRIBUTARY_LAKE_UPDATE_INVALID
   */
  static async open(options: IcebergTableOptions): Promise<IcebergTable> {
    const { store, namespace, definition, clock, random, log } = options;
    const key = tableKey(namespace, definition.name);
    const location = `s3://${store.bucket}/${key}`;
    const reader = new MetadataReader(store);
    const chain = await MetadataChain.open({ store, reader, tableKey: key, clock, log }, (nowMs) =>
      newTableMetadata(definition, location, randomUuid(random), nowMs),
    );
    const table = new IcebergTable(options, key, chain, reader);
    const missing = missingChanges(chain.current.metadata, definition);
    if (missing.length > 0) await table.evolve(missing);
    return table;
  }

  private constructor(
    options: IcebergTableOptions,
    key: string,
    chain: MetadataChain,
    reader: MetadataReader,
  ) {
    this.#options = options;
    this.#pins = options.pins ?? new Map();
    this.#key = key;
    this.#chain = chain;
    this.#reader = reader;
    this.namespace = options.namespace;
    this.name = options.definition.name;
    this.location = chain.current.metadata.location;
  }

  get schema(): LakeSchema {
    return toLakeSchema(this.#metadata, currentSchema(this.#metadata));
  }

  get schemas(): readonly LakeSchema[] {
    return this.#metadata.schemas.map((schema) => toLakeSchema(this.#metadata, schema));
  }

  get metadata(): LakeMetadataFile {
    const { location, json } = this.#chain.current;
    return { location, json };
  }

  get currentSnapshot(): LakeSnapshot | undefined {
    const snapshot = findSnapshot(this.#metadata);
    return snapshot && toLakeSnapshot(snapshot);
  }

  get snapshots(): readonly LakeSnapshot[] {
    return this.#metadata.snapshots.map(toLakeSnapshot);
  }

  get #metadata(): TableMetadata {
    return this.#chain.current.metadata;
  }

  newDataFile(day: number | null, crc: number): string {
    const field = dayField(this.#metadata);
    assert((field === undefined) === (day === null), 'a file has a day where its table has days');
    const folder = field === undefined ? '' : `${field.name}=${formatDay(day!)}/`;
    return `${this.location}/data/${folder}${dataFileName(crc, this.#options.random)}`;
  }

  async liveFiles(snapshotId?: bigint): Promise<readonly LiveFile[]> {
    const metadata = this.#metadata;
    if (snapshotId === undefined && metadata.snapshots.length === 0) return [];
    const snapshot = findSnapshot(metadata, snapshotId);
    if (snapshot === undefined) throw this.#snapshotUnknown(snapshotId!);
    const known = this.#lastLive;
    if (known?.snapshot === snapshot && known.schemaId === metadata['current-schema-id']) {
      return known.files;
    }
    const files = await this.#readLiveFiles(metadata, snapshot);
    this.#lastLive = { snapshot, schemaId: metadata['current-schema-id'], files };
    return files;
  }

  async #readLiveFiles(
    metadata: TableMetadata,
    snapshot: SnapshotJson,
  ): Promise<readonly LiveFile[]> {
    const manifests = (await this.#reader.manifestsOf(snapshot)).filter(hasLiveFiles);
    const entries: ManifestEntry[][] = [];
    for (const manifest of manifests) {
      entries.push((await this.#reader.entriesOf(metadata, manifest)).filter(isLive));
    }
    return entries
      .flat()
      .sort((a, b) => a.sequenceNumber - b.sequenceNumber)
      .map(({ file, snapshotId: addedBy }) => ({ ...file, snapshotId: addedBy }));
  }

  pin(): SnapshotPin {
    const snapshot = this.currentSnapshot;
    if (snapshot === undefined) return { snapshot, release() {} };
    const id = snapshot.snapshotId;
    this.#pins.set(id, (this.#pins.get(id) ?? 0) + 1);
    let held = true;
    const release = (): void => {
      if (!held) return;
      held = false;
      const left = this.#pins.get(id)! - 1;
      if (left === 0) this.#pins.delete(id);
      else this.#pins.set(id, left);
    };
    return { snapshot, release };
  }

  commit(commit: LakeCommit): Promise<LakeSnapshot> {
    return this.#serially(async () => {
      await this.#chain.advance(async (base) => {
        // A commit that has happened may have lost its files to a compaction since.
        if (findCommit(base, commit.commitId) !== undefined) return undefined;
        await this.#requireObjects(commit.add);
        const snapshot = await writeSnapshot(this.#writing(base), commit);
        return [{ action: 'add-snapshot', snapshot }];
      });
      const snapshot = findCommit(this.#metadata, commit.commitId);
      assert(snapshot !== undefined, 'a commit that succeeded has its snapshot');
      return toLakeSnapshot(snapshot);
    });
  }

  evolve(changes: readonly SchemaChange[]): Promise<LakeSchema> {
    return this.#serially(async () => {
      await this.#chain.advance(async (base) => {
        const updates = planEvolution(base, changes);
        return updates.length === 0 ? undefined : updates;
      });
      return this.schema;
    });
  }

  expireSnapshots(options: ExpiryOptions): Promise<ExpiryReport> {
    return this.#serially(async () => {
      const before = this.#metadata;
      let expired: readonly bigint[] = [];
      await this.#chain.advance(async (base) => {
        expired = planExpiry(base, options, new Set(this.#pins.keys()));
        if (expired.length === 0 || options.dryRun === true) return undefined;
        return [{ action: 'remove-snapshots', 'snapshot-ids': expired }];
      });
      if (options.dryRun === true) return { expiredSnapshots: expired.length, deleted: [] };
      const { store } = this.#options;
      const after = this.#metadata;
      const deleted = await deleteUnreferenced(store, this.#reader, before, after, expired);
      return { expiredSnapshots: expired.length, deleted };
    });
  }

  collectOrphans(options: OrphanOptions): Promise<OrphanReport> {
    return this.#serially(() => {
      const { store, clock, namespace } = this.#options;
      const current = this.#chain.current;
      const nowMicros = clock.nowMicros();
      const place = { store, reader: this.#reader, tableKey: this.#key, namespace, nowMicros };
      return collectOrphans(place, current, options);
    });
  }

  #writing(base: TableMetadata) {
    const { store, clock, random } = this.#options;
    return { store, reader: this.#reader, clock, random, base, tableName: this.name };
  }

  /** Metadata refers only to what is there, with the length it says. */
  async #requireObjects(files: readonly DataFile[]): Promise<void> {
    const { store } = this.#options;
    const byDay = dayField(this.#metadata) !== undefined;
    for (const { location, fileBytes, day } of files) {
      const key = keyOf(store.bucket, location);
      assert(key.startsWith(`${this.#key}/data/`), 'a data file lies in the folder of its table');
      assert((day !== null) === byDay, 'a file has a day where its table has days');
      if ((await store.head(key))?.bytes !== fileBytes) {
        throw new TributaryError('TRIBUTARY_LAKE_OBJECT_MISSING', { key });
      }
    }
  }

  #snapshotUnknown(snapshotId: bigint): TributaryError {
    const table = `${this.namespace}.${this.name}`;
    return new TributaryError('TRIBUTARY_LAKE_SNAPSHOT_UNKNOWN', { table, snapshotId });
  }

  /** Runs a change when all earlier ones have settled. */
  #serially<Result>(change: () => Promise<Result>): Promise<Result> {
    const result = this.#changes.then(change);
    this.#changes = result.catch(() => {});
    return result;
  }
}

function findCommit(metadata: TableMetadata, commitId: string) {
  return metadata.snapshots.find((snapshot) => commitIdOf(snapshot) === commitId);
}
