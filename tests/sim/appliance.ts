/**
 * The appliance without its doors: the real control plane and the real engine over a simulated disk,
 * with structures so small that a start takes milliseconds and files are full after a few batches.
 */
import type { Clock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import type { RandomSource } from '../../base/random.ts';
import { KIB, MIB } from '../../base/units.ts';
import type { BackupSource } from '../../engine/backup-plan.ts';
import type { TenantCapacities } from '../../engine/capacities.ts';
import type { Checkpointer } from '../../engine/checkpointer.ts';
import type { ColdTable } from '../../engine/cold-table.ts';
import type { CompactionOptions } from '../../engine/compaction.ts';
import { ControlPlane } from '../../engine/control.ts';
import { fileControlStore } from '../../engine/control-store.ts';
import { checkpointDirectoryOf, secretFileOf, walDirectoryOf } from '../../engine/data-files.ts';
import { Engine, type OpenTenant } from '../../engine/engine.ts';
import { type ErasedFiles, rewriteErased } from '../../engine/erasure-upkeep.ts';
import { IdentityUpkeep, type IdentityWrite } from '../../engine/identity-upkeep.ts';
import { trimLog } from '../../engine/log-trim.ts';
import { Maintenance } from '../../engine/maintenance.ts';
import { makeCheckpoint } from '../../engine/make-checkpoint.ts';
import type { Tenant } from '../../engine/tenant.ts';
import type { BatchOutcome } from '../../engine/types.ts';
import { type FileSystem, makeDirectoryDurable } from '../../storage/file-system.ts';
import { removeHotDirectory } from '../../storage/hot-directory.ts';
import type { CompactionLimits } from '../../storage/lake/compaction-plan.ts';
import type { LakeTable } from '../../storage/lake/lake-table.ts';
import type { ObjectStore } from '../../storage/lake/object-store.ts';
import { plainEncoder } from './plain-encoder.ts';
import { plainIdentityWriter } from './plain-identity-writer.ts';
import { plainRewriter } from './plain-rewriter.ts';
import type { Sabotage } from './sabotage.ts';
import type { PlannedBatch } from './workload.ts';

export const DATA_DIRECTORY = '/var/data';
/** The operator chose the keys, so that every start can be asked whether it knows them. */
const KEYS = { writeKey: 'a write key', adminKey: 'an admin key' };

const CAPACITIES: TenantCapacities = {
  segmentRows: 64,
  segmentHeaps: { utf8: 16 * KIB, json: 64 * KIB, dictionary: 8 * KIB },
  dictionaryEntries: 128,
  identityNodes: 2048,
  payloadBytes: 256 * KIB,
  walFileBytes: 16 * KIB,
  walStagingBytes: 64 * KIB,
  walRecordBytes: 64 * KIB,
};

/** Two files become one. */
const COMPACTION: CompactionLimits = {
  targetBytes: MIB,
  smallBytes: MIB,
  filesMin: 2,
  filesMax: 4,
};
/** That events are kept, besides the one that has begun. */
export const RETENTION_DAYS = 1;

export interface BootOptions {
  readonly fileSystem: FileSystem;
  /** {@link DATA_DIRECTORY} unless given. */
  readonly dataDirectory?: string;
  readonly hotDirectory: string;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly dedupeWindowMicros: number;
  readonly sabotage?: Sabotage;
}

interface ApplianceParts {
  readonly engine: Engine;
  readonly control: ControlPlane;
  readonly maintenance: Maintenance;
  readonly compaction: CompactionOptions;
  readonly identity: IdentityUpkeep;
}

export class SimulatedAppliance {
  readonly tenant: Tenant;
  readonly maintenance: Maintenance;
  readonly #options: BootOptions;
  readonly #engine: Engine;
  readonly #control: ControlPlane;
  readonly #compaction: CompactionOptions;
  readonly #identity: IdentityUpkeep;

  private constructor(
    options: BootOptions,
    { engine, control, maintenance, compaction, identity }: ApplianceParts,
  ) {
    this.#options = options;
    this.#engine = engine;
    this.#control = control;
    this.#compaction = compaction;
    this.#identity = identity;
    this.maintenance = maintenance;
    this.tenant = engine.tenant(control.tenants[0]!.id);
  }

  /** Starts as `tributary serve` does. @throws what the control plane and the engine throw. */
  static async boot(options: BootOptions): Promise<SimulatedAppliance> {
    const { fileSystem, hotDirectory, clock, random, dedupeWindowMicros, sabotage } = options;
    const { dataDirectory = DATA_DIRECTORY } = options;
    await makeDirectoryDurable(fileSystem, dataDirectory);
    const store = fileControlStore(fileSystem, `${dataDirectory}/control.json`);
    const control = await ControlPlane.open({ store, clock, random, bootstrap: KEYS });
    const engine = await Engine.open({
      dataDirectory,
      hotDirectory,
      fileSystem,
      clock,
      random,
      logger: silentLogger,
      tenants: control.tenants,
      hotBytesMax: 256 * MIB,
      queueBytesMax: 64 * KIB,
      capacities: CAPACITIES,
      configuration: { dedupeWindowMicros },
      encoder: plainEncoder(fileSystem, CAPACITIES),
      flush: { flushAgeMs: Number.POSITIVE_INFINITY },
    });
    const compaction = {
      store: engine.store,
      fileSystem,
      rewriter: plainRewriter(fileSystem, sabotage),
      random,
      limits: COMPACTION,
    };
    const identity = new IdentityUpkeep({
      ...{ store: engine.store, fileSystem, clock, random, logger: silentLogger },
      writer: plainIdentityWriter(fileSystem),
      intervalMs: 0,
    });
    const maintenance = new Maintenance({
      ...{ ...compaction, identity },
      tenants: engine.openTenants,
      retention: { events: RETENTION_DAYS },
      clock,
      logger: silentLogger,
      busyReason: () => undefined,
      // So that snapshots are forgotten after hours.
      isDiskShort: () => true,
    });
    return new SimulatedAppliance(options, {
      ...{ engine, control, maintenance, compaction, identity },
    });
  }

  /** Whether the keys still let in, and to this tenant. */
  get knowsItsKeys(): boolean {
    const write = this.#control.authenticateWrite(KEYS.writeKey);
    const admin = this.#control.authenticateAdmin(KEYS.adminKey);
    return write?.tenantId === this.tenant.id && admin?.tenantId === this.tenant.id;
  }

  /** The name of the source that the write key stands for. */
  get sourceName(): string {
    return this.#control.authenticateWrite(KEYS.writeKey)!.source.name;
  }

  send(batch: PlannedBatch, receivedAtMicros: number): Promise<BatchOutcome> {
    const { source } = this.#control.authenticateWrite(KEYS.writeKey)!;
    const { codec, bytes } = batch;
    return this.tenant.append({ source, codec, bytes, receivedAtMicros });
  }

  /** Hot and cold, by the name of the table. */
  table(name: string): ColdTable {
    return this.tables.find(({ hot }) => hot.plan.schema.name === name)!;
  }

  get tables(): readonly ColdTable[] {
    return this.open.cold.tables;
  }

  get store(): ObjectStore {
    return this.#engine.store;
  }

  /** The tenant with all that belongs to it. */
  get open(): OpenTenant {
    return this.#engine.openTenant(this.tenant.id);
  }

  /** What a backup reads. */
  get source(): BackupSource {
    const { fileSystem, dataDirectory = DATA_DIRECTORY } = this.#options;
    return { fileSystem, dataDirectory, bucket: this.store.bucket };
  }

  /** The last one whose rows are all in the lake. */
  get flushedSequence(): number {
    return this.open.cold.tables.at(-1)!.watermark;
  }

  /**
   * Makes a checkpoint of what is in the lake, as the process does that the appliance starts for it, and
   * removes what it makes unneeded. @returns how many files of the log went. @throws as makeCheckpoint does.
   */
  async checkpoint(): Promise<number> {
    const { tenant } = this;
    const { tenantId, checkpointDirectory, hotDirectory, walDirectory } = this.#order;
    const { fileSystem, sabotage } = this.#options;
    const sequence = this.flushedSequence;
    try {
      const answer = await makeCheckpoint(fileSystem, { ...this.#order, sequence });
      const place = { fileSystem, directory: checkpointDirectory, tenantId };
      const removeLogBelow = (older: number): Promise<number> =>
        tenant.removeLogBelow(sabotage?.trimmed?.(older, answer.nextSequence) ?? older, 0);
      return (await trimLog({ place, walDirectory, removeLogBelow }, answer)) ?? 0;
    } finally {
      removeHotDirectory(hotDirectory);
    }
  }

  /** The lake's tables of identity, which are made where there are none. */
  async identityTables(): Promise<readonly LakeTable[]> {
    return (await this.#identity.tablesOf(this.open)).lakeTables;
  }

  /** Writes them as of what is flushed. @returns undefined when they are so already. */
  writeIdentity(): Promise<IdentityWrite | undefined> {
    const { cold, tenant } = this.open;
    const checkpointer = { order: this.#order, checkpoint: () => this.checkpoint() };
    return this.#identity.write({ cold, tenant, checkpointer });
  }

  get #order(): Checkpointer['order'] {
    const { id: tenantId } = this.tenant;
    const pathOf = (file: string): string => `${this.source.dataDirectory}/${file}`;
    return {
      tenantId,
      sources: this.#control.tenants.find(({ id }) => id === tenantId)!.sources,
      secretFile: pathOf(secretFileOf(tenantId)),
      walDirectory: pathOf(walDirectoryOf(tenantId)),
      checkpointDirectory: pathOf(checkpointDirectoryOf(tenantId)),
      hotDirectory: `${this.tenant.hotDirectory}-checkpoint`,
      capacities: CAPACITIES,
      acceptDataLoss: false,
    };
  }

  /** Takes what was erased out of cold files, as {@link Maintenance.erase} does. @param nowMicros for its record. */
  rewriteErased(nowMicros: () => number): Promise<ErasedFiles | undefined> {
    const { open, maintenance } = this;
    return maintenance.exclusively(() => rewriteErased(this.#compaction, open, nowMicros));
  }

  async close(): Promise<void> {
    await this.maintenance.close();
    await this.#engine.close();
  }
}
