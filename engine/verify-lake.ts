/**
 * Reads one table of the lake to its last byte: the checksums of its metadata, and of every data file that a
 * retained snapshot holds the length, the footer and all columns, decoded, with their counts.
 *
 * Parquet has no checksum of ours: a bit that turned inside a compressed page is found where the page does
 * not decompress or decode any more, or gives another number of values. A backup's checksums find all.
 *
 * A table may be tidied while it is read. What is missing counts when a newer version still names it.
 */
import { TributaryError } from '../base/errors.ts';
import type { DataFile } from '../storage/lake/data-file.ts';
import type { ObjectStore } from '../storage/lake/object-store.ts';
import { readClosure, type TableClosure } from '../storage/lake/table-closure.ts';
import { recordBatchesOfParquet } from '../storage/parquet-wasm.ts';
import { LAKE_DIRECTORY } from './data-files.ts';
import type { VerifyTally } from './verify-tally.ts';

/** @returns the watermark of the table when it was first looked at; -1 where it has none. */
export async function verifyTable(
  store: ObjectStore,
  tableKey: string,
  tally: VerifyTally,
): Promise<number> {
  const checked = new Set<string>();
  let closure = await closureOf(store, tableKey, tally);
  const sequence = closure?.sequence ?? -1;
  while (closure !== undefined) {
    const missing = await verifyClosure(store, closure, checked, tally);
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
  store: ObjectStore,
  { dataFiles, metadataKeys }: TableClosure,
  checked: Set<string>,
  tally: VerifyTally,
): Promise<string[]> {
  for (const key of metadataKeys) {
    if (checked.has(key)) continue;
    // Reading the closure has held its checksums.
    tally.add((await store.head(key))?.bytes ?? 0);
    checked.add(key);
  }
  const missing: string[] = [];
  for (const [key, file] of dataFiles) {
    if (checked.has(key)) continue;
    if ((await verifyDataFile(store, key, file, tally)) === 'missing') missing.push(key);
    else checked.add(key);
  }
  return missing;
}

async function verifyDataFile(
  store: ObjectStore,
  key: string,
  file: DataFile,
  tally: VerifyTally,
): Promise<'checked' | 'missing'> {
  const path = `${LAKE_DIRECTORY}/${key}`;
  try {
    const bytes = await store.get(key);
    tally.add(bytes.length);
    if (bytes.length !== file.fileBytes) {
      tally.find(path, `it has ${bytes.length} bytes, its table says ${file.fileBytes}`);
      return 'checked';
    }
    const problem = await problemOf(bytes, file);
    if (problem !== undefined) tally.find(path, problem);
  } catch (error) {
    const isMissing =
      error instanceof TributaryError && error.code === 'TRIBUTARY_LAKE_OBJECT_MISSING';
    if (isMissing) return 'missing';
    tally.find(path, reasonOf(error));
  }
  return 'checked';
}

/** Decodes every column. @returns what is not as the manifest says. @throws what the decoder throws. */
async function problemOf(bytes: Uint8Array, file: DataFile): Promise<string | undefined> {
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  let rows = 0;
  const nulls = new Map<number, number>();
  for await (const batch of recordBatchesOfParquet(whole())) {
    rows += batch.numRows;
    batch.schema.fields.forEach(({ metadata }, index) => {
      const id = Number(metadata.get('PARQUET:field_id') ?? -1);
      nulls.set(id, (nulls.get(id) ?? 0) + (batch.getChildAt(index)?.nullCount ?? 0));
    });
  }
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
