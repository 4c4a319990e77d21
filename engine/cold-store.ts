/**
 * The lake tables of one tenant, one for each hot table, in the tenant's namespace of the lake.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { RandomSource } from '../base/random.ts';
import type { FileSystem } from '../storage/file-system.ts';
import { IcebergTable } from '../storage/lake/iceberg-table.ts';
import type { LakeTable } from '../storage/lake/lake-table.ts';
import { LAKE_TABLES } from '../storage/lake/lake-tables.ts';
import type { ObjectStore } from '../storage/lake/object-store.ts';
import type { ParquetEncoder } from '../storage/parquet-encoder.ts';
import { ColdTable } from './cold-table.ts';
import type { HotStore } from './hot-store.ts';
import { lakeNamespace } from './lake-namespace.ts';

export interface ColdStoreOptions {
  readonly tenantId: string;
  readonly hot: HotStore;
  readonly store: ObjectStore;
  readonly fileSystem: FileSystem;
  readonly encoder: ParquetEncoder;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  /** Longer than any query runs, milliseconds. */
  readonly queryGraceMs: number;
}

export class ColdStore {
  /** In the order in which they are flushed; `events` is the last. */
  readonly tables: readonly ColdTable[];
  /** Where query workers find the files; undefined where no process on this machine does. */
  readonly directory: string | undefined;

  /** Opens the tables, and makes those that are missing. The hot tables are fresh. */
  static async open(options: ColdStoreOptions): Promise<ColdStore> {
    const { tenantId, hot, store, fileSystem, encoder, clock, random, logger } = options;
    const namespace = lakeNamespace(tenantId);
    const tables: ColdTable[] = [];
    for (const table of hot.tables) {
      const definition = LAKE_TABLES[table.plan.schema.name]!;
      const pins = new Map<bigint, number>();
      const lake = { store, namespace, definition, clock, random, log: logger, pins };
      const openLake = (): Promise<LakeTable> => IcebergTable.open(lake);
      tables.push(
        await ColdTable.open({
          hot: table,
          hotDirectory: hot.directory,
          removeHotFile: hot.removeFile,
          definition,
          openLake,
          store,
          fileSystem,
          encoder,
          clock,
          queryGraceMs: options.queryGraceMs,
        }),
      );
    }
    return new ColdStore(tables, store.localPath(namespace));
  }

  private constructor(tables: readonly ColdTable[], directory: string | undefined) {
    this.tables = tables;
    this.directory = directory;
  }

  /** Of the events that are in the lake, and so is all that came of them; 0 while there are none. */
  get sequence(): number {
    return this.tables.at(-1)!.watermark;
  }

  /** The table of that name, as it is now. */
  get events(): LakeTable {
    return this.tables.at(-1)!.lake;
  }

  /** The tables of the lake, as they are now. */
  get lakeTables(): readonly LakeTable[] {
    return this.tables.map(({ lake }) => lake);
  }
}
