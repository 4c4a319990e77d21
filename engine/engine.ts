/**
 * The engine: all tenants of one data directory, opened by exactly one process.
 *
 * Layout of the data directory: `LOCK`, `control.json` (engine/control-file.ts), and per tenant
 * `tenants/<id>/secret` and `tenants/<id>/wal/`. Hot data lies elsewhere, in shared memory, one
 * directory a tenant, and is made anew from the log by every start.
 */
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { RandomSource } from '../base/random.ts';
import { native } from '../native/index.ts';
import { type FileSystem, makeDirectoryDurable } from '../storage/file-system.ts';
import { removeHotDirectory } from '../storage/hot-directory.ts';
import { TENANT_CAPACITIES, type TenantCapacities } from './capacities.ts';
import { HotStore } from './hot-store.ts';
import type { RecoveryProgress } from './recovery.ts';
import { Tenant } from './tenant.ts';
import { INITIAL_CONFIGURATION, type TenantConfiguration } from './tenant-configuration.ts';
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
  /** Bytes of batches per tenant that may wait for the disk at once. */
  readonly queueBytesMax: number;
  /** The limits unless given. */
  readonly capacities?: TenantCapacities;
  /** Of every tenant; the initial one unless given. */
  readonly configuration?: TenantConfiguration;
  /** Go on behind damaged records of the log, which are lost. */
  readonly acceptDataLoss?: boolean;
  readonly onRecoveryProgress?: (progress: RecoveryProgress) => void;
}

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

export class Engine {
  readonly #tenants: ReadonlyMap<string, Tenant>;
  #closing: Promise<void> | undefined;

  private constructor(tenants: ReadonlyMap<string, Tenant>) {
    this.#tenants = tenants;
  }

  /** Recovers every tenant. The caller holds the lock of the data directory. */
  static async open(options: EngineOptions): Promise<Engine> {
    const tenants = new Map<string, Tenant>();
    try {
      for (const { id, sources } of options.tenants) {
        tenants.set(id, await openTenant(options, id, sources));
      }
    } catch (error) {
      for (const tenant of tenants.values()) await tenant.close();
      throw error;
    }
    return new Engine(tenants);
  }

  get tenants(): readonly Tenant[] {
    return [...this.#tenants.values()];
  }

  /** The tenant of an id that the control plane gave. */
  tenant(id: string): Tenant {
    const tenant = this.#tenants.get(id);
    if (tenant === undefined) throw new TributaryError('TRIBUTARY_ENGINE_TENANT_UNKNOWN', { id });
    return tenant;
  }

  /** Makes everything taken durable, closes the logs and removes the hot files. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    for (const tenant of this.#tenants.values()) {
      await tenant.close();
      removeHotDirectory(tenant.hotDirectory);
    }
  }
}

async function openTenant(
  options: EngineOptions,
  id: string,
  sources: readonly Source[],
): Promise<Tenant> {
  const { fileSystem, random, capacities = TENANT_CAPACITIES } = options;
  const directory = join(options.dataDirectory, 'tenants', id);
  const walDirectory = join(directory, 'wal');
  await makeDirectoryDurable(fileSystem, walDirectory);
  const secret = await openTenantSecret(fileSystem, join(directory, 'secret'), random);
  const hot = new HotStore(join(options.hotDirectory, id), options.hotBytesMax, capacities);
  try {
    return await Tenant.open({
      id,
      sources,
      secret,
      fileSystem,
      walDirectory,
      hot,
      capacities,
      clock: options.clock,
      random,
      logger: options.logger,
      queueBytesMax: options.queueBytesMax,
      configuration: options.configuration ?? INITIAL_CONFIGURATION,
      acceptDataLoss: options.acceptDataLoss ?? false,
      ...(options.onRecoveryProgress && { onRecoveryProgress: options.onRecoveryProgress }),
    });
  } catch (error) {
    hot.close();
    throw error;
  }
}
