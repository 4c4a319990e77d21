/** Tables in memory, and data files with what a manifest says of them; their bytes are not Parquet. */

import type { Clock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import { seededRandomSource } from '../../base/random.ts';
import { crc32c } from '../../storage/crc32c.ts';
import type { FileSystem } from '../../storage/file-system.ts';
import type { ColumnMetrics, DataFile } from '../../storage/lake/data-file.ts';
import { IcebergTable } from '../../storage/lake/iceberg-table.ts';
import type { LakeTable } from '../../storage/lake/lake-table.ts';
import { EVENTS_TABLE } from '../../storage/lake/lake-tables.ts';
import { LocalObjectStore } from '../../storage/lake/local-object-store.ts';
import { keyOf } from '../../storage/lake/location.ts';
import type { ObjectStore } from '../../storage/lake/object-store.ts';
import type { LakeTableDefinition } from '../../storage/lake/schema.ts';

export const ROOT = '/lake';
/** 2026-11-20. */
export const DAY = 20_777;

export interface SteppingClock extends Clock {
  micros: number;
}

/** A clock that moves only when a test says so. */
export function steppingClock(micros = DAY * 86_400_000_000): SteppingClock {
  return {
    micros,
    nowMicros() {
      return this.micros;
    },
    monotonicMs() {
      return this.micros / 1000;
    },
  };
}

export interface OpenedTable {
  readonly store: ObjectStore;
  readonly table: LakeTable;
}

export interface OpenTableOptions {
  readonly definition?: LakeTableDefinition;
  readonly clock?: Clock;
  readonly seed?: number;
}

/** Opens the store and a table in it, as an appliance that starts does. */
export async function openTable(
  fileSystem: FileSystem,
  options: OpenTableOptions = {},
): Promise<OpenedTable> {
  const store = await LocalObjectStore.open(fileSystem, ROOT, 'lake');
  return { store, table: await openTableIn(store, options) };
}

export function openTableIn(
  store: ObjectStore,
  { definition = EVENTS_TABLE, clock = steppingClock(), seed = 1 }: OpenTableOptions = {},
): Promise<IcebergTable> {
  const random = seededRandomSource(seed);
  const log = silentLogger;
  return IcebergTable.open({ store, namespace: 'acme', definition, clock, random, log });
}

/** Puts a file of `recordCount` rows and describes it. */
export async function addFile(
  { store, table }: OpenedTable,
  recordCount: number,
  columns: ReadonlyMap<number, ColumnMetrics> = new Map(),
  day: number | null = DAY,
): Promise<DataFile> {
  const bytes = new TextEncoder().encode(`${recordCount} rows`);
  const location = table.newDataFile(day, crc32c(bytes, 0, bytes.length, 0));
  await store.put(keyOf(store.bucket, location), bytes, { ifNoneMatch: true });
  const fileBytes = bytes.length;
  return { location, day, recordCount, fileBytes, columns, splitOffsets: [4], sorted: false };
}

export async function locationsOf(table: LakeTable, snapshotId?: bigint): Promise<string[]> {
  return (await table.liveFiles(snapshotId)).map(({ location }) => location);
}
