/**
 * Hot and cold rows of a table as one, as queries see them: the cold ones by the list that is published in
 * the hot directory, which may be behind the lake while a flush fails. And whether the lake holds together.
 * Files are read from the disk itself, past the faults that its users meet.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ColdTable } from '../../engine/cold-table.ts';
import { type ColdList, coldListFile, parseColdList } from '../../storage/cold-list.ts';
import type { LakeTable } from '../../storage/lake/lake-table.ts';
import { keyOf } from '../../storage/lake/location.ts';
import type { ObjectStore } from '../../storage/lake/object-store.ts';
import type { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { decodePlain } from './plain-encoder.ts';
import { hotRows, isNamed, type ShownRow } from './shown-rows.ts';

/** Where readers find the files of a tenant. */
export interface Lake {
  readonly store: ObjectStore;
  readonly disk: MemoryFileSystem;
  readonly tenantId: string;
  readonly hotDirectory: string;
}

/** What a query sees of a table, by sequence; a row that lies in both tiers comes twice. */
export function tieredRows({ hot }: ColdTable, lake: Lake): ShownRow[] {
  const { store, disk, tenantId, hotDirectory } = lake;
  const rows = hotRows(hot);
  const { files, except } = publishedList(hot.plan.schema.name, hotDirectory);
  for (const { path } of files) {
    const content = disk.peek(join(store.localPath(tenantId)!, path));
    const kept = decodePlain(content ?? new Uint8Array(0)).filter((row) => !isNamed(row, except));
    rows.push(...kept);
  }
  return rows.sort((a, b) => Number(a['sequence']) - Number(b['sequence']));
}

/** Sequences of the rows that live files of a table have, be they left out of queries or not. */
export async function coldSequences(table: ColdTable, lake: Lake): Promise<Set<number>> {
  const rows = await rowsOfFiles(table.lake, lake);
  return new Set(rows.map(({ sequence }) => Number(sequence)));
}

/** All rows of the live files of a table. */
export async function rowsOfFiles(table: LakeTable, lake: Lake): Promise<ShownRow[]> {
  const rows: ShownRow[] = [];
  for (const { location } of await table.liveFiles()) {
    rows.push(...decodePlain(contentOf(location, lake) ?? new Uint8Array(0)));
  }
  return rows;
}

/** The newest list is the one in force: it is written and put in force at once. */
function publishedList(table: string, hotDirectory: string): ColdList {
  const versions = readdirSync(hotDirectory)
    .filter((name) => name.startsWith(`${table}-`) && name.endsWith('.cold'))
    .map((name) => Number(name.slice(table.length + 1, -'.cold'.length)));
  const file = coldListFile(table, Math.max(...versions));
  return parseColdList(readFileSync(join(hotDirectory, file)));
}

/** What the lake's metadata names and the disk does not have; empty when nothing. */
export async function danglingIn(table: LakeTable, lake: Lake): Promise<string[]> {
  const found: string[] = [];
  for (const { snapshotId } of table.snapshots) {
    for (const { location, fileBytes } of await table.liveFiles(snapshotId)) {
      const bytes = contentOf(location, lake)?.length;
      if (bytes !== fileBytes) found.push(`${location} has ${bytes} bytes, not ${fileBytes}`);
    }
  }
  return found;
}

function contentOf(location: string, { store, disk }: Lake): Uint8Array | undefined {
  return disk.peek(store.localPath(keyOf(store.bucket, location))!);
}
