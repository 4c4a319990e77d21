/**
 * Reads one table of the lake to its last byte: the checksums of its metadata and of every data file that a
 * retained snapshot holds, and what the files hold, decoded, with their counts.
 *
 * - A file is decoded only when its checksum is right, so that nothing has to make sense of damaged pages.
 * - A file that was named without a checksum is decoded only: a bit that turned inside a compressed page is
 *   found where the page does not decode any more, or gives another number of values.
 *
 * A table may be tidied while it is read. What is missing counts when a newer version still names it.
 */
import { TributaryError } from '../base/errors.ts';
import { native } from '../native/index.ts';
import { formatCrc } from '../storage/crc32c.ts';
import { crcOfFile } from '../storage/file-checksum.ts';
import type { FileSystem } from '../storage/file-system.ts';
import type { DataFile } from '../storage/lake/data-file.ts';
import { crcOfName } from '../storage/lake/location.ts';
import type { ObjectStore } from '../storage/lake/object-store.ts';
import { readClosure, type TableClosure } from '../storage/lake/table-closure.ts';
import { LAKE_DIRECTORY } from './data-files.ts';
import type { VerifyTally } from './verify-tally.ts';

/** What a data file holds, by decoding it. */
export interface DataFileCounts {
  readonly rows: number;
  /** By field id. */
  readonly nulls: ReadonlyMap<number, number>;
}

export interface DataFileDecoder {
  /** Decodes all columns of the file at `path`. Rejects with why it cannot. */
  decode(path: string): Promise<DataFileCounts>;
}

/** Where tables lie, and what reads their files. */
export interface LakeSource {
  readonly fileSystem: FileSystem;
  readonly store: ObjectStore;
  readonly dataDirectory: string;
  readonly decoder: DataFileDecoder;
}

/** @returns the watermark of the table when it was first looked at; -1 where it has none. */
export async function verifyTable(
  source: LakeSource,
  tableKey: string,
  tally: VerifyTally,
): Promise<number> {
  const { store } = source;
  const checked = new Set<string>();
  let closure = await closureOf(store, tableKey, tally);
  const sequence = closure?.sequence ?? -1;
  while (closure !== undefined) {
    const missing = await verifyClosure(source, closure, checked, tally);
    if (missing.length === 0) break;
    const newer = await closureOf(store, tableKey, tally);
    if (newer?.version.location === closure.version.location) {
      for (const key of missing) tally.find(`${LAKE_DIRECTORY}/${key}`, 'it is not there');
      break;
    }
    closure = newer;
  }
  return sequence;
}

async function closureOf(
  store: ObjectStore,
  tableKey: string,
  tally: VerifyTally,
): Promise<TableClosure | undefined> {
  try {
    return await readClosure(store, tableKey);
  } catch (error) {
    if (!(error instanceof TributaryError)) throw error;
    tally.find(`${LAKE_DIRECTORY}/${tableKey}`, error.message);
    return undefined;
  }
}

/** @returns the keys that are not there. */
async function verifyClosure(
  source: LakeSource,
  { dataFiles, metadataKeys }: TableClosure,
  checked: Set<string>,
  tally: VerifyTally,
): Promise<string[]> {
  for (const key of metadataKeys) {
    if (checked.has(key)) continue;
    // Reading the closure has held its checksums.
    tally.add((await source.store.head(key))?.bytes ?? 0);
    checked.add(key);
  }
  const missing: string[] = [];
  for (const [key, file] of dataFiles) {
    if (checked.has(key)) continue;
    if ((await verifyDataFile(source, key, file, tally)) === 'missing') missing.push(key);
    else checked.add(key);
  }
  return missing;
}

async function verifyDataFile(
  source: LakeSource,
  key: string,
  file: DataFile,
  tally: VerifyTally,
): Promise<'checked' | 'missing'> {
  const path = `${LAKE_DIRECTORY}/${key}`;
  try {
    const object = await source.store.head(key);
    if (object === undefined) return 'missing';
    tally.add(object.bytes);
    const problem =
      object.bytes === file.fileBytes
        ? await problemOf(source, path, file)
        : `it has ${object.bytes} bytes, its table says ${file.fileBytes}`;
    if (problem !== undefined) tally.find(path, problem);
  } catch (error) {
    // It may have expired while it was read.
    if ((await source.store.head(key)) === undefined) return 'missing';
    tally.find(path, reasonOf(error));
  }
  return 'checked';
}

/** @returns what is not as the manifest says. @throws what the decoder throws. */
async function problemOf(
  { decoder, dataDirectory, fileSystem }: LakeSource,
  path: string,
  file: DataFile,
): Promise<string | undefined> {
  const named = crcOfName(path);
  if (named !== undefined) {
    const crc = await crcOfFile(fileSystem, `${dataDirectory}/${path}`, native.crc32c);
    if (crc !== named) return `its checksum is ${formatCrc(crc)}`;
  }
  const { rows, nulls } = await decoder.decode(`${dataDirectory}/${path}`);
  if (rows !== file.recordCount) return `it has ${rows} rows, its table says ${file.recordCount}`;
  for (const [id, { nullCount }] of file.columns) {
    const found = nulls.get(id);
    if (nullCount === undefined || found === undefined || nullCount === found) continue;
    return `its column ${id} has ${found} nulls, its table says ${nullCount}`;
  }
  return undefined;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
