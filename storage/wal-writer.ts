/**
 * The writer of a tenant's log: group commit with two staging buffers.
 *
 * Room is promised first, when refusing is still possible; a promised record is committed later, in the
 * order of the log, and cannot fail. A loop takes everything committed so far as one group, writes it with one call, syncs it once, and reports it.
 * Meanwhile the next group gathers; there is no timer and no delay. The report of a group runs while
 * the next one is already on its way to the disk.
 *
 * - Records become durable in commit order, and `onGroupDurable` tells of each exactly once, in it.
 * - One group is in flight at a time; it is written only after the one before it was synced, and a file
 *   only after its header and name are durable. wal-reader.ts relies on both.
 * - A failed or ambiguous write or sync poisons the log for ever: nothing is retried, since the kernel
 *   may have dropped the pages. Everything not reported durable is unknown until a restart reads it.
 * - The next file is created ahead of need, so that rolling over costs nothing.
 *
 * Failure leaves whole groups, then at most one torn one, then perhaps a file without records.
 */
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { crc32c as referenceCrc32c } from './crc32c.ts';
import { errnoOf } from './file-system.ts';
import { WalFile, type WalPlace } from './wal-file.ts';
import { WAL_BLOCK_BYTES, type WalRecordFields, walRecordBytes } from './wal-format.ts';
import { WalGroup } from './wal-group.ts';
import type { WalFileSummary, WalRecovery } from './wal-reader.ts';
import { cutTornTail, removeEmptyFiles } from './wal-repair.ts';

export interface WalWriterOptions<Context> extends Omit<WalPlace, 'crc32c'> {
  readonly crc32c?: WalPlace['crc32c'];
  /** What `readWal` found; the log goes on from there. */
  readonly recovery: WalRecovery;
  /**
   * Called with the contexts of a group's records, in log order, once they are durable. It does not
   * throw: a log whose records are not applied must not go on, so that ends the process.
   */
  readonly onGroupDurable: (contexts: readonly Context[]) => void;
  /**
   * Called with the contexts of all records that were committed and not reported durable; later once
   * more for each record that had been promised room before.
   */
  readonly onPoisoned: (error: TributaryError, contexts: readonly Context[]) => void;
  /** Called with the milliseconds of every sync, for a histogram. */
  readonly onSync?: (milliseconds: number) => void;
  /** Roll over once a file is larger; at most and by default LIMITS.walFileBytesMax. */
  readonly fileBytesMax?: number;
  /** At most and by default LIMITS.walStagingBytesMax. */
  readonly stagingBytesMax?: number;
  /** Payload bytes of one record; at most and by default LIMITS.walRecordBytesMax. */
  readonly recordBytesMax?: number;
}

/** Totals since the writer was opened. */
export interface WalStatistics {
  readonly records: number;
  readonly groups: number;
  /** Written to disk, framing and fillers included. */
  readonly bytes: number;
  readonly files: number;
  readonly writeMs: number;
  readonly syncMs: number;
}

interface Waiter {
  /** The group it waits for, by its number since the writer was opened. */
  readonly group: number;
  readonly resolve: () => void;
  readonly reject: (error: TributaryError) => void;
}

export class WalWriter<Context> {
  readonly #options: WalWriterOptions<Context>;
  readonly #place: WalPlace;
  readonly #fileBytesMax: number;
  readonly #recordBytesMax: number;
  readonly #statistics = { records: 0, groups: 0, bytes: 0, files: 1, writeMs: 0, syncMs: 0 };
  /** Groups begun to be written; the gathering one is the next. */
  #groupsTaken = 0;
  #groupsReported = 0;
  /** Closed files, oldest first. */
  readonly #closedFiles: WalFileSummary[];
  #closedBytes: number;
  /** The file of the last group written, and the one created ahead of need. */
  #file: WalFile;
  #nextFile: WalFile;
  #gathering: WalGroup<Context>;
  #inFlight: WalGroup<Context>;
  /** Of whole records, promised and not committed yet. */
  #promisedBytes = 0;
  /** Where the gathering group will begin in its file. */
  #gatheringPosition = WAL_BLOCK_BYTES;
  /** In the order of their groups. */
  #waiters: Waiter[] = [];
  #running: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #failure: TributaryError | undefined;

  private constructor(options: WalWriterOptions<Context>, place: WalPlace, file: WalFile) {
    const { nextSequence } = options.recovery;
    const stagingBytes = Math.min(
      options.stagingBytesMax ?? LIMITS.walStagingBytesMax,
      LIMITS.walStagingBytesMax,
    );
    this.#options = options;
    this.#place = place;
    this.#fileBytesMax = Math.min(options.fileBytesMax ?? Infinity, LIMITS.walFileBytesMax);
    this.#recordBytesMax = Math.min(options.recordBytesMax ?? Infinity, LIMITS.walRecordBytesMax);
    this.#closedFiles = [...options.recovery.files];
    this.#closedBytes = this.#closedFiles.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#file = file;
    const groupBytes = stagingBytes + walRecordBytes(this.#recordBytesMax);
    this.#gathering = new WalGroup(place.fileSystem, groupBytes, file, place.crc32c);
    this.#inFlight = new WalGroup(place.fileSystem, groupBytes, file, place.crc32c);
    this.#gathering.begin(file, 0, nextSequence);
    this.#nextFile = this.#prepareFile(file.ordinal + 1, nextSequence);
  }

  /**
   * Repairs what the last process left, and opens a new file: an old one is never appended to.
   * @throws the file system's error; the log on disk is then as good as before.
   */
  static async open<Context>(options: WalWriterOptions<Context>): Promise<WalWriter<Context>> {
    const place: WalPlace = { ...options, crc32c: options.crc32c ?? referenceCrc32c };
    const { fileSystem, directory, recovery } = options;
    await cutTornTail(fileSystem, directory, recovery.repair);
    const file = WalFile.create(place, recovery.nextOrdinal, recovery.nextSequence);
    try {
      await file.ready;
      await removeEmptyFiles(fileSystem, directory, recovery.repair);
    } catch (error) {
      await file.close();
      throw error;
    }
    return new WalWriter(options, place, file);
  }

  /** The sequence the next record must have. */
  get nextSequence(): number {
    return this.#gathering.nextSequence;
  }

  /** Bytes committed that are not yet on their way to the disk. */
  get stagedBytes(): number {
    return this.#gathering.stagedBytes;
  }

  get statistics(): WalStatistics {
    return this.#statistics;
  }

  /** Why the log refuses writes; undefined while it does not. */
  get failure(): TributaryError | undefined {
    return this.#failure;
  }

  /**
   * Promises room for a record with that much payload; `commitRecord` or `forgo` takes the promise back.
   * @returns false when the staging buffer is full: the caller answers 429.
   * @throws TRIBUTARY_ENGINE_POISONED, TRIBUTARY_ENGINE_CLOSED, TRIBUTARY_STORAGE_RECORD_TOO_LARGE.
   */
  promise(payloadBytes: number): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) throw new TributaryError('TRIBUTARY_ENGINE_CLOSED');
    if (payloadBytes > this.#recordBytesMax) {
      throw new TributaryError('TRIBUTARY_STORAGE_RECORD_TOO_LARGE', {
        bytes: payloadBytes,
        limitBytes: this.#recordBytesMax,
      });
    }
    // A group that is taken meanwhile only makes more room.
    const recordBytes = walRecordBytes(payloadBytes);
    if (!this.#gathering.hasRoom(this.#promisedBytes + recordBytes)) return false;
    this.#promisedBytes += recordBytes;
    return true;
  }

  /** Gives a promise back; nothing is logged. */
  forgo(payloadBytes: number): void {
    this.#promisedBytes -= walRecordBytes(payloadBytes);
    assert(this.#promisedBytes >= 0, 'only what was promised is given back');
  }

  /**
   * Frames a copy of `payload`, for which room was promised. `context` comes back when it is durable, or
   * at once when the log was poisoned meanwhile.
   */
  commitRecord(fields: WalRecordFields, payload: Uint8Array, context: Context): void {
    this.forgo(payload.length);
    if (this.#failure !== undefined) {
      this.#options.onPoisoned(this.#failure, [context]);
      return;
    }
    this.#gathering.append(fields, payload, context);
    this.#statistics.records += 1;
    this.#running ??= this.#run();
  }

  /**
   * Settles when everything committed so far is durable and reported.
   * @throws TRIBUTARY_ENGINE_POISONED
   */
  synced(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const group = this.#gathering.records > 0 ? this.#groupsTaken + 1 : this.#groupsTaken;
    if (group === this.#groupsReported) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#waiters.push({ group, resolve, reject });
    });
  }

  /** Bytes of all files of the log. */
  get keptBytes(): number {
    return this.#closedBytes + this.#file.position;
  }

  /**
   * Removes files all of whose events are below `sequence`, oldest first, as long as `keepBytes` of the log
   * are left. A power cut may leave any of them. @returns how many. @throws the file system's error.
   */
  async removeFilesBelow(sequence: number, keepBytes = 0): Promise<number> {
    if (this.#failure !== undefined) throw this.#failure;
    const { fileSystem, directory } = this.#place;
    let removed = 0;
    for (;;) {
      const [oldest] = this.#closedFiles;
      if (oldest === undefined || oldest.endSequence > sequence) break;
      if (this.keptBytes - oldest.bytes < keepBytes) break;
      await fileSystem.unlink(`${directory}/${oldest.name}`);
      this.#closedFiles.shift();
      this.#closedBytes -= oldest.bytes;
      removed += 1;
    }
    if (removed > 0) await fileSystem.syncDirectory(directory);
    return removed;
  }

  /**
   * Makes everything committed durable, unless poisoned, and releases the files. No promise is open.
   * Idempotent.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #run(): Promise<void> {
    // Whatever else is committed in this turn joins the first group.
    await Promise.resolve();
    let durable: readonly Context[] | undefined;
    for (;;) {
      const writes = this.#failure === undefined && this.#gathering.records > 0;
      const writing = writes ? this.#writeGroup() : undefined;
      if (durable !== undefined) this.#report(durable);
      durable = await writing;
      if (durable === undefined && (this.#failure !== undefined || this.#gathering.records === 0)) {
        break;
      }
    }
    this.#running = undefined;
    if (this.#failure !== undefined) this.#reportPoisoned(this.#failure);
  }

  /** @returns the contexts of the group, now durable; undefined when the log is poisoned. */
  async #writeGroup(): Promise<readonly Context[] | undefined> {
    const group = this.#gathering;
    const bytes = group.close();
    this.#gatherNext(group, bytes.length);
    try {
      if (group.file !== this.#file) await this.#rollOver(group);
      await this.#append(group.file, bytes);
    } catch (cause) {
      this.#poison(cause);
      return undefined;
    }
    return group.takeContexts();
  }

  /** Swaps the staging buffers, and settles in which file the next group will lie. */
  #gatherNext(taken: WalGroup<Context>, bytes: number): void {
    const gathering = this.#inFlight;
    this.#inFlight = taken;
    this.#gathering = gathering;
    this.#groupsTaken += 1;
    this.#gatheringPosition += bytes;
    if (this.#gatheringPosition < this.#fileBytesMax) {
      gathering.begin(taken.file, taken.ordinal + 1, taken.nextSequence);
      return;
    }
    this.#gatheringPosition = WAL_BLOCK_BYTES;
    gathering.begin(this.#nextFile, 0, taken.nextSequence);
    // The taken group is not durable yet, so the floor is where it begins.
    this.#nextFile = this.#prepareFile(this.#nextFile.ordinal + 1, taken.firstSequence);
  }

  async #rollOver(group: WalGroup<Context>): Promise<void> {
    const closed = this.#file;
    await group.file.ready;
    this.#file = group.file;
    this.#statistics.files += 1;
    const { name, position: bytes } = closed;
    this.#closedFiles.push({ name, bytes, endSequence: group.firstSequence });
    this.#closedBytes += bytes;
    await closed.close();
  }

  async #append(file: WalFile, bytes: Uint8Array): Promise<void> {
    const { clock } = this.#place;
    const startedMs = clock.monotonicMs();
    const syncMs = await file.append(bytes);
    this.#statistics.groups += 1;
    this.#statistics.bytes += bytes.length;
    this.#statistics.writeMs += clock.monotonicMs() - startedMs - syncMs;
    this.#statistics.syncMs += syncMs;
    this.#options.onSync?.(syncMs);
  }

  #report(contexts: readonly Context[]): void {
    this.#options.onGroupDurable(contexts);
    this.#groupsReported += 1;
    while (this.#waiters.length > 0 && this.#waiters[0].group <= this.#groupsReported) {
      this.#waiters.shift()!.resolve();
    }
  }

  #prepareFile(ordinal: number, sequenceFloor: number): WalFile {
    const file = WalFile.create(this.#place, ordinal, sequenceFloor);
    file.ready.catch((cause: unknown) => this.#poison(cause));
    return file;
  }

  /** The loop, while it runs, reports the failure itself: its group may still prove durable. */
  #poison(cause: unknown): void {
    if (this.#failure !== undefined) return;
    const reason = errnoOf(cause) ?? (cause instanceof Error ? cause.message : String(cause));
    this.#failure = new TributaryError('TRIBUTARY_ENGINE_POISONED', { reason }, cause);
    if (this.#running === undefined) this.#reportPoisoned(this.#failure);
  }

  #reportPoisoned(failure: TributaryError): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    this.#options.onPoisoned(failure, [
      ...this.#inFlight.takeContexts(),
      ...this.#gathering.takeContexts(),
    ]);
    for (const waiter of waiters) waiter.reject(failure);
  }

  async #close(): Promise<void> {
    await this.#running;
    const unused = new Set([this.#gathering.file, this.#nextFile]);
    unused.delete(this.#file);
    for (const file of unused) {
      await file.ready.catch((cause: unknown) => this.#poison(cause));
      // One that stays is harmless: the next start finds it without records and removes it.
      await (this.#failure === undefined ? file.discard() : file.close()).catch(() => {});
    }
    await this.#file.close();
  }
}
