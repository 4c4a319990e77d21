/**
 * The tables `identifiers` and `profiles` of a tenant's lake, written whole at a sequence; `profiles` with a
 * column for each declared trait.
 *
 * Why whole: one merge changes rows all over a table, and files of it must not grow with the number of
 * changes. A table is read and written in one stream each time, and the old files leave the disk when their
 * snapshots have expired.
 *
 * - Both are committed at the same sequence, `identifiers` first. In between they differ for a moment: the
 *   rows of each name their sequence.
 * - The appliance's own queries do not read them; they read identity itself.
 *
 * Failure: a table is as it was or as it is to be. The next write brings both to one sequence again.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { RandomSource } from '../base/random.ts';
import { HOUR_MICROS } from '../base/units.ts';
import { native } from '../native/index.ts';
import { crcOfFile } from '../storage/file-checksum.ts';
import type { FileSystem } from '../storage/file-system.ts';
import type { DataFile } from '../storage/lake/data-file.ts';
import { IcebergTable } from '../storage/lake/iceberg-table.ts';
import { IDENTITY_TABLES, PROFILES_TABLE } from '../storage/lake/identity-schema.ts';
import type { LakeTable } from '../storage/lake/lake-table.ts';
import { keyOf } from '../storage/lake/location.ts';
import type { ObjectStore } from '../storage/lake/object-store.ts';
import type { DeclaredTrait } from './declared-traits.ts';
import type { IdentityFile, WrittenIdentity } from './identity-writer.ts';
import { lakeNamespace } from './lake-namespace.ts';
import { planTraitColumns, type TraitColumn } from './trait-columns.ts';

export interface IdentityTablesOptions {
  readonly tenantId: string;
  readonly store: ObjectStore;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
}

/** Each write is a copy of everything: who reads one has this long, and no older ones are kept. */
const SNAPSHOT_AGE = 3 * HOUR_MICROS;

export class IdentityTables {
  /** As {@link IDENTITY_TABLES}. */
  readonly lakeTables: readonly LakeTable[];
  readonly #options: IdentityTablesOptions;

  /** Opens the tables, and makes those that are missing. */
  static async open(options: IdentityTablesOptions): Promise<IdentityTables> {
    const { tenantId, store, clock, random, logger: log } = options;
    const namespace = lakeNamespace(tenantId);
    const tables: LakeTable[] = [];
    for (const definition of IDENTITY_TABLES) {
      tables.push(await IcebergTable.open({ store, namespace, definition, clock, random, log }));
    }
    return new IdentityTables(options, tables);
  }

  private constructor(options: IdentityTablesOptions, lakeTables: readonly LakeTable[]) {
    this.#options = options;
    this.lakeTables = lakeTables;
  }

  /** What both tables have; 0 while one is empty, as sequences start at 1. */
  get sequence(): number {
    return Math.min(...this.lakeTables.map((table) => sequenceOf(table)));
  }

  /** When the older of the two was written, microseconds since 1970; undefined while one never was. */
  get writtenAtMicros(): number | undefined {
    const times = this.lakeTables.map(({ currentSnapshot }) => currentSnapshot?.committedAtMicros);
    return times.reduce((a, b) =>
      a === undefined || b === undefined ? undefined : Math.min(a, b),
    );
  }

  /** Gives `profiles` the columns of these traits. @returns them. @throws as LakeTable.evolve does. */
  async declare(traits: readonly DeclaredTrait[]): Promise<readonly TraitColumn[]> {
    const profiles = this.lakeTables.find(({ name }) => name === PROFILES_TABLE.name);
    assert(profiles !== undefined, 'profiles are a table of identity');
    const own = PROFILES_TABLE.columns.map(({ name }) => name);
    const { changes, columns } = planTraitColumns(traits, own, profiles.schema.columns);
    if (changes.length > 0) await profiles.evolve(changes);
    return columns;
  }

  /** Makes what was written the tables. @returns how much it is. @throws as LakeTable.commit does. */
  async commit({ sequence, files }: WrittenIdentity): Promise<{ rows: number; bytes: number }> {
    let rows = 0;
    let bytes = 0;
    for (const table of this.lakeTables) {
      if (sequenceOf(table) >= sequence) continue;
      const add: DataFile[] = [];
      for (const file of files) {
        if (file.table === table.name) add.push(await this.#take(table, file));
      }
      const old = await table.liveFiles();
      await table.commit({
        commitId: `identity-${sequence}`,
        operation: 'overwrite',
        add,
        remove: old.map(({ location }) => location),
        sequence,
      });
      rows += add.reduce((sum, { recordCount }) => sum + recordCount, 0);
      bytes += add.reduce((sum, { fileBytes }) => sum + fileBytes, 0);
    }
    return { rows, bytes };
  }

  /** Forgets what later writes have replaced. @returns how many snapshots and objects that were. */
  async expire(): Promise<{ expiredSnapshots: number; deletedObjects: number }> {
    const report = { expiredSnapshots: 0, deletedObjects: 0 };
    for (const table of this.lakeTables) {
      const { expiredSnapshots, deleted } = await table.expireSnapshots({
        olderThanMicros: this.#options.clock.nowMicros() - SNAPSHOT_AGE,
        keepLast: 1,
      });
      report.expiredSnapshots += expiredSnapshots;
      report.deletedObjects += deleted.length;
    }
    return report;
  }

  async #take(table: LakeTable, file: IdentityFile): Promise<DataFile> {
    const { store, fileSystem } = this.#options;
    const { path, rows: recordCount, columns, splitOffsets } = file;
    const fileBytes = (await fileSystem.status(path))?.bytes ?? 0;
    const location = table.newDataFile(null, await crcOfFile(fileSystem, path, native.crc32c));
    const result = await store.putFile(keyOf(store.bucket, location), path);
    assert(result === 'stored', 'a new data file has a name of its own');
    return { location, day: null, recordCount, fileBytes, columns, splitOffsets, sorted: true };
  }
}

function sequenceOf({ currentSnapshot }: LakeTable): number {
  return Math.max(0, currentSnapshot?.sequence ?? 0);
}
