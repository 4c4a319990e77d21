/**
 * One tenant's lake: its tables in their namespace, and the trash they share.
 */
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { RandomSource } from '../../base/random.ts';
import { DAY_MICROS } from '../../base/units.ts';
import { IcebergTable } from './iceberg-table.ts';
import type { LakeTable } from './lake-table.ts';
import { formatDay, trashPrefix } from './location.ts';
import type { ObjectStore } from './object-store.ts';
import type { LakeTableDefinition } from './schema.ts';

export interface LakeOptions {
  readonly store: ObjectStore;
  /** The tenant's: lower case, digits, `_` and `-`. */
  readonly namespace: string;
  readonly definitions: readonly LakeTableDefinition[];
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly log: Logger;
}

export class Lake {
  readonly namespace: string;
  /** By name, in the order of their definitions. */
  readonly tables: ReadonlyMap<string, LakeTable>;
  readonly #store: ObjectStore;

  /** Opens every table, creating what is missing. @throws what IcebergTable.open does. */
  static async open(options: LakeOptions): Promise<Lake> {
    const { definitions, ...shared } = options;
    const tables = new Map<string, LakeTable>();
    for (const definition of definitions) {
      tables.set(definition.name, await IcebergTable.open({ ...shared, definition }));
    }
    return new Lake(options, tables);
  }

  private constructor(options: LakeOptions, tables: ReadonlyMap<string, LakeTable>) {
    this.namespace = options.namespace;
    this.tables = tables;
    this.#store = options.store;
  }

  /**
   * Deletes for good what was moved to the trash on a day (UTC) before that of `olderThanMicros`.
   * @returns how many objects.
   */
  async emptyTrash(olderThanMicros: number): Promise<number> {
    const prefix = trashPrefix(this.namespace);
    const firstKept = prefix + formatDay(Math.floor(olderThanMicros / DAY_MICROS));
    let count = 0;
    for await (const { key } of this.#store.list(prefix)) {
      if (key >= firstKept) break;
      await this.#store.delete(key);
      count += 1;
    }
    return count;
  }
}
