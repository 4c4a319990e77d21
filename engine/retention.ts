/**
 * Drops cold rows that were received longer ago than their table keeps them. One commit (`delete`) removes
 * whole files; they leave the disk when the snapshots before it have expired.
 *
 * Replay does not bring them back: the table's watermark says that they were in the lake.
 */
import type { RandomSource } from '../base/random.ts';
import { DAY_MICROS } from '../base/units.ts';
import { randomUuid } from '../storage/lake/location.ts';
import { planRetention } from '../storage/lake/retention-plan.ts';
import type { ColdTable } from './cold-table.ts';

/** Whole days that rows are kept, by table; those of other tables are kept for ever. */
export type RetentionDays = Readonly<Record<string, number>>;

/** Tables whose retention can be set: what others are made of stays. */
export const RETAINED_TABLES = ['events', 'dead_letters', 'warnings'] as const;
/** A hundred years. */
export const RETENTION_DAYS_MAX = 36_500;

/** What a tenant has of its own: 0 keeps rows for ever, null is as for all. */
export type OwnRetention = Readonly<Partial<Record<string, number | null>>>;

/** What holds for a tenant. */
export function retentionFor(common: RetentionDays, own: OwnRetention): RetentionDays {
  const days: Record<string, number> = { ...common };
  for (const [table, kept] of Object.entries(own)) {
    if (kept === 0) delete days[table];
    else if (kept !== null && kept !== undefined) days[table] = kept;
  }
  return days;
}

export interface DroppedFiles {
  readonly files: number;
  readonly rows: number;
  readonly bytes: number;
}

/** @returns what was dropped, or with `dryRun` what would be; all 0 when nothing is that old. */
export async function dropOldFiles(
  table: ColdTable,
  retention: RetentionDays,
  nowMicros: number,
  random: RandomSource,
  dryRun: boolean,
): Promise<DroppedFiles> {
  const days = retention[table.lake.name];
  const today = Math.floor(nowMicros / DAY_MICROS);
  const old = days === undefined ? [] : planRetention(await table.lake.liveFiles(), today, days);
  if (old.length > 0 && !dryRun) {
    await table.replace({
      commitId: `retain-${randomUuid(random)}`,
      operation: 'delete',
      add: [],
      remove: old.map(({ location }) => location),
    });
  }
  return {
    files: old.length,
    rows: old.reduce((sum, { recordCount }) => sum + recordCount, 0),
    bytes: old.reduce((sum, { fileBytes }) => sum + fileBytes, 0),
  };
}
