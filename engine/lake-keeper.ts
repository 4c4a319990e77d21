/**
 * What an operator asks of the lake of one tenant: which files there are, and tasks that maintenance also
 * does by itself. Each task has a dry run. Answers are plain JSON in the spelling of the HTTP API.
 */
import { DAY_MICROS } from '../base/units.ts';
import { COMPACTION_LIMITS, planCompaction } from '../storage/lake/compaction-plan.ts';
import type { LiveFile } from '../storage/lake/data-file.ts';
import type { LakeTable } from '../storage/lake/lake-table.ts';
import { formatDay } from '../storage/lake/location.ts';
import { UPKEEP_AGES } from '../storage/lake/upkeep.ts';
import type { ColdTable } from './cold-table.ts';
import { hasLocalFiles, type Rewrite } from './compaction.ts';
import type { OpenTenant } from './engine.ts';
import type { Maintenance } from './maintenance.ts';

type Answer = Promise<Record<string, unknown>>;

/** What may be asked for, although it is done by itself. */
export const LAKE_TASKS = [
  'flush',
  'compact',
  'erase',
  'retain',
  'profiles',
  'expire',
  'orphans',
] as const;
export type LakeTask = (typeof LAKE_TASKS)[number];

export interface LakeKeeper {
  /** The files of each table, counted by day. */
  files(tenantId: string): Answer;
  /** Does a task, after those that run. @param dryRun only tells what it would do. */
  run(tenantId: string, task: LakeTask, dryRun: boolean): Answer;
}

export function lakeKeeper(maintenance: Maintenance): LakeKeeper {
  return {
    async files(tenantId) {
      return byTable(await maintenance.lakeTables(maintenance.openTenant(tenantId)), filesOf);
    },
    run(tenantId, task, dryRun) {
      const open = maintenance.openTenant(tenantId);
      switch (task) {
        case 'flush':
          return flush(open, dryRun);
        case 'compact':
          return compact(maintenance, open, dryRun);
        case 'erase':
          return erase(maintenance, open, dryRun);
        case 'retain':
          return maintenance.dropOld(open, dryRun);
        case 'profiles':
          return writeProfiles(maintenance, open, dryRun);
        case 'expire':
          return tidy(maintenance, open, expiry(maintenance, dryRun));
        case 'orphans':
          return tidy(maintenance, open, collection(maintenance, dryRun));
      }
    },
  };
}

type TellOfTable = (table: LakeTable) => Promise<unknown>;

async function byTable(tables: readonly LakeTable[], tell: TellOfTable): Answer {
  const answer: Record<string, unknown> = {};
  for (const table of tables) answer[table.name] = await tell(table);
  return answer;
}

function tidy(maintenance: Maintenance, open: OpenTenant, tell: TellOfTable): Answer {
  return maintenance.exclusively(async () => {
    for (const table of open.cold.tables) table.releaseOldLists();
    return byTable(await maintenance.lakeTables(open), tell);
  });
}

/** Counts by day, oldest first. */
async function filesOf(lake: LakeTable): Promise<unknown> {
  const days = new Map<string | null, LiveFile[]>();
  for (const file of await lake.liveFiles()) {
    const day = dayText(file.day);
    days.set(day, [...(days.get(day) ?? []), file]);
  }
  return {
    sequence: Math.max(0, lake.currentSnapshot?.sequence ?? 0),
    snapshots: lake.snapshots.length,
    days: [...days]
      .sort(([a], [b]) => ((a ?? '') < (b ?? '') ? -1 : 1))
      .map(([day, files]) => ({
        day,
        ...totalsOf(files),
        sorted_files: files.filter(({ sorted }) => sorted).length,
      })),
  };
}

/** Hot rows become files; those that are acknowledged meanwhile may stay hot. */
async function flush({ cold, flusher }: OpenTenant, dryRun: boolean): Answer {
  const waiting = { waiting_bytes: flusher.unflushedBytes, sequence_before: cold.sequence };
  if (!dryRun && hasLocalFiles(cold)) await flusher.flush();
  return { ...waiting, sequence: cold.sequence };
}

/** One job of each table; a table without work answers null. */
async function compact(maintenance: Maintenance, open: OpenTenant, dryRun: boolean): Answer {
  const answer: Record<string, unknown> = {};
  for (const table of hasLocalFiles(open.cold) ? open.cold.tables : []) {
    answer[table.lake.name] = dryRun
      ? { jobs: await plannedJobs(maintenance, table) }
      : tellRewrite(await maintenance.compact(open, table));
  }
  return answer;
}

function tellRewrite(rewrite: Rewrite | undefined): unknown {
  if (rewrite === undefined) return null;
  const { day, filesBefore, bytesBefore, bytesAfter, rowsAfter } = rewrite;
  return {
    day: dayText(day),
    files: filesBefore,
    rows: rowsAfter,
    bytes: bytesBefore,
    bytes_after: bytesAfter,
  };
}

/** From where to where the tables of identity come. */
async function writeProfiles(maintenance: Maintenance, open: OpenTenant, dryRun: boolean): Answer {
  const before = await maintenance.identitySequence(open);
  if (dryRun) return { sequence_before: before, sequence: open.cold.sequence };
  const write = await maintenance.writeIdentity(open);
  return {
    sequence_before: before,
    sequence: write?.sequence ?? before,
    rows: write?.rows ?? 0,
    bytes: write?.bytes ?? 0,
  };
}

async function plannedJobs(maintenance: Maintenance, { lake }: ColdTable): Promise<unknown[]> {
  const today = Math.floor(maintenance.nowMicros / DAY_MICROS);
  const jobs = planCompaction(await lake.liveFiles(), today, COMPACTION_LIMITS);
  return jobs.map(({ day, files }) => ({ day: dayText(day), ...totalsOf(files) }));
}

/** Takes out what waits; with `dryRun` says where copies may lie, by erasure. */
async function erase(maintenance: Maintenance, open: OpenTenant, dryRun: boolean): Answer {
  if (dryRun) return Object.fromEntries(await maintenance.copiesOfErased(open));
  if (!hasLocalFiles(open.cold)) return {};
  return { ...((await maintenance.erase(open)) ?? { erasures: 0, files: 0, rows: 0 }) };
}

function expiry(maintenance: Maintenance, dryRun: boolean) {
  return async (lake: LakeTable): Promise<unknown> => {
    const { expiredSnapshots, deleted } = await lake.expireSnapshots({
      olderThanMicros: maintenance.nowMicros - UPKEEP_AGES.snapshotAge,
      keepLast: UPKEEP_AGES.snapshotsKept,
      dryRun,
    });
    return { expired_snapshots: expiredSnapshots, deleted_objects: deleted.length };
  };
}

function collection(maintenance: Maintenance, dryRun: boolean) {
  return async (lake: LakeTable): Promise<unknown> => {
    const olderThanMicros = maintenance.nowMicros - UPKEEP_AGES.orphanAge;
    const { orphans, youngCount } = await lake.collectOrphans({ dryRun, olderThanMicros });
    const bytes = orphans.reduce((sum, orphan) => sum + orphan.bytes, 0);
    const keys = orphans.slice(0, KEYS_LISTED_MAX).map(({ key }) => key);
    return { orphans: orphans.length, bytes, keys, too_young: youngCount };
  };
}

/** Orphans whose keys an answer lists. */
const KEYS_LISTED_MAX = 100;

function totalsOf(files: readonly LiveFile[]): { files: number; rows: number; bytes: number } {
  return {
    files: files.length,
    rows: files.reduce((sum, { recordCount }) => sum + recordCount, 0),
    bytes: files.reduce((sum, { fileBytes }) => sum + fileBytes, 0),
  };
}

function dayText(day: number | null): string | null {
  return day === null ? null : formatDay(day);
}
