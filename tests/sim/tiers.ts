/**
 * Hot and cold rows of a table as one, and whether the lake holds together. Files are read from the disk
 * itself, past the faults that its users meet.
 */
import type { ColdTable } from '../../engine/cold-table.ts';
import { keyOf } from '../../storage/lake/location.ts';
import type { ObjectStore } from '../../storage/lake/object-store.ts';
import type { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { decodePlain } from './plain-encoder.ts';
import { hotRows, type ShownRow } from './shown-rows.ts';

/** Where the lake is, for readers: its names and its disk. */
export interface Lake {
  readonly store: ObjectStore;
  readonly disk: MemoryFileSystem;
}

/** What a query sees of a table, by sequence; a row that lies in both tiers comes twice. */
export async function tieredRows(table: ColdTable, lake: Lake): Promise<ShownRow[]> {
  const rows = hotRows(table.hot);
  for (const { location } of await table.lake.liveFiles()) {
    rows.push(...decodePlain(contentOf(location, lake) ?? new Uint8Array(0)));
  }
  return rows.sort((a, b) => Number(a['sequence']) - Number(b['sequence']));
}

/** What the lake's metadata names and the disk does not have; empty when nothing. */
export async function danglingFiles(table: ColdTable, lake: Lake): Promise<string[]> {
  const found: string[] = [];
  for (const { snapshotId } of table.lake.snapshots) {
    for (const { location, fileBytes } of await table.lake.liveFiles(snapshotId)) {
      const bytes = contentOf(location, lake)?.length;
      if (bytes !== fileBytes) found.push(`${location} has ${bytes} bytes, not ${fileBytes}`);
    }
  }
  return found;
}

function contentOf(location: string, { store, disk }: Lake): Uint8Array | undefined {
  return disk.peek(store.localPath(keyOf(store.bucket, location))!);
}
