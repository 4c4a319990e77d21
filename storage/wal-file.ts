/**
 * One WAL file being written.
 *
 * - Its id, and so the seed of its records' CRCs, is known at once: records are framed for a file while
 *   it is still being created.
 * - `ready` settles once its header and its name are durable; no record is written before.
 */
import type { Clock } from '../base/clock.ts';
import type { RandomSource } from '../base/random.ts';
import type { Crc32c } from './crc32c.ts';
import { type FileHandle, type FileSystem, writeFully, writeSynced } from './file-system.ts';
import {
  WAL_BLOCK_BYTES,
  type WalFileHeader,
  walCrcSeed,
  walFileName,
  writeWalFileHeader,
} from './wal-format.ts';

/** Where a log lives and whose it is. */
export interface WalPlace {
  readonly fileSystem: FileSystem;
  readonly directory: string;
  /** 16 bytes. */
  readonly tenantId: Uint8Array;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly crc32c: Crc32c;
}

export class WalFile {
  readonly ordinal: number;
  readonly name: string;
  readonly crcSeed: number;
  readonly ready: Promise<void>;
  /** Where the next group goes. */
  position = WAL_BLOCK_BYTES;
  readonly #place: WalPlace;
  #handle: FileHandle | undefined;

  private constructor(place: WalPlace, ordinal: number, sequenceFloor: number) {
    const fileId = place.random.bytes(8);
    this.#place = place;
    this.ordinal = ordinal;
    this.name = walFileName(ordinal);
    this.crcSeed = walCrcSeed(fileId, place.crc32c);
    const { tenantId } = place;
    const createdAtMicros = place.clock.nowMicros();
    this.ready = this.#create({ fileId, ordinal, sequenceFloor, createdAtMicros, tenantId });
  }

  /** Begins to create the file; whoever uses it first waits for `ready`. */
  static create(place: WalPlace, ordinal: number, sequenceFloor: number): WalFile {
    return new WalFile(place, ordinal, sequenceFloor);
  }

  /**
   * Appends one group and syncs it; only after `ready`, one call at a time, never after a failure.
   * @returns milliseconds that the sync took.
   */
  async append(group: Uint8Array): Promise<number> {
    const syncMs = await writeSynced(this.#handle!, group, this.position, this.#place.clock);
    this.position += group.length;
    return syncMs;
  }

  async close(): Promise<void> {
    await this.#handle?.close();
  }

  /** Removes the file again; it holds no records. A crash before the removal is durable is harmless. */
  async discard(): Promise<void> {
    await this.close();
    await this.#place.fileSystem.unlink(this.#path());
  }

  async #create(header: WalFileHeader): Promise<void> {
    const { fileSystem, directory, crc32c } = this.#place;
    this.#handle = await fileSystem.open(this.#path(), 'create', { direct: true });
    const block = fileSystem.allocate(WAL_BLOCK_BYTES);
    writeWalFileHeader(block, header, crc32c);
    await writeFully(this.#handle, block, 0);
    await this.#handle.sync();
    await fileSystem.syncDirectory(directory);
  }

  #path(): string {
    return `${this.#place.directory}/${this.name}`;
  }
}
