/**
 * The engine: all tenants of one data directory, opened by exactly one process.
 *
 * Layout of the data directory: `LOCK`, `control.json` (engine/control-file.ts), and per tenant
 * `tenants/<id>/secret` and `tenants/<id>/wal/`. Flushed rows are in `lake/`, a namespace a tenant. Hot
 * data lies elsewhere, in shared memory, one directory a tenant, and is made anew by every start from
 * the log: all rows that are not in the lake yet.
 */
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { RandomSource } from '../base/random.ts';
import { GIB } from '../base/units.ts';
import { native } from '../native/index.ts';
import {
  type FileSystem,
  makeDirectoryDurable,
  parentOf,
  readFile,
} from '../storage/file-system.ts';
import { removeHotDirectory } from '../storage/hot-directory.ts';
import { LocalObjectStore } from '../storage/lake/local-object-store.ts';
import type { ObjectStore } from '../storage/lake/object-store.ts';
import type { ParquetEncoder } from '../storage/parquet-encoder.ts';
import { capacitiesWithin, type TenantCapacities } from './capacities.ts';
import { openStartingPoint } from './checkpoint.ts';
import { Checkpointer } from './checkpointer.ts';
import { ColdStore } from './cold-store.ts';
import {
  checkpointDirectoryOf,
  erasuresFileOf,
  LAKE_DIRECTORY,
  secretFileOf,
  walDirectoryOf,
} from './data-files.ts';
import { ErasureKeeper } from './erasure-keeper.ts';
import { Flusher, type FlushLimits } from './flush.ts';
import { HotStore } from './hot-store.ts';
import { trimLog } from './log-trim.ts';
import type { RecoveryProgress } from './recovery.ts';
import { parseSuppressionList } from './suppression-list.ts';
import { Tenant } from './tenant.ts';
import { type ApplianceConfiguration, INITIAL_CONFIGURATION } from './tenant-configuration.ts';
import { openTenantSecret } from './tenant-secret.ts';
import type { Source } from './types.ts';

export interface EngineOptions {
  /** An existing directory; absolute. */
  readonly dataDirectory: string;
  /** Where hot data goes, by default below /dev/shm; made when missing. */
  readonly hotDirectory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly tenants: readonly { readonly id: string; readonly sources: readonly Source[] }[];
  /** Bytes of hot segments per tenant. */
  readonly hotBytesMax: number;
  /**
   * When rows leave hot storage for the lake; {@link FLUSH_DEFAULTS} unless given. Half of `hotBytesMax`
   * is the most that may wait.
   */
  readonly flush?: Partial<FlushLimits>;
  /** How much each log grows between two checkpoints, bytes; none is made unless given. */
  readonly checkpointLogBytes?: number;
  /** Bytes of each log that are kept, whether a start needs them or not; 0 unless given. */
  readonly logKeepBytes?: number;
  /** The objects of the lake; on the local disk, in `lake/` of the data directory, unless given. */
  readonly store?: ObjectStore;
  /** Encodes what is flushed. The engine closes it. */
  readonly encoder: ParquetEncoder;
  /** Bytes of batches per tenant that may wait for the disk at once. */
  readonly queueBytesMax: number;
  /** The limits unless given. */
  readonly capacities?: TenantCapacities;
  /** Of every tenant; the initial one unless given. */
  readonly configuration?: ApplianceConfiguration;
  /** Go on behind damaged records of the log, which are lost. */
  readonly acceptDataLoss?: boolean;
  readonly onRecoveryProgress?: (progress: RecoveryProgress) => void;
}

export const FLUSH_DEFAULTS: FlushLimits = Object.freeze({
  flushBytes: GIB,
  flushAgeMs: 900_000,
});
/** No query runs longer (SQL_SERVICE_DEFAULTS.timeoutMsMax), and a minute more. */
const QUERY_GRACE_MS = 3_660_000;
const LAKE_BUCKET = 'tributary-lake';

/**
 * Takes the data directory for this process; the kernel gives it back when the process ends.
 * @param holder written into the lock file, for whoever finds the directory taken.
 * @throws TRIBUTARY_STORAGE_DIRECTORY_LOCKED
 */
export function lockDataDirectory(dataDirectory: string, holder: string): void {
  const reason = native.lockFile(join(dataDirectory, 'LOCK'), holder);
  if (reason === '') return;
  throw new TributaryError('TRIBUTARY_STORAGE_DIRECTORY_LOCKED', {
    path: dataDirectory,
    holder: reason.trim(),
  });
}

/** A tenant, its flushed rows, and what moves them there. */
export interface OpenTenant {
  readonly tenant: Tenant;
  readonly cold: ColdStore;
  readonly flusher: Flusher;
  readonly erasures: ErasureKeeper;
  /** Undefined where none are made. */
  readonly checkpointer: Checkpointer | undefined;
}

/** What the tenants of an engine share. */
interface Shared {
  readonly store: ObjectStore;
  readonly encoder: ParquetEncoder;
}

export class Engine {
  /** The objects of the lake. */
  readonly store: ObjectStore;
  readonly #tenants: ReadonlyMap<string, OpenTenant>;
  readonly #encoder: ParquetEncoder;
  #closing: Promise<void> | undefined;

  private constructor(tenants: ReadonlyMap<string, OpenTenant>, { store, encoder }: Shared) {
    this.#tenants = tenants;
    this.store = store;
    this.#encoder = encoder;
  }

  /** Recovers every tenant. The caller holds the lock of the data directory. */
  static async open(options: EngineOptions): Promise<Engine> {
    const { fileSystem, dataDirectory } = options;
    const lake = join(dataDirectory, LAKE_DIRECTORY);
    const store = options.store ?? (await LocalObjectStore.open(fileSystem, lake, LAKE_BUCKET));
    const shared = { store, encoder: options.encoder };
    const tenants = new Map<string, OpenTenant>();
    try {
      for (const { id, sources } of options.tenants) {
        tenants.set(id, await openTenant(options, shared, id, sources));
      }
    } catch (error) {
      for (const open of tenants.values()) await closeTenant(open);
      await shared.encoder.close();
      throw error;
    }
    return new Engine(tenants, shared);
  }

  get tenants(): readonly Tenant[] {
    return this.openTenants.map(({ tenant }) => tenant);
  }

  get openTenants(): readonly OpenTenant[] {
    return [...this.#tenants.values()];
  }

  /** The tenant of an id that the control plane gave. */
  tenant(id: string): Tenant {
    return this.openTenant(id).tenant;
  }

  /** The same with all that belongs to it. */
  openTenant(id: string): OpenTenant {
    const open = this.#tenants.get(id);
    if (open === undefined) throw new TributaryError('TRIBUTARY_ENGINE_TENANT_UNKNOWN', { id });
    return open;
  }

  /** Makes everything taken durable, closes the logs and removes the hot files. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    // A flush that is being encoded is given up: its rows are in the log.
    for (const { flusher } of this.#tenants.values()) flusher.stop();
    await this.#encoder.close();
    for (const open of this.#tenants.values()) {
      await closeTenant(open);
      removeHotDirectory(open.tenant.hotDirectory);
    }
  }
}

/** Ends a flush that runs first: it reads the hot files. */
async function closeTenant({ tenant, flusher, checkpointer }: OpenTenant): Promise<void> {
  await checkpointer?.close();
  await flusher.close();
  await tenant.close();
}

/** Erases again what a restore has left word of, and lets go of the word once that is in the log. */
async function repeatErasures(
  path: string,
  keeper: ErasureKeeper,
  { clock, fileSystem }: EngineOptions,
): Promise<void> {
  if (!(await fileSystem.exists(path))) return;
  const text = Buffer.from(await readFile(fileSystem, path)).toString('utf8');
  await keeper.repeat(parseSuppressionList(text).erasures, clock.nowMicros());
  await fileSystem.unlink(path);
  await fileSystem.syncDirectory(parentOf(path));
}

async function openTenant(
  options: EngineOptions,
  { store, encoder }: Shared,
  id: string,
  sources: readonly Source[],
): Promise<OpenTenant> {
  const { fileSystem, clock, random, logger, hotBytesMax } = options;
  const capacities = options.capacities ?? capacitiesWithin(hotBytesMax);
  const walDirectory = join(options.dataDirectory, walDirectoryOf(id));
  await makeDirectoryDurable(fileSystem, walDirectory);
  const checkpointDirectory = join(options.dataDirectory, checkpointDirectoryOf(id));
  await makeDirectoryDurable(fileSystem, checkpointDirectory);
  const secretFile = join(options.dataDirectory, secretFileOf(id));
  const secret = await openTenantSecret(fileSystem, secretFile, random);
  const hot = new HotStore(join(options.hotDirectory, id), options.hotBytesMax, capacities);
  try {
    const cold = await ColdStore.open({
      tenantId: id,
      hot,
      store,
      fileSystem,
      encoder,
      clock,
      random,
      logger,
      queryGraceMs: QUERY_GRACE_MS,
    });
    const flushedSequence = (): number => cold.sequence;
    const place = { fileSystem, directory: checkpointDirectory, tenantId: id };
    const acceptDataLoss = options.acceptDataLoss ?? false;
    const checkpoint = await openStartingPoint({
      ...place,
      walDirectory,
      flushedSequence: flushedSequence(),
      acceptDataLoss,
      onUnusable: (error) =>
        logger.log('error', 'a checkpoint is passed over', { tenant: id, error }),
    });
    const opening = Tenant.open({
      id,
      sources,
      secret,
      fileSystem,
      walDirectory,
      hot,
      cold: cold.tables,
      checkpoint,
      capacities,
      clock,
      random,
      logger,
      queueBytesMax: options.queueBytesMax,
      configuration: options.configuration ?? {
        dedupeWindowMicros: INITIAL_CONFIGURATION.dedupeWindowMicros,
      },
      acceptDataLoss,
      ...(options.onRecoveryProgress && { onRecoveryProgress: options.onRecoveryProgress }),
    });
    const tenant = await opening.finally(() => checkpoint?.close());
    const erasures = new ErasureKeeper({ tenant, cold, random });
    await repeatErasures(join(options.dataDirectory, erasuresFileOf(id)), erasures, options);
    await erasures.hideColdRows();
    const flush = { ...FLUSH_DEFAULTS, ...options.flush };
    const flusher = new Flusher({
      flushBytes: Math.min(flush.flushBytes, options.hotBytesMax / 2),
      flushAgeMs: flush.flushAgeMs,
      tenantId: id,
      tables: cold.tables,
      appliedSequence: () => tenant.appliedSequence,
      clock,
      logger,
    });
    // Queries read cold files by their paths on this machine.
    if (cold.directory !== undefined) flusher.start();
    else logger.log('warn', 'hot rows stay hot: the lake lies elsewhere', { tenant: id });
    const { checkpointLogBytes, logKeepBytes } = options;
    const removeLogBelow = (sequence: number): Promise<number> =>
      tenant.removeLogBelow(sequence, logKeepBytes ?? 0);
    const hotDirectory = `${hot.directory}-checkpoint`;
    const order = { tenantId: id, sources, secretFile, walDirectory, checkpointDirectory };
    const checkpointer =
      checkpointLogBytes === undefined
        ? undefined
        : new Checkpointer({
            order: { ...order, hotDirectory, capacities, acceptDataLoss },
            logBytes: checkpointLogBytes,
            stateBytes: () => tenant.identityStatistics.bytes,
            trim: (answer) => trimLog({ place, walDirectory, removeLogBelow }, answer),
            loggedBytes: () => tenant.recovery.bytes + tenant.statistics.payloadBytes,
            flushedSequence,
            clock,
            logger,
          });
    checkpointer?.start();
    return { tenant, cold, flusher, erasures, checkpointer };
  } catch (error) {
    hot.close();
    // Shared memory keeps them else, until somebody starts over the same data again.
    removeHotDirectory(hot.directory);
    throw error;
  }
}
