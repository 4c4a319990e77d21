/**
 * What an operator asks of the lake of one tenant: which files there are, and tasks that maintenance also
 * does by itself. Each task has a dry run. Answers are plain JSON in the spelling of the HTTP API.
 */
import { DAY_MICROS } from '../base/units.ts';
import { COMPACTION_LIMITS, planCompaction } from '../storage/lake/compaction-plan.ts';
import type { LiveFile } from '../storage/lake/data-file.ts';
import { formatDay } from '../storage/lake/location.ts';
import { UPKEEP_AGES } from '../storage/lake/upkeep.ts';
import type { ColdTable } from './cold-table.ts';
import { hasLocalFiles } from './compaction.ts';
import type { OpenTenant } from './engine.ts';
import type { Maintenance } from './maintenance.ts';

type Answer = Promise<Record<string, unknown>>;

/** What may be asked for, although it is done by itself. */
export const LAKE_TASKS = ['compact', 'retain', 'expire', 'orphans'] as const;
export type LakeTask = (typeof LAKE_TASKS)[number];

export interface LakeKeeper {
  /** The files of each table, counted by day. */
  files(tenantId: string): Answer;
  /** Does a task, after those that run. @param dryRun only tells what it would do. */
  run(tenantId: string, task: LakeTask, dryRun: boolean): Answer;
}

export function lakeKeeper(maintenance: Maintenance): LakeKeeper {
  return {
    files: (tenantId) => byTable(maintenance.openTenant(tenantId), filesOf),
    run(tenantId, task, dryRun) {
      const open = maintenance.openTenant(tenantId);
      switch (task) {
        case 'compact':
          return compact(maintenance, open, dryRun);
        case 'retain':
          return maintenance.dropOld(open, dryRun);
        case 'expire':
          return maintenance.exclusively(() => byTable(open, expiry(maintenance, dryRun)));
        case 'orphans':
          return maintenance.exclusively(() => byTable(open, collection(maintenance, dryRun)));
      }
    },
  };
}

async function byTable({ cold }: OpenTenant, tell: (table: ColdTable) => Promise<unknown>): Answer {
  const answer: Record<string, unknown> = {};
  for (const table of cold.tables) answer[table.lake.name] = await tell(table);
  return answer;
}

/** Counts by day, oldest first. */
async function filesOf({ lake, watermark }: ColdTable): Promise<unknown> {
  const days = new Map<string | null, LiveFile[]>();
  for (const file of await lake.liveFiles()) {
    const day = dayText(file.day);
    days.set(day, [...(days.get(day) ?? []), file]);
  }
  return {
    sequence: watermark,
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

/** One job of each table; a table without work answers null. */
async function compact(maintenance: Maintenance, open: OpenTenant, dryRun: boolean): Answer {
  if (!hasLocalFiles(open.cold)) return {};
  return byTable(open, async (table) => {
    if (dryRun) return { jobs: await plannedJobs(maintenance, table) };
    const rewrite = await maintenance.compact(open, table);
    if (rewrite === undefined) return null;
    const { day, filesBefore, bytesBefore, bytesAfter, rowsAfter } = rewrite;
    return {
      day: dayText(day),
      files: filesBefore,
      rows: rowsAfter,
      bytes: bytesBefore,
      bytes_after: bytesAfter,
    };
  });
}

async function plannedJobs(maintenance: Maintenance, { lake }: ColdTable): Promise<unknown[]> {
  const today = Math.floor(maintenance.nowMicros / DAY_MICROS);
  const jobs = planCompaction(await lake.liveFiles(), today, COMPACTION_LIMITS);
  return jobs.map(({ day, files }) => ({ day: dayText(day), ...totalsOf(files) }));
}

function expiry(maintenance: Maintenance, dryRun: boolean) {
  return async (table: ColdTable): Promise<unknown> => {
    table.releaseOldLists();
    const { expiredSnapshots, deleted } = await table.lake.expireSnapshots({
      olderThanMicros: maintenance.nowMicros - UPKEEP_AGES.snapshotAge,
      keepLast: UPKEEP_AGES.snapshotsKept,
      dryRun,
    });
    return { expired_snapshots: expiredSnapshots, deleted_objects: deleted.length };
  };
}

function collection(maintenance: Maintenance, dryRun: boolean) {
  return async ({ lake }: ColdTable): Promise<unknown> => {
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
