/**
 * One round of upkeep of a tenant's lake: forget old snapshots, collect orphans, empty the trash. Meant
 * to run once an hour or so, beside everything else; it waits for commits and they wait for it, table
 * by table.
 *
 * Failure: a round that stops half-way has done a part of its work, and the next one does the rest.
 */
import { DAY_MICROS, HOUR_MICROS } from '../../base/units.ts';
import type { LakeTable } from './lake-table.ts';
import { formatDay, trashPrefix } from './location.ts';
import type { ObjectStore } from './object-store.ts';

/** Microseconds, but for the count. */
export interface UpkeepAges {
  /** Younger snapshots stay: other engines may be reading them. */
  readonly snapshotAge: number;
  /** The newest so many stay whatever their age. */
  readonly snapshotsKept: number;
  /** Younger orphans stay: their commit may be under way. 72 hours at least. */
  readonly orphanAge: number;
  /** Younger trash stays: somebody may want it back. Counted in whole days. */
  readonly trashAge: number;
}

export const UPKEEP_AGES: UpkeepAges = {
  snapshotAge: 24 * HOUR_MICROS,
  snapshotsKept: 10,
  orphanAge: 7 * DAY_MICROS,
  trashAge: 7 * DAY_MICROS,
};

export interface UpkeepReport {
  readonly expiredSnapshots: number;
  readonly deletedObjects: number;
  readonly orphans: number;
  readonly orphanBytes: number;
  readonly emptiedTrash: number;
}

/** Goes over `tables`, which are all of `namespace`, and its trash. */
export async function tidyLake(
  store: ObjectStore,
  namespace: string,
  tables: readonly LakeTable[],
  nowMicros: number,
  ages: UpkeepAges = UPKEEP_AGES,
): Promise<UpkeepReport> {
  const report = { expiredSnapshots: 0, deletedObjects: 0, orphans: 0, orphanBytes: 0 };
  for (const table of tables) {
    const expiry = await table.expireSnapshots({
      olderThanMicros: nowMicros - ages.snapshotAge,
      keepLast: ages.snapshotsKept,
    });
    const { orphans } = await table.collectOrphans({
      dryRun: false,
      olderThanMicros: nowMicros - ages.orphanAge,
    });
    report.expiredSnapshots += expiry.expiredSnapshots;
    report.deletedObjects += expiry.deleted.length;
    report.orphans += orphans.length;
    report.orphanBytes += orphans.reduce((sum, { bytes }) => sum + bytes, 0);
  }
  return { ...report, emptiedTrash: await emptyTrash(store, namespace, nowMicros - ages.trashAge) };
}

/**
 * Deletes for good what was moved to the trash on a day (UTC) before that of `olderThanMicros`.
 * @returns how many objects.
 */
export async function emptyTrash(
  store: ObjectStore,
  namespace: string,
  olderThanMicros: number,
): Promise<number> {
  const prefix = trashPrefix(namespace);
  const firstKept = prefix + formatDay(Math.floor(olderThanMicros / DAY_MICROS));
  let count = 0;
  for await (const { key } of store.list(prefix)) {
    if (key >= firstKept) break;
    await store.delete(key);
    count += 1;
  }
  return count;
}
