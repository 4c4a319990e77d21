/**
 * Wires what keeps the disk tidy: maintenance of the lake, with a process that rewrites files, and the
 * governor of the disk's room.
 */
import { join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import type { RandomSource } from '../base/random.ts';
import { GIB, MIB } from '../base/units.ts';
import type { ControlPlane } from '../engine/control.ts';
import { DiskGovernor } from '../engine/disk-governor.ts';
import type { Engine } from '../engine/engine.ts';
import { IdentityUpkeep } from '../engine/identity-upkeep.ts';
import { Maintenance } from '../engine/maintenance.ts';
import type { RetentionDays } from '../engine/retention.ts';
import { IdentityProcess } from '../query/identity-process.ts';
import { RewriteProcess } from '../query/rewrite-process.ts';
import { DiskReserve } from '../storage/disk-reserve.ts';
import type { FileSystem } from '../storage/file-system.ts';
import type { Configuration } from './options.ts';
import type { Queries } from './queries.ts';

export interface UpkeepOptions {
  readonly configuration: Configuration;
  readonly control: ControlPlane;
  readonly engine: Engine;
  readonly queries: Queries;
  readonly dataDirectory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
}

/** A job reads 256 MiB, ten times that as rows: it sorts in memory, or spills. */
const REWRITE_LIMITS = {
  memoryBytesMax: GIB,
  spillBytesMax: 8 * GIB,
  dataBytesMax: 2 * GIB,
  threads: 1,
};
/** Room below which maintenance saves room: this many times that at which batches are refused. */
const HIGH_MARK_FACTOR = 3;
const RESERVE_BYTES = 16 * MIB;
const MINUTE_MS = 60_000;
/** Share of a tenant's queue above which background work waits. */
const BUSY_QUEUE_SHARE = 0.25;

export class Upkeep {
  readonly maintenance: Maintenance;
  readonly identity: IdentityUpkeep;
  readonly disk: DiskGovernor;

  private constructor(maintenance: Maintenance, identity: IdentityUpkeep, disk: DiskGovernor) {
    this.maintenance = maintenance;
    this.identity = identity;
    this.disk = disk;
  }

  static async open(options: UpkeepOptions): Promise<Upkeep> {
    const { clock, configuration, control, dataDirectory, engine, fileSystem, logger, random } =
      options;
    const { disk_free_bytes_min: lowMarkBytes } = configuration;
    const reservePath = join(dataDirectory, 'reserve');
    const disk = new DiskGovernor({
      lowMarkBytes,
      highMarkBytes: HIGH_MARK_FACTOR * lowMarkBytes,
      reserve: new DiskReserve(fileSystem, reservePath, RESERVE_BYTES),
      reserveBytes: RESERVE_BYTES,
      readFreeBytes: () => fileSystem.freeBytes(dataDirectory),
      clock,
      logger,
    });
    const identity = new IdentityUpkeep({
      writer: new IdentityProcess(),
      intervalMs: configuration.profiles_interval_minutes * MINUTE_MS,
      store: engine.store,
      fileSystem,
      clock,
      random,
      logger,
    });
    const maintenance = new Maintenance({
      tenants: engine.openTenants,
      store: engine.store,
      fileSystem,
      rewriter: new RewriteProcess(REWRITE_LIMITS),
      retention: retentionOf(configuration),
      ownRetention: (tenantId) => control.ownRetention(tenantId),
      identity,
      busyReason: () => busyReason(options),
      isDiskShort: () => disk.isShort,
      clock,
      random,
      logger,
    });
    await disk.start();
    maintenance.start();
    return new Upkeep(maintenance, identity, disk);
  }

  /** Idempotent. */
  async close(): Promise<void> {
    await this.maintenance.close();
    await this.disk.close();
  }
}

/** Days by table, for every tenant that has none of its own. */
export function retentionOf(configuration: Configuration): RetentionDays {
  const { events_retention_days: events, dead_letters_retention_days: rejected } = configuration;
  return {
    ...(events > 0 && { events }),
    ...(rejected > 0 && { dead_letters: rejected, warnings: rejected }),
  };
}

/** Background work waits while batches queue for the disk, and while queries wait for a worker. */
function busyReason({ configuration, engine, queries }: UpkeepOptions): string | undefined {
  const busyBytes = BUSY_QUEUE_SHARE * configuration.queue_bytes_max;
  if (engine.tenants.some(({ pendingBytes }) => pendingBytes > busyBytes)) return 'batches queue';
  const services = [...queries.services.values()];
  return services.some(({ state }) => state.queued > 0) ? 'queries queue' : undefined;
}
