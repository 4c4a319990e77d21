/**
 * Reads a checkpoint. All of it is held against its checksums before any of it is handed out: a state
 * that is half right cannot be told from a right one later.
 *
 * Failure: a file that is damaged, of another tenant or of another version is an error, and whoever asked
 * starts from an older checkpoint or from the log.
 */
import { TributaryError } from '../base/errors.ts';
import {
  CHECKPOINT_CONTENTS_BYTES_MAX,
  CHECKPOINT_FORMAT_VERSION,
  CHECKPOINT_MAGIC,
  CHECKPOINT_TRAILER_BYTES,
  type CheckpointContents,
  type CheckpointPart,
  parseCheckpointFileName,
  parseContents,
} from './checkpoint-format.ts';
import type { Crc32c } from './crc32c.ts';
import { type FileHandle, type FileSystem, readFully } from './file-system.ts';
import { PieceReader } from './piece-reader.ts';
import type { StateSource } from './state-part.ts';

export interface CheckpointReadOptions {
  readonly fileSystem: FileSystem;
  readonly path: string;
  readonly tenantId: string;
  readonly crc32c: Crc32c;
}

/** The names of the checkpoints in a directory, newest first. */
export async function listCheckpoints(
  fileSystem: FileSystem,
  directory: string,
): Promise<string[]> {
  const names = await fileSystem.list(directory);
  return names.filter((name) => parseCheckpointFileName(name) !== undefined).reverse();
}

export class CheckpointReader implements StateSource {
  readonly nextSequence: number;
  /** Of the whole file. */
  readonly bytes: number;
  readonly #options: CheckpointReadOptions;
  readonly #handle: FileHandle;
  readonly #places = new Map<string, CheckpointPart & { readonly position: number }>();
  readonly #pieces: PieceReader;

  private constructor(
    options: CheckpointReadOptions,
    handle: FileHandle,
    contents: CheckpointContents,
    bytes: number,
  ) {
    this.#options = options;
    this.#handle = handle;
    this.#pieces = new PieceReader(options.fileSystem);
    this.nextSequence = contents.nextSequence;
    this.bytes = bytes;
    let position = 0;
    for (const part of contents.parts) {
      this.#places.set(part.name, { ...part, position });
      position += part.bytes;
    }
  }

  /**
   * Opens a checkpoint and checks all of it.
   * @throws TRIBUTARY_STORAGE_CHECKPOINT_UNUSABLE, or the file system's error.
   */
  static async open(options: CheckpointReadOptions): Promise<CheckpointReader> {
    const { contents, bytes } = await readContents(options);
    const handle = await options.fileSystem.open(options.path, 'read', { direct: true });
    try {
      const reader = new CheckpointReader(options, handle, contents, bytes);
      for (const { name } of contents.parts) await reader.#check(name);
      return reader;
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  has(name: string): boolean {
    return this.#places.has(name);
  }

  bytesOf(name: string): number {
    return this.#place(name).bytes;
  }

  async copy(name: string, write: (offset: number, piece: Uint8Array) => void): Promise<void> {
    const { position, bytes } = this.#place(name);
    const read = await this.#pieces.read(this.#handle, position, bytes, write);
    if (read < bytes) throw this.#unusable(`${name} ends early`);
  }

  /** Idempotent. */
  close(): Promise<void> {
    return this.#handle.close();
  }

  async #check(name: string): Promise<void> {
    let crc = 0;
    await this.copy(name, (_, piece) => {
      crc = this.#options.crc32c(piece, 0, piece.length, crc);
    });
    if (crc !== this.#place(name).crc) throw this.#unusable(`the checksum of ${name} is wrong`);
  }

  #place(name: string): CheckpointPart & { readonly position: number } {
    const place = this.#places.get(name);
    if (place === undefined) throw this.#unusable(`it has no ${name}`);
    return place;
  }

  #unusable(reason: string): TributaryError {
    return unusable(this.#options.path, reason);
  }
}

/** A checkpoint that is not used, and why. */
export function unusable(path: string, reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_STORAGE_CHECKPOINT_UNUSABLE', { path, reason });
}

/** What a checkpoint says it has, and the size of the file. */
async function readContents(
  options: CheckpointReadOptions,
): Promise<{ contents: CheckpointContents; bytes: number }> {
  const handle = await options.fileSystem.open(options.path, 'read');
  try {
    const bytes = await handle.size();
    return { contents: await parseTable(handle, bytes, options), bytes };
  } finally {
    await handle.close();
  }
}

async function parseTable(
  handle: FileHandle,
  bytes: number,
  { path, tenantId, crc32c }: CheckpointReadOptions,
): Promise<CheckpointContents> {
  if (bytes < CHECKPOINT_TRAILER_BYTES) throw unusable(path, 'it ends early');
  const trailer = Buffer.alloc(CHECKPOINT_TRAILER_BYTES);
  const contentsEnd = bytes - CHECKPOINT_TRAILER_BYTES;
  await readFully(handle, trailer, 0, CHECKPOINT_TRAILER_BYTES, contentsEnd);
  if (trailer.toString('latin1', 16) !== CHECKPOINT_MAGIC) throw unusable(path, 'it ends early');
  const version = trailer.readUInt32LE(8);
  if (version !== CHECKPOINT_FORMAT_VERSION) throw unusable(path, `its version is ${version}`);
  const length = trailer.readUInt32LE(0);
  if (length > Math.min(contentsEnd, CHECKPOINT_CONTENTS_BYTES_MAX)) {
    throw unusable(path, `its table of contents has ${length} bytes`);
  }
  const table = new Uint8Array(length);
  await readFully(handle, table, 0, length, contentsEnd - length);
  if (crc32c(table, 0, length, 0) !== trailer.readUInt32LE(4)) {
    throw unusable(path, 'the checksum of its table of contents is wrong');
  }
  const contents = parseContents(table);
  if (contents === undefined) throw unusable(path, 'its table of contents is malformed');
  if (contents.tenantId !== tenantId) throw unusable(path, `it is of tenant ${contents.tenantId}`);
  const partBytes = contents.parts.reduce((sum, part) => sum + part.bytes, 0);
  if (partBytes !== contentsEnd - length) throw unusable(path, 'its length is wrong');
  return contents;
}
