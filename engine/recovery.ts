/**
 * Recovery: the write path without the log. Every record is read, staged and applied as a live batch
 * is, so the state after a start is the state before the crash, ordinal for ordinal.
 *
 * Nothing is written. What the log's own repair needs comes back in `recovery`.
 */
import { assert } from '../base/assert.ts';
import { native } from '../native/index.ts';
import type { FileSystem } from '../storage/file-system.ts';
import { WAL_CODEC, WAL_RECORD_TYPE } from '../storage/wal-format.ts';
import { readWal, type WalRecord, type WalRecovery } from '../storage/wal-reader.ts';
import type { TenantCapacities } from './capacities.ts';
import { EventFold } from './event-fold.ts';
import { EventStaging } from './event-staging.ts';
import type { HotStore } from './hot-store.ts';
import { Quarantine } from './quarantine.ts';
import { parseConfiguration } from './tenant-configuration.ts';
import type { TenantSecret } from './tenant-secret.ts';
import { EVENT_TYPES, type Source } from './types.ts';

/** Recovery shows its progress once per this many payload bytes. */
const PROGRESS_BYTES = 16 * 1024 * 1024;

export interface RecoveryOptions {
  readonly id: string;
  readonly sources: readonly Source[];
  readonly secret: TenantSecret;
  readonly fileSystem: FileSystem;
  /** Holds the log and nothing else. */
  readonly walDirectory: string;
  readonly hot: HotStore;
  readonly capacities: TenantCapacities;
  /** Go on behind damaged records, which are lost. */
  readonly acceptDataLoss: boolean;
  readonly onRecoveryProgress?: (progress: RecoveryProgress) => void;
}

export interface RecoveryProgress {
  readonly tenantId: string;
  readonly records: number;
  readonly events: number;
  /** Payload bytes replayed. */
  readonly bytes: number;
}

export interface RecoveredState {
  readonly staging: EventStaging;
  readonly fold: EventFold;
  readonly recovery: WalRecovery;
}

/**
 * Folds the whole log into the fresh tables of `options.hot`, and publishes the result.
 * @throws TRIBUTARY_STORAGE_WAL_*, TRIBUTARY_STORAGE_HOT_FULL, or the file system's error.
 */
export async function recoverTenant(options: RecoveryOptions): Promise<RecoveredState> {
  const { hot, secret, fileSystem } = options;
  const staging = new EventStaging(hot.events);
  const fold = new EventFold({
    directory: hot.directory,
    events: hot.events,
    edges: hot.edges,
    quarantine: new Quarantine(hot.deadLetters, hot.warnings),
    secret,
    nodesMax: options.capacities.identityNodes,
  });
  const sourceNames = new Map(options.sources.map((source) => [source.ordinal, source.name]));
  const progress = { tenantId: options.id, records: 0, events: 0, bytes: 0 };
  let reportedBytes = 0;
  const replay = (record: WalRecord): void => {
    if (record.type === WAL_RECORD_TYPE.configuration) {
      const { buffer, payloadOffset, length } = record;
      fold.configure(parseConfiguration(buffer.subarray(payloadOffset, payloadOffset + length)));
      return;
    }
    fold.identity.prepare(record.eventCount, record.length);
    const rows = staging.stage(
      record.codec === WAL_CODEC.json ? 'json' : 'msgpack',
      record.buffer,
      record.payloadOffset,
      record.length,
      {
        sequence: record.sequence,
        receivedAtMicros: record.receivedAtMicros,
        sourceName: sourceNames.get(record.source) ?? `source-${record.source}`,
        typeOfPath: record.defaultType === 0 ? EVENT_TYPES.length : record.defaultType - 1,
      },
    );
    assert(rows.count === record.eventCount, 'a record replays to the events it was logged with');
    fold.apply(rows, record.sequence, record.receivedAtMicros);
    progress.records += 1;
    progress.events += record.eventCount;
    progress.bytes += record.length;
    if (progress.bytes - reportedBytes < PROGRESS_BYTES) return;
    reportedBytes = progress.bytes;
    options.onRecoveryProgress?.({ ...progress });
  };
  const log = {
    fileSystem,
    directory: options.walDirectory,
    tenantId: uuidBytes(options.id),
    fromSequence: 1,
    acceptDataLoss: options.acceptDataLoss,
    crc32c: native.crc32c,
  };
  let recovery: WalRecovery;
  try {
    recovery = await readWal(log, replay);
  } catch (error) {
    fold.close();
    throw error;
  }
  fold.publish();
  options.onRecoveryProgress?.({ ...progress });
  return { staging, fold, recovery };
}

/** The 16 bytes of a UUID. */
export function uuidBytes(uuid: string): Uint8Array {
  return Uint8Array.from(Buffer.from(uuid.replaceAll('-', ''), 'hex'));
}
