/**
 * One tenant: the single writer of its log and of all state that is a fold over the log.
 *
 * The way of a batch, in this order and nowhere else:
 *   admit → stage (rows in the segment's unpublished tail, duplicates, nodes; in threads of its own)
 *   → log (group commit) → fold → publish → acknowledge.
 * Admission is over before `append` returns. Every stage takes batches in the order of `append`.
 *
 * - Nothing is visible before it is durable, and nothing is acknowledged before it is visible.
 * - What waits for the disk is bounded by `queueBytesMax`; beyond it a batch is refused with 429.
 * - Once a write or sync of the log failed, every later batch is refused until a restart.
 * - Recovery is the same way without the log: see recovery.ts.
 */
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { RandomSource } from '../base/random.ts';
import { native } from '../native/index.ts';
import { WAL_CODEC, WAL_RECORD_TYPE } from '../storage/wal-format.ts';
import type { WalRecovery } from '../storage/wal-reader.ts';
import { type WalStatistics, WalWriter } from '../storage/wal-writer.ts';
import {
  type DeclaredTrait,
  type TraitDeclarations,
  traitKey,
  traitKeys,
} from './declared-traits.ts';
import type { ErasureLedger } from './erasure-ledger.ts';
import type { EventFold } from './event-fold.ts';
import { type EventStager, payloadBytes } from './event-stager.ts';
import type { HotStore } from './hot-store.ts';
import { LiveTail, type WatchedBatch } from './live-tail.ts';
import { type RecoveredState, type RecoveryOptions, recoverTenant, uuidBytes } from './recovery.ts';
import type { StagedRows } from './staged-rows.ts';
import { type PendingChange, TenantCommands } from './tenant-commands.ts';
import type { ApplianceConfiguration } from './tenant-configuration.ts';
import {
  type BatchOutcome,
  EVENT_TYPES,
  type IncomingBatch,
  type PublishedBatch,
} from './types.ts';

/** Rows take about as much memory as their JSON; heaps and values are backed ahead of need. */
const HOT_BYTES_PER_BYTE = 2;

export interface TenantOptions extends RecoveryOptions {
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  /** Bytes of batches that may wait for the disk at once. */
  readonly queueBytesMax: number;
  /** What is to hold from now on; logged when it is not what holds already. */
  readonly configuration: ApplianceConfiguration;
}

/** Totals since the tenant was opened, replayed events not included. */
export interface TenantStatistics {
  readonly batches: number;
  readonly events: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: number;
  readonly payloadBytes: number;
  readonly refusedBatches: number;
}

/** A batch that was admitted, until it is acknowledged or refused. */
interface AdmittedBatch {
  readonly batch: Omit<IncomingBatch, 'bytes'>;
  /** Of its payload in the log. */
  readonly bytes: number;
  readonly typeOfPath: number;
  /** For the live tail; undefined while nobody listens. */
  readonly watched: WatchedBatch | undefined;
  readonly resolve: (outcome: BatchOutcome) => void;
  readonly reject: (error: TributaryError) => void;
}

/** What comes back with a record once it is durable. */
type Pending = PendingBatch | PendingChange;

interface PendingBatch {
  readonly kind: 'batch';
  readonly admitted: AdmittedBatch;
  readonly rows: StagedRows;
}

export class Tenant {
  readonly id: string;
  readonly recovery: WalRecovery;
  /** Holds the log. */
  readonly walDirectory: string;
  readonly #stager: EventStager;
  readonly #fold: EventFold;
  /** What is said to the tenant besides events. */
  readonly commands: TenantCommands;
  /** Read-only outside the write path. */
  readonly hot: HotStore;
  readonly #wal: WalWriter<Pending>;
  readonly #logger: Logger;
  readonly #queueBytesMax: number;
  readonly #statistics = {
    batches: 0,
    events: 0,
    accepted: 0,
    duplicates: 0,
    rejected: 0,
    payloadBytes: 0,
    refusedBatches: 0,
  };
  readonly #tail = new LiveTail();
  readonly #syncListeners = new Set<(milliseconds: number) => void>();
  #pendingBytes = 0;
  #lastSequence = 0;
  #appliedSequence = 0;
  #isPoisonLogged = false;
  #closing: Promise<void> | undefined;

  private constructor(options: TenantOptions, state: RecoveredState, wal: WalWriter<Pending>) {
    this.id = options.id;
    this.recovery = state.recovery;
    this.walDirectory = options.walDirectory;
    this.#stager = state.stager;
    this.#fold = state.fold;
    this.hot = options.hot;
    this.#wal = wal;
    this.commands = new TenantCommands({
      stager: state.stager,
      fold: state.fold,
      log: wal,
      admit: (bytes) => this.#admit(bytes),
    });
    this.#logger = options.logger;
    this.#queueBytesMax = options.queueBytesMax;
    this.#lastSequence = state.recovery.nextSequence - 1;
    this.#appliedSequence = this.#lastSequence;
  }

  /**
   * Replays the log into fresh hot tables and opens it for writing.
   * @throws TRIBUTARY_STORAGE_WAL_*, TRIBUTARY_STORAGE_HOT_FULL, or the file system's error.
   */
  static async open(options: TenantOptions): Promise<Tenant> {
    const state = await recoverTenant(options);
    // Assigned below, before any record can be committed.
    let tenant: Tenant;
    const { fold } = state;
    const opening = WalWriter.open<Pending>({
      fileSystem: options.fileSystem,
      directory: options.walDirectory,
      tenantId: uuidBytes(options.id),
      clock: options.clock,
      random: options.random,
      crc32c: native.crc32c,
      recovery: state.recovery,
      fileBytesMax: options.capacities.walFileBytes,
      stagingBytesMax: options.capacities.walStagingBytes,
      recordBytesMax: options.capacities.walRecordBytes,
      onGroupDurable: (group) => tenant.#applyGroup(group),
      onPoisoned: (error, group) => tenant.#refuseGroup(error, group),
      onSync: (milliseconds) => tenant.#noteSync(milliseconds),
    });
    try {
      tenant = new Tenant(options, state, await opening);
    } catch (error) {
      fold.close();
      throw error;
    }
    try {
      await tenant.commands.configure(options.configuration, options.clock.nowMicros(), (bytes) =>
        assert(tenant.#wal.promise(bytes), 'a log that was just opened has room'),
      );
    } catch (error) {
      await tenant.close();
      throw error;
    }
    return tenant;
  }

  /** Where query workers find the hot data. */
  get hotDirectory(): string {
    return this.hot.directory;
  }

  get statistics(): TenantStatistics {
    return this.#statistics;
  }

  get walStatistics(): WalStatistics {
    return this.#wal.statistics;
  }

  /** Bytes of the files of the log. */
  get logBytes(): number {
    return this.#wal.keptBytes;
  }

  /**
   * Removes files of the log wholly below `sequence`, as long as `keepBytes` of it are left. @returns how many.
   * @throws TRIBUTARY_ENGINE_POISONED, or the file system's error.
   */
  removeLogBelow(sequence: number, keepBytes: number): Promise<number> {
    assert(sequence <= this.#appliedSequence + 1, 'what is removed of the log is applied');
    return this.#wal.removeFilesBelow(sequence, keepBytes);
  }

  /** Identifiers, anchors and profiles seen so far, and the memory they take. */
  get identityStatistics(): { nodes: number; anchors: number; profiles: number; bytes: number } {
    const { identity } = this.#fold;
    return {
      nodes: identity.nodeCount,
      anchors: identity.profiles.anchorCount,
      profiles: identity.profiles.profileCount,
      bytes: identity.memoryBytes + this.#fold.traits.memoryBytes + this.#stager.windowBytes,
    };
  }

  /** The traits that are declared now. */
  get declarations(): TraitDeclarations {
    return this.#fold.configuration.declarations;
  }

  /** The traits that are declared, each with the slot by which SQL reads its key, if that is kept. */
  get readTraits(): readonly (DeclaredTrait & { readonly slot: number })[] {
    const { traits, configuration } = this.#fold;
    return configuration.declarations.traits.map((trait) => ({
      ...trait,
      slot: traits.slotOf(traitKey(trait)),
    }));
  }

  /** Keys of declared traits whose values are not all kept; none where nothing can be. */
  get missingTraitKeys(): readonly string[] {
    const { traits, configuration } = this.#fold;
    if (traits.failure !== '') return [];
    return traitKeys(configuration.declarations.traits).filter((key) => traits.slotOf(key) === 0);
  }

  /** What is kept of them. */
  get traits(): EventFold['traits'] {
    return this.#fold.traits;
  }

  /** Read-only: for look-ups and tests. */
  get identity(): EventFold['identity'] {
    return this.#fold.identity;
  }

  /** Read-only: what was erased, and how far that has come. */
  get erasures(): Pick<
    ErasureLedger,
    'all' | 'coldRows' | 'count' | 'get' | 'unfinished' | 'unwritten'
  > {
    return this.#fold.erasures;
  }

  /** The keyed hash of what an anchor stands for; undefined for one that is not there, or was erased. */
  suppressionHashOf(anchor: number): string | undefined {
    return anchor <= this.identity.profiles.anchorCount ? this.#fold.hashOf(anchor) : undefined;
  }

  /** The sequence of the last event that is visible. */
  get lastSequence(): number {
    return this.#lastSequence;
  }

  /** The last sequence of the log that is folded and published, of whatever kind its record is. */
  get appliedSequence(): number {
    return this.#appliedSequence;
  }

  /** Bytes of batches that wait to be staged or for the disk. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Whether batches are with the stager's thread: nothing else here goes on without the event loop. */
  get isStaging(): boolean {
    return this.#stager.isWorking;
  }

  /** Why writes are refused; undefined while they are not. */
  get failure(): TributaryError | undefined {
    return this.#wal.failure;
  }

  /** Tells `listener` the duration of every sync. @returns how to stop. */
  onSync(listener: (milliseconds: number) => void): () => void {
    this.#syncListeners.add(listener);
    return () => this.#syncListeners.delete(listener);
  }

  /**
   * Calls `listener` for every batch published from now on, in commit order, after it is acknowledged.
   * The listener returns soon and does not throw. @returns how to stop.
   */
  tail(listener: (batch: PublishedBatch) => void): () => void {
    return this.#tail.listen(listener);
  }

  /**
   * Takes a batch; resolves when it is durable and visible. Reads `batch.bytes` before it returns.
   * Rejects with a TributaryError: TRIBUTARY_INGEST_* for bytes that are no batch,
   * TRIBUTARY_ENGINE_QUEUE_FULL, TRIBUTARY_STORAGE_HOT_FULL, TRIBUTARY_STORAGE_REGION_FULL,
   * TRIBUTARY_IDENTITY_NODES_FULL, TRIBUTARY_ENGINE_POISONED, TRIBUTARY_ENGINE_CLOSED.
   */
  append(batch: IncomingBatch): Promise<BatchOutcome> {
    return new Promise((resolve, reject) => {
      try {
        this.#append(batch, resolve, reject);
      } catch (error) {
        this.#statistics.refusedBatches += 1;
        reject(error);
      }
    });
  }

  /** Makes everything taken durable and visible, and releases log and hot tables. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.commands.settled();
    await this.#stager.drained();
    await this.#wal.close();
    this.#stager.close();
    this.#fold.close();
    this.hot.close();
  }

  #append(
    batch: IncomingBatch,
    resolve: (outcome: BatchOutcome) => void,
    reject: (error: TributaryError) => void,
  ): void {
    const { codec, joinedRows, receivedAtMicros, senderAddress, source } = batch;
    const bytes = payloadBytes(batch.bytes, senderAddress);
    const typeOfPath =
      batch.typeOfPath === undefined ? EVENT_TYPES.length : EVENT_TYPES.indexOf(batch.typeOfPath);
    this.#admit(bytes);
    const watched = this.#tail.watch(batch);
    const admitted = { batch, bytes, typeOfPath, watched, resolve, reject };
    const sourceName = source.name;
    const fields = { codec, joinedRows, receivedAtMicros, senderAddress, sourceName, typeOfPath };
    const input = { ...fields, bytes: batch.bytes };
    let isTaken = false;
    try {
      isTaken = this.#stager.submit(input, (result, payload) => {
        if (result instanceof TributaryError) this.#refuse(admitted, result);
        else this.#log(admitted, result, payload);
      });
    } finally {
      if (!isTaken) this.#wal.forgo(bytes);
    }
    if (!isTaken) throw this.#queueFull();
    this.#pendingBytes += bytes;
  }

  /** Refuses what there is no room for, before anything is touched. */
  #admit(bytes: number): void {
    if (this.#closing !== undefined) throw new TributaryError('TRIBUTARY_ENGINE_CLOSED');
    if (this.#pendingBytes + bytes > this.#queueBytesMax) throw this.#queueFull();
    const pending = this.#pendingBytes + bytes;
    this.hot.budget.require(HOT_BYTES_PER_BYTE * pending);
    if (!this.#wal.promise(bytes)) throw this.#queueFull();
  }

  /** A batch the stager found to be none. */
  #refuse(admitted: AdmittedBatch, error: TributaryError): void {
    this.#wal.forgo(admitted.bytes);
    this.#pendingBytes -= admitted.bytes;
    this.#statistics.refusedBatches += 1;
    admitted.reject(error);
  }

  #log(admitted: AdmittedBatch, rows: StagedRows, payload: Uint8Array): void {
    const { batch, bytes, typeOfPath } = admitted;
    if (rows.count === 0) {
      this.#wal.forgo(bytes);
      this.#pendingBytes -= bytes;
      const lastSequence = this.#lastSequence;
      admitted.resolve({ received: 0, accepted: 0, duplicates: 0, rejected: [], lastSequence });
      return;
    }
    this.#wal.commitRecord(
      {
        length: bytes,
        sequence: rows.sequence,
        receivedAtMicros: batch.receivedAtMicros,
        type: WAL_RECORD_TYPE.events,
        codec: WAL_CODEC[batch.codec],
        source: batch.source.ordinal,
        eventCount: rows.count,
        defaultType: typeOfPath === EVENT_TYPES.length ? 0 : typeOfPath + 1,
        hasSender: batch.senderAddress !== undefined,
      },
      payload,
      { kind: 'batch', admitted, rows },
    );
  }

  #applyGroup(group: readonly Pending[]): void {
    const answers: [PendingBatch, BatchOutcome][] = [];
    const changes: (() => void)[] = [];
    for (const pending of group) {
      if (pending.kind === 'change') {
        changes.push(pending.carryOut());
        this.#appliedSequence = pending.sequence;
        continue;
      }
      this.#fold.apply(pending.rows);
      const outcome = this.#account(pending);
      this.#appliedSequence = outcome.lastSequence;
      answers.push([pending, outcome]);
    }
    this.#fold.publish();
    this.#lastSequence = answers.at(-1)?.[1].lastSequence ?? this.#lastSequence;
    for (const [{ admitted }, outcome] of answers) admitted.resolve(outcome);
    for (const tell of changes) tell();
    for (const [{ admitted, rows }] of answers) {
      if (admitted.watched !== undefined) this.#tail.publish(admitted.watched, rows);
    }
  }

  #account({ admitted, rows }: PendingBatch): BatchOutcome {
    const { bytes } = admitted;
    const { count, duplicates } = rows;
    const rejected = rows.rejections.length;
    const accepted = count - duplicates - rejected;
    const totals = this.#statistics;
    totals.batches += 1;
    totals.events += count;
    totals.accepted += accepted;
    totals.duplicates += duplicates;
    totals.rejected += rejected;
    totals.payloadBytes += bytes;
    this.#pendingBytes -= bytes;
    return {
      received: count,
      accepted,
      duplicates,
      rejected: rows.rejections.map(({ text: _, ...rejection }) => rejection),
      lastSequence: rows.sequence + count - 1,
    };
  }

  #refuseGroup(error: TributaryError, group: readonly Pending[]): void {
    if (!this.#isPoisonLogged) {
      this.#isPoisonLogged = true;
      this.#logger.log('error', 'the log failed; writes are refused until a restart', {
        tenant: this.id,
        error: error.cause ?? error,
      });
    }
    for (const pending of group) {
      if (pending.kind === 'change') {
        pending.reject(error);
        continue;
      }
      this.#pendingBytes -= pending.admitted.bytes;
      pending.admitted.reject(error);
    }
  }

  #queueFull(): TributaryError {
    return new TributaryError('TRIBUTARY_ENGINE_QUEUE_FULL', {
      queuedBytes: this.#pendingBytes,
      limitBytes: this.#queueBytesMax,
    });
  }

  #noteSync(milliseconds: number): void {
    for (const listener of this.#syncListeners) listener(milliseconds);
  }
}
