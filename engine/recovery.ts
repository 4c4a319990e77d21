/**
 * Recovery: the write path without the log. Every record is read, staged and applied as a live batch
 * is, so the state after a start is the state before the crash, ordinal for ordinal. The log is read and
 * checked while the stager works on what was read before.
 *
 * It begins with the state that a checkpoint kept, where there is one, and replays what is behind it.
 *
 * Nothing is written. What the log's own repair needs comes back in `recovery`.
 */
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import { MIB } from '../base/units.ts';
import { parseIdentityCommand } from '../identity/identity-command.ts';
import { native } from '../native/index.ts';
import type { CheckpointReader } from '../storage/checkpoint-reader.ts';
import type { FileSystem } from '../storage/file-system.ts';
import type { StateSource } from '../storage/state-part.ts';
import { WAL_CODEC, WAL_RECORD_TYPE, WAL_SENDER_BYTES } from '../storage/wal-format.ts';
import { readWal, type WalRecord, type WalRecovery } from '../storage/wal-reader.ts';
import type { TenantCapacities } from './capacities.ts';
import { parseErasureCommand } from './erasure-record.ts';
import { EventFold } from './event-fold.ts';
import { EventStager } from './event-stager.ts';
import type { HotStore } from './hot-store.ts';
import { type FlooredTable, ReplayFloors } from './replay-floors.ts';
import type { StagedRows } from './staged-rows.ts';
import { parseConfiguration } from './tenant-configuration.ts';
import type { TenantSecret } from './tenant-secret.ts';
import { parseTraitsCommand } from './trait-record.ts';
import { EVENT_TYPES, type Source } from './types.ts';

/** What the stager is given ahead: enough for the time of a read, and little enough to stay in the cache. */
const PENDING_BYTES_MAX = 4 * MIB;
/** Recovery shows its progress once per this many payload bytes. */
const PROGRESS_BYTES = 16 * MIB;
/** … and once per this many bytes of a checkpoint, a few times a second. */
const LOAD_PROGRESS_BYTES = 256 * MIB;

export interface RecoveryOptions {
  readonly id: string;
  readonly sources: readonly Source[];
  readonly secret: TenantSecret;
  readonly fileSystem: FileSystem;
  /** Holds the log and nothing else. */
  readonly walDirectory: string;
  readonly hot: HotStore;
  readonly capacities: TenantCapacities;
  /** What of the replayed rows is in the lake already. */
  readonly cold: readonly FlooredTable[];
  /** Where to begin; at the first record unless given. Checked whole, and the caller's to close. */
  readonly checkpoint?: CheckpointReader | undefined;
  /** Where to end, as of {@link readWal}; at the end of the log unless given. */
  readonly toSequence?: number;
  /** Go on behind damaged records, which are lost. */
  readonly acceptDataLoss: boolean;
  readonly onRecoveryProgress?: (progress: RecoveryProgress) => void;
}

export interface RecoveryProgress {
  readonly tenantId: string;
  /** Of the checkpoint that is loaded before, bytes; 0 without one. */
  readonly loadedBytes: number;
  readonly records: number;
  readonly events: number;
  /** Payload bytes replayed. */
  readonly bytes: number;
}

export interface RecoveredState {
  readonly stager: EventStager;
  readonly fold: EventFold;
  readonly recovery: WalRecovery;
}

/**
 * Folds the log, from the checkpoint on, into the fresh tables of `options.hot`, and publishes the result.
 * @throws TRIBUTARY_STORAGE_WAL_*, TRIBUTARY_STORAGE_LOG_BEHIND_LAKE, TRIBUTARY_STORAGE_HOT_FULL, or the file
 *   system's error.
 */
export async function recoverTenant(options: RecoveryOptions): Promise<RecoveredState> {
  const { hot, secret } = options;
  const fold = new EventFold({ hot, secret, nodesMax: options.capacities.identityNodes });
  const { checkpoint } = options;
  const stager = new EventStager({
    events: hot.events,
    identifiers: fold.identity.identifiers,
    room: fold.room,
    nextSequence: checkpoint?.nextSequence ?? 1,
    dedupeWindowMicros: fold.configuration.dedupeWindowMicros,
    messageIdSecret: secret.messageIds,
    payloadBytes: options.capacities.payloadBytes,
  });
  try {
    if (checkpoint !== undefined) {
      const source = watched(checkpoint, options);
      await fold.restore(source);
      await stager.restore(source);
    }
    const recovery = await new Replay(options, { stager, fold }).run();
    return { stager, fold, recovery };
  } catch (error) {
    stager.close();
    fold.close();
    throw error;
  }
}

/** Tells the progress of loading a checkpoint. */
function watched(
  checkpoint: CheckpointReader,
  { id, onRecoveryProgress }: RecoveryOptions,
): StateSource {
  const progress = { tenantId: id, loadedBytes: 0, records: 0, events: 0, bytes: 0 };
  let toldBytes = 0;
  return {
    has: (name) => checkpoint.has(name),
    bytesOf: (name) => checkpoint.bytesOf(name),
    copy: (name, write) =>
      checkpoint.copy(name, (offset, piece) => {
        write(offset, piece);
        progress.loadedBytes += piece.length;
        if (progress.loadedBytes - toldBytes < LOAD_PROGRESS_BYTES) return;
        toldBytes = progress.loadedBytes;
        onRecoveryProgress?.({ ...progress });
      }),
  };
}

class Replay {
  readonly #options: RecoveryOptions;
  readonly #stager: EventStager;
  readonly #fold: EventFold;
  readonly #sourceNames: ReadonlyMap<number, string>;
  readonly #floors: ReplayFloors;
  readonly #progress;
  #reportedBytes = 0;
  #failure: TributaryError | undefined;

  constructor(options: RecoveryOptions, state: Omit<RecoveredState, 'recovery'>) {
    this.#options = options;
    this.#stager = state.stager;
    this.#fold = state.fold;
    this.#floors = new ReplayFloors(options.cold);
    this.#sourceNames = new Map(options.sources.map((source) => [source.ordinal, source.name]));
    const loadedBytes = options.checkpoint?.bytes ?? 0;
    this.#progress = { tenantId: options.id, loadedBytes, records: 0, events: 0, bytes: 0 };
  }

  async run(): Promise<WalRecovery> {
    const { fileSystem, walDirectory: directory, id, acceptDataLoss } = this.#options;
    const { checkpoint, toSequence } = this.#options;
    const read = await readWal(
      {
        fileSystem,
        directory,
        tenantId: uuidBytes(id),
        fromSequence: checkpoint?.nextSequence ?? 1,
        ...(toSequence !== undefined && { toSequence }),
        skipsFilesBelow: true,
        acceptDataLoss,
        crc32c: native.crc32c,
      },
      (record) => this.#submit(record),
    );
    await this.#stager.drained();
    const recovery = this.#behindLake(read);
    this.#stager.continueAt(recovery.nextSequence);
    if (this.#failure !== undefined) throw this.#failure;
    this.#report();
    return recovery;
  }

  /**
   * A log that ends before the lake does has lost its end. Going on from there would give sequences twice, and
   * the next start would take the new rows for those that are in the lake.
   * @throws TRIBUTARY_STORAGE_LOG_BEHIND_LAKE, unless the loss is accepted: then it goes on behind the lake.
   */
  #behindLake(recovery: WalRecovery): WalRecovery {
    const { acceptDataLoss, cold } = this.#options;
    const nextSequence = 1 + Math.max(0, ...cold.map(({ watermark }) => watermark));
    const lostEvents = nextSequence - recovery.nextSequence;
    if (lostEvents <= 0) return recovery;
    if (acceptDataLoss) {
      return { ...recovery, nextSequence, lostEvents: recovery.lostEvents + lostEvents };
    }
    throw new TributaryError('TRIBUTARY_STORAGE_LOG_BEHIND_LAKE', {
      logSequence: recovery.nextSequence - 1,
      lakeSequence: nextSequence - 1,
    });
  }

  /** @returns what to wait for when the stager has no room; it is tried again then. */
  #submit(record: WalRecord): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    const { buffer, payloadOffset, length, sequence, receivedAtMicros, eventCount, source } =
      record;
    const bytes = buffer.subarray(payloadOffset, payloadOffset + length);
    if (record.type === WAL_RECORD_TYPE.configuration) {
      const configuration = parseConfiguration(bytes);
      const { dedupeWindowMicros } = configuration;
      this.#place(sequence, () => this.#fold.configure(configuration), dedupeWindowMicros);
      return undefined;
    }
    if (record.type === WAL_RECORD_TYPE.traits) {
      const command = parseTraitsCommand(bytes);
      this.#place(sequence, () => this.#fold.keepTraits(command));
      return undefined;
    }
    if (record.type === WAL_RECORD_TYPE.identity) {
      if (this.#stager.isBusy) return this.#stager.progress().then(() => this.#submit(record));
      const command = parseIdentityCommand(JSON.parse(Buffer.from(bytes).toString('utf8')));
      // As little was free, at the least, when the command was logged.
      this.#fold.room.withdraw();
      this.#fold.room.claimCommand(length);
      this.#place(sequence, () => this.#fold.carryOut(command, sequence, receivedAtMicros));
      return undefined;
    }
    if (record.type === WAL_RECORD_TYPE.erasure) {
      if (this.#stager.isBusy) return this.#stager.progress().then(() => this.#submit(record));
      const command = parseErasureCommand(bytes);
      this.#place(sequence, () => {
        if (command.command === 'erase') this.#fold.erase(command, sequence, receivedAtMicros);
        else this.#fold.erasures.note(command, receivedAtMicros);
      });
      return undefined;
    }
    const bodyBytes = record.hasSender ? length - WAL_SENDER_BYTES : length;
    const again = (): Promise<void> => this.#stager.progress().then(() => this.#submit(record));
    if (this.#stager.pendingBytes >= PENDING_BYTES_MAX) return again();
    this.#stager.continueAt(sequence);
    const isTaken = this.#stager.submit(
      {
        codec: record.codec === WAL_CODEC.json ? 'json' : 'msgpack',
        bytes: bytes.subarray(0, bodyBytes),
        senderAddress: record.hasSender ? bytes.subarray(bodyBytes) : undefined,
        receivedAtMicros,
        sourceName: this.#sourceNames.get(source) ?? `source-${source}`,
        typeOfPath: record.defaultType === 0 ? EVENT_TYPES.length : record.defaultType - 1,
      },
      (result) => {
        if (result instanceof TributaryError) this.#failure ??= result;
        if (this.#failure !== undefined || result instanceof TributaryError) return;
        const isSame = result.count === eventCount && result.sequence === sequence;
        assert(isSame, 'a record replays to the events it was logged with');
        this.#apply(result, length);
      },
    );
    return isTaken ? undefined : again();
  }

  /** Applies a record without rows when its turn has come. @param dedupeWindowMicros as EventStager.place has it. */
  #place(sequence: number, apply: () => void, dedupeWindowMicros?: number): void {
    this.#stager.continueAt(sequence);
    this.#stager.place(() => {
      this.#passFloors(sequence);
      apply();
    }, dedupeWindowMicros);
  }

  #apply(rows: StagedRows, bytes: number): void {
    this.#passFloors(rows.sequence);
    this.#fold.apply(rows);
    const progress = this.#progress;
    progress.records += 1;
    progress.events += rows.count;
    progress.bytes += bytes;
    if (progress.bytes - this.#reportedBytes >= PROGRESS_BYTES) this.#report();
  }

  /** The record at `sequence` is about to be applied, whatever it holds. */
  #passFloors(sequence: number): void {
    const { events } = this.#options.hot;
    this.#floors.pass(sequence, (table) =>
      table === events ? this.#fold.appliedRows : table.stagedRows,
    );
  }

  /** What was applied can be seen, and what of it is cold is let go. */
  #report(): void {
    this.#fold.publish();
    this.#floors.settle();
    this.#reportedBytes = this.#progress.bytes;
    this.#options.onRecoveryProgress?.({ ...this.#progress });
  }
}

/** The 16 bytes of a UUID. */
export function uuidBytes(uuid: string): Uint8Array {
  return Uint8Array.from(Buffer.from(uuid.replaceAll('-', ''), 'hex'));
}
