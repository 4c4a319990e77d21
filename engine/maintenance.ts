/**
 * Looks after the cold rows of all tenants, by itself: compacts, drops what is older than its retention,
 * writes identity's tables, forgets old snapshots, collects orphans, empties the trash.
 *
 * - One task at a time in the whole appliance, whoever asked for it.
 * - A compaction job, or a write of identity, starts only when `busyReason` gives none, or after `BUSY_MS_MAX` of waiting: under
 *   unbroken load files would pile up until queries suffered more than from a job at the lowest priority.
 * - While the disk is nearly full nothing is compacted, since a job needs room before it frees any;
 *   instead snapshots are forgotten as soon as no query of ours can read them.
 *
 * Failure: logged; a table whose compaction failed rests for a while that doubles, the others go on.
 */
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import { HOUR_MICROS } from '../base/units.ts';
import type { LakeTable } from '../storage/lake/lake-table.ts';
import {
  tidyLake,
  UPKEEP_AGES,
  type UpkeepAges,
  type UpkeepReport,
} from '../storage/lake/upkeep.ts';
import type { ColdTable } from './cold-table.ts';
import { type CompactionOptions, compactOnce, hasLocalFiles, type Rewrite } from './compaction.ts';
import type { OpenTenant } from './engine.ts';
import type { CopyPlace } from './erasure-copies.ts';
import { copiesOf, type ErasedFiles, rewriteErased } from './erasure-upkeep.ts';
import type { IdentityUpkeep, IdentityWrite } from './identity-upkeep.ts';
import { unlessHeld } from './log-trim.ts';
import {
  type DroppedFiles,
  dropOldFiles,
  type OwnRetention,
  type RetentionDays,
  retentionFor,
} from './retention.ts';

export interface MaintenanceOptions extends CompactionOptions {
  readonly tenants: readonly OpenTenant[];
  readonly retention: RetentionDays;
  /** What a tenant has of its own; nothing unless given. */
  readonly ownRetention?: (tenantId: string) => OwnRetention;
  /** What writes `identifiers` and `profiles`; they are not written unless given. */
  readonly identity?: IdentityUpkeep;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Why background work had better wait now. */
  readonly busyReason: () => string | undefined;
  /** Whether room on the disk is short. */
  readonly isDiskShort: () => boolean;
}

/** Totals since the start. */
export interface MaintenanceStatistics {
  readonly rewrites: number;
  readonly rewriteFailures: number;
  readonly rewrittenFiles: number;
  readonly rewrittenRows: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  readonly rewriteMs: number;
  readonly droppedFiles: number;
  readonly droppedRows: number;
  readonly expiredSnapshots: number;
  readonly deletedObjects: number;
  readonly orphans: number;
}

const POLL_MS = 5000;
/** Between looks for work that found none. */
const IDLE_MS = 60_000;
const TIDY_MS = 3_600_000;
const TIDY_SHORT_MS = 300_000;
const BUSY_MS_MAX = 600_000;
const RETRY_MS = 60_000;
const RETRY_MS_MAX = 3_600_000;

/** No query of ours runs longer than an hour; other engines have to do with that, too. */
const SHORT_AGES: UpkeepAges = {
  ...UPKEEP_AGES,
  snapshotAge: 2 * HOUR_MICROS,
  snapshotsKept: 1,
  trashAge: 0,
};

export class Maintenance {
  readonly #options: MaintenanceOptions;
  readonly #statistics = {
    rewrites: 0,
    rewriteFailures: 0,
    rewrittenFiles: 0,
    rewrittenRows: 0,
    bytesRead: 0,
    bytesWritten: 0,
    rewriteMs: 0,
    droppedFiles: 0,
    droppedRows: 0,
    expiredSnapshots: 0,
    deletedObjects: 0,
    orphans: 0,
  };
  /** Tables whose compaction failed last. */
  readonly #resting = new Map<ColdTable, { readonly untilMs: number; readonly failures: number }>();
  /** Until when tenants rest whose erasures could not be taken out, by the monotonic clock. */
  readonly #eraseRests = new Map<OpenTenant, number>();
  #timer: NodeJS.Timeout | undefined;
  /** Settles when the last of the waiting tasks has. */
  #tasks: Promise<unknown> = Promise.resolve();
  #taskCount = 0;
  #polling: Promise<void> | undefined;
  #idleUntilMs = 0;
  #busySinceMs: number | undefined;
  #tidiedAtMs: number;
  #isClosed = false;

  constructor(options: MaintenanceOptions) {
    this.#options = options;
    this.#tidiedAtMs = options.clock.monotonicMs();
  }

  /** The tenant of an id that the control plane gave. */
  openTenant(id: string): OpenTenant {
    const open = this.#options.tenants.find(({ tenant }) => tenant.id === id);
    if (open === undefined) throw new TributaryError('TRIBUTARY_ENGINE_TENANT_UNKNOWN', { id });
    return open;
  }

  get nowMicros(): number {
    return this.#options.clock.nowMicros();
  }

  get statistics(): MaintenanceStatistics {
    return this.#statistics;
  }

  /** Tasks that run or wait. */
  get taskCount(): number {
    return this.#taskCount;
  }

  /** From now on does what is due. */
  start(): void {
    this.#timer = setInterval(() => void this.poll(), POLL_MS);
    this.#timer.unref();
  }

  /** Does what is due, one poll at a time. Never rejects. */
  poll(): Promise<void> {
    this.#polling ??= this.#poll().finally(() => {
      this.#polling = undefined;
    });
    return this.#polling;
  }

  async #poll(): Promise<void> {
    if (this.#taskCount > 0 || this.#isClosed) return;
    const { clock, isDiskShort, logger } = this.#options;
    const nowMs = clock.monotonicMs();
    try {
      const isHasty = isDiskShort() || this.#options.tenants.some(isErasing);
      if (nowMs - this.#tidiedAtMs >= (isHasty ? TIDY_SHORT_MS : TIDY_MS)) {
        this.#tidiedAtMs = nowMs;
        for (const open of this.#options.tenants) {
          await this.dropOld(open);
          await this.tidy(open);
          if (isErasing(open)) await this.#finishErasures(open);
        }
      }
      if (nowMs < this.#idleUntilMs || isDiskShort() || this.#hasToWait(nowMs)) return;
      if (await this.#eraseNext()) return;
      if (await this.#writeNextIdentity()) return;
      if (!(await this.#compactNext())) this.#idleUntilMs = clock.monotonicMs() + IDLE_MS;
    } catch (error) {
      if (!this.#isClosed) logger.log('error', 'the lake could not be looked after', { error });
    }
  }

  /** Does one compaction job of a table. @throws as compactOnce does. */
  compact({ tenant }: OpenTenant, table: ColdTable): Promise<Rewrite | undefined> {
    return this.exclusively(async () => {
      const { clock, logger } = this.#options;
      const startMs = clock.monotonicMs();
      const rewrite = await compactOnce(this.#options, table, clock.nowMicros());
      if (rewrite === undefined) return undefined;
      this.#count(rewrite, clock.monotonicMs() - startMs);
      const fields = { tenant: tenant.id, table: table.lake.name, ...rewrite };
      logger.log('info', 'files of the lake were compacted', fields);
      return rewrite;
    });
  }

  /**
   * Writes `identifiers` and `profiles` as of what is flushed. @returns undefined when they are so already.
   * @throws as IdentityUpkeep.write does.
   */
  writeIdentity(open: OpenTenant): Promise<IdentityWrite | undefined> {
    return this.exclusively(async () => {
      const write = await this.#options.identity?.write(open);
      const fields = { tenant: open.tenant.id, ...write };
      if (write !== undefined) this.#options.logger.log('info', 'identity was written', fields);
      return write;
    });
  }

  /** All tables of a tenant's lake. */
  async lakeTables(open: OpenTenant): Promise<readonly LakeTable[]> {
    const identity = await this.#options.identity?.tablesOf(open);
    return [...open.cold.lakeTables, ...(identity?.lakeTables ?? [])];
  }

  /** What `identifiers` and `profiles` are written up to; 0 before the first time. */
  async identitySequence(open: OpenTenant): Promise<number> {
    return (await this.#options.identity?.tablesOf(open))?.sequence ?? 0;
  }

  /**
   * Takes what was erased out of the files of a tenant's lake. @returns undefined when nothing waits.
   * @throws as rewriteErased does.
   */
  erase(open: OpenTenant): Promise<ErasedFiles | undefined> {
    return this.exclusively(async () => {
      const { clock, logger } = this.#options;
      const erased = await rewriteErased(this.#options, open, () => clock.nowMicros());
      if (erased === undefined) return undefined;
      logger.log('info', 'erased rows left the files', { tenant: open.tenant.id, ...erased });
      return erased;
    });
  }

  /** Where on the disk copies of a tenant's unfinished erasures may lie, by their ids. */
  async copiesOfErased(open: OpenTenant): Promise<Map<string, CopyPlace[]>> {
    const { fileSystem, identity } = this.#options;
    const tables = await identity?.tablesOf(open);
    return copiesOf(open, {
      fileSystem,
      tables: tables?.lakeTables ?? [],
      // Nobody has written them yet, so they hold nobody.
      identitySequence: tables?.sequence === 0 ? undefined : tables?.sequence,
    });
  }

  /** Drops the rows of a tenant that are older than their table keeps them. */
  dropOld({ tenant, cold }: OpenTenant, dryRun = false): Promise<Record<string, DroppedFiles>> {
    return this.exclusively(async () => {
      const { clock, logger, random } = this.#options;
      const own = this.#options.ownRetention?.(tenant.id) ?? {};
      const retention = retentionFor(this.#options.retention, own);
      const report: Record<string, DroppedFiles> = {};
      for (const table of cold.tables) {
        const { name } = table.lake;
        const dropped = await dropOldFiles(table, retention, clock.nowMicros(), random, dryRun);
        report[name] = dropped;
        if (dropped.files === 0 || dryRun) continue;
        this.#statistics.droppedFiles += dropped.files;
        this.#statistics.droppedRows += dropped.rows;
        const fields = { tenant: tenant.id, table: name, keptDays: retention[name], ...dropped };
        logger.log('info', 'rows older than their retention were dropped', fields);
      }
      return report;
    });
  }

  /** Forgets old snapshots of a tenant's tables, collects orphans, empties the trash. */
  tidy(open: OpenTenant): Promise<UpkeepReport> {
    return this.exclusively(async () => {
      const { tenant, cold } = open;
      const { clock, isDiskShort, logger, store } = this.#options;
      for (const table of cold.tables) table.releaseOldLists();
      const { namespace } = cold.tables[0]!.lake;
      const replaced = await (await this.#options.identity?.tablesOf(open))?.expire();
      const tables = await this.lakeTables(open);
      const ages = isDiskShort() || isErasing(open) ? SHORT_AGES : UPKEEP_AGES;
      const tidied = await tidyLake(store, namespace, tables, clock.nowMicros(), ages);
      const report = {
        ...tidied,
        expiredSnapshots: tidied.expiredSnapshots + (replaced?.expiredSnapshots ?? 0),
        deletedObjects: tidied.deletedObjects + (replaced?.deletedObjects ?? 0),
      };
      this.#statistics.expiredSnapshots += report.expiredSnapshots;
      this.#statistics.deletedObjects += report.deletedObjects;
      this.#statistics.orphans += report.orphans;
      logger.log('info', 'the lake was tidied', { tenant: tenant.id, ...report });
      return report;
    });
  }

  /** Begins nothing more, ends the job that runs and waits for all else. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#timer);
    await this.#options.rewriter.close();
    await this.#options.identity?.close();
    await this.#polling;
    await this.#tasks;
  }

  /** Runs a task when all earlier ones have settled. */
  async exclusively<Result>(task: () => Promise<Result>): Promise<Result> {
    this.#taskCount += 1;
    const result = this.#tasks.then(task);
    this.#tasks = result.catch(() => {});
    try {
      return await result;
    } finally {
      this.#taskCount -= 1;
    }
  }

  /** Rewrites files of the first tenant that has erasures to take out. @returns whether there was one. */
  async #eraseNext(): Promise<boolean> {
    for (const open of this.#options.tenants) {
      if (this.#isClosed) return false;
      if (!hasLocalFiles(open.cold) || open.tenant.erasures.unwritten.length === 0) continue;
      if ((this.#eraseRests.get(open) ?? 0) > this.#options.clock.monotonicMs()) continue;
      try {
        const erased = await this.erase(open);
        if (erased?.erasures === 0) this.#restErasing(open);
        return true;
      } catch (error) {
        if (this.#isClosed) return false;
        this.#statistics.rewriteFailures += 1;
        this.#restErasing(open);
        const fields = { tenant: open.tenant.id, error };
        this.#options.logger.log('error', 'erased rows could not be taken out of files', fields);
      }
    }
    return false;
  }

  #restErasing(open: OpenTenant): void {
    this.#eraseRests.set(open, this.#options.clock.monotonicMs() + RETRY_MS);
  }

  /** Has written anew what holds copies, where that is done here, and notes what has left the disk. */
  async #finishErasures(open: OpenTenant): Promise<void> {
    const { clock, identity } = this.#options;
    const { checkpointer, flusher, tenant } = open;
    if (tenant.erasures.unwritten.length > 0) return;
    const places = [...(await this.copiesOfErased(open)).values()].flat();
    if (places.includes('identity') || places.includes('checkpoints')) {
      await flusher.flushMark();
      if (identity !== undefined && places.includes('identity')) await this.writeIdentity(open);
      else await checkpointer?.checkpoint();
    }
    const copies = await this.copiesOfErased(open);
    const ids = [...copies].filter(([, left]) => left.length === 0).map(([id]) => id);
    if (ids.length === 0) return;
    await unlessHeld(this.#options.fileSystem, tenant.walDirectory, () =>
      tenant.commands.noteErasures({ command: 'gone', ids }, clock.nowMicros()),
    );
  }

  /** Writes identity of the first tenant for which it is due. @returns whether there was one. */
  async #writeNextIdentity(): Promise<boolean> {
    const { identity, logger, tenants } = this.#options;
    for (const open of identity === undefined ? [] : tenants) {
      if (this.#isClosed) return false;
      if (!hasLocalFiles(open.cold) || !(await identity!.isDue(open))) continue;
      try {
        await this.writeIdentity(open);
        return true;
      } catch (error) {
        if (this.#isClosed) return false;
        logger.log('error', 'identity could not be written', { tenant: open.tenant.id, error });
      }
    }
    return false;
  }

  /** Does one job, of the first table that has one and does not rest. @returns whether there was one. */
  async #compactNext(): Promise<boolean> {
    for (const open of this.#options.tenants) {
      if (!hasLocalFiles(open.cold)) continue;
      for (const table of open.cold.tables) {
        if (this.#isClosed) return false;
        if (await this.#compactUnlessResting(open, table)) return true;
      }
    }
    return false;
  }

  async #compactUnlessResting(open: OpenTenant, table: ColdTable): Promise<boolean> {
    const { clock, logger } = this.#options;
    const resting = this.#resting.get(table);
    if ((resting?.untilMs ?? 0) > clock.monotonicMs()) return false;
    try {
      const rewrite = await this.compact(open, table);
      this.#resting.delete(table);
      return rewrite !== undefined;
    } catch (error) {
      if (this.#isClosed) return false;
      const failures = (resting?.failures ?? 0) + 1;
      const restMs = Math.min(RETRY_MS * 2 ** (failures - 1), RETRY_MS_MAX);
      this.#resting.set(table, { untilMs: clock.monotonicMs() + restMs, failures });
      this.#statistics.rewriteFailures += 1;
      const fields = { tenant: open.tenant.id, table: table.lake.name, error };
      logger.log('error', 'files of the lake could not be compacted', fields);
      return false;
    }
  }

  #hasToWait(nowMs: number): boolean {
    if (this.#options.busyReason() === undefined) {
      this.#busySinceMs = undefined;
      return false;
    }
    this.#busySinceMs ??= nowMs;
    if (nowMs - this.#busySinceMs < BUSY_MS_MAX) return true;
    this.#busySinceMs = nowMs;
    return false;
  }

  #count(rewrite: Rewrite, elapsedMs: number): void {
    this.#statistics.rewrites += 1;
    this.#statistics.rewrittenFiles += rewrite.filesBefore;
    this.#statistics.rewrittenRows += rewrite.rowsBefore;
    this.#statistics.bytesRead += rewrite.bytesBefore;
    this.#statistics.bytesWritten += rewrite.bytesAfter;
    this.#statistics.rewriteMs += elapsedMs;
  }
}

/** Whether copies of what a tenant erased may still lie on the disk. */
function isErasing({ cold, tenant }: OpenTenant): boolean {
  return hasLocalFiles(cold) && tenant.erasures.unfinished.length > 0;
}
