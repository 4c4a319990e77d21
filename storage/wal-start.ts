/**
 * Where a log begins, and which of its files a start need not read: told by the first record of each file,
 * which is held against its checksum.
 *
 * A file's header only has a bound, since it is written ahead of need.
 */
import { type Crc32c, crc32c as referenceCrc32c } from './crc32c.ts';
import { readFully } from './file-system.ts';
import type { WalSource } from './wal-extent.ts';
import {
  parseWalFileName,
  readWalFileHeader,
  WAL_BLOCK_BYTES,
  walCrcSeed,
  walRecord,
} from './wal-format.ts';
import { WalWindow } from './wal-window.ts';

export interface WalPlaceToRead {
  readonly fileSystem: WalSource;
  readonly directory: string;
  readonly crc32c?: Crc32c;
}

/** How a file begins; undefined where its header is damaged. */
interface WalFileStart {
  /** Every sequence below was durable before the file was made. */
  readonly floor: number;
  /** Of the first record, where it is intact. */
  readonly first: number | undefined;
  readonly bytes: number;
}

/** The files of the log, oldest first. */
export async function listWalFiles({ fileSystem, directory }: WalPlaceToRead): Promise<string[]> {
  const names = await fileSystem.list(directory);
  return names.filter((name) => parseWalFileName(name) !== undefined);
}

/**
 * The sequence the log reaches back to: all that was logged from there on is in its files, unless they are
 * damaged. 1 where damage hides it, and reading the log will tell.
 */
export async function walBeginning(place: WalPlaceToRead): Promise<number> {
  let beginning = 1;
  for (const name of await listWalFiles(place)) {
    const start = await walFileStart(place, name);
    if (start === undefined) return 1;
    if (start.first !== undefined) return start.first;
    beginning = Math.max(beginning, start.floor);
    if (start.bytes > WAL_BLOCK_BYTES) return beginning;
  }
  return beginning;
}

/**
 * @returns the index in `names`, oldest first, of the last file that begins at or below `sequence`, so that all
 *   records of those before it lie wholly below; undefined when none is known to.
 */
export async function lastFileBeginningBy(
  place: WalPlaceToRead,
  names: readonly string[],
  sequence: number,
): Promise<{ readonly index: number; readonly first: number } | undefined> {
  for (let index = names.length - 1; index > 0; index -= 1) {
    const first = (await walFileStart(place, names[index]!))?.first;
    if (first !== undefined && first <= sequence) return { index, first };
  }
  return undefined;
}

async function walFileStart(
  { fileSystem, directory, crc32c = referenceCrc32c }: WalPlaceToRead,
  name: string,
): Promise<WalFileStart | undefined> {
  const handle = await fileSystem.open(`${directory}/${name}`, 'read');
  try {
    const bytes = await handle.size();
    const block = new Uint8Array(WAL_BLOCK_BYTES);
    const read = await readFully(handle, block, 0, WAL_BLOCK_BYTES, 0);
    const header = readWalFileHeader(block.subarray(0, read), crc32c);
    if (header === undefined || 'newerVersion' in header) return undefined;
    const window = new WalWindow(fileSystem, crc32c);
    window.attach(handle, bytes, walCrcSeed(header.fileId, crc32c));
    let first: number | undefined;
    await window.walk(WAL_BLOCK_BYTES, (index) => {
      first = walRecord.sequence(window.buffer.view, index);
      return false;
    });
    return { floor: header.sequenceFloor, first, bytes };
  } finally {
    await handle.close();
  }
}
