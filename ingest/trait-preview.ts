/**
 * The traits of profiles as a command would leave them, before it is done.
 *
 * One statement gives the newest statement of each anchor about each trait, oldest first. A profile, of now or
 * of then, is a set of anchors: what its anchors say, one after another, is its traits.
 */
import type { CommandOutcome } from '../engine/identity-keeper.ts';
import { anchorRange } from './anchor-range.ts';
import type { EventTimes } from './event-times.ts';
import type { Row } from './sql-rows.ts';

type Summary = CommandOutcome['before'][number];

const SQL = `
  SELECT anchor, trait, value::VARCHAR FROM (
    SELECT anchor, timestamp, sequence, unnest(json_keys(traits)) AS trait,
      unnest(json_extract(traits, '$.*')) AS value,
      generate_subscripts(json_keys(traits), 1) AS place
    FROM events
    WHERE type = 'identify' AND anchor IN (SELECT unnest($1::UINTEGER[]))
      AND timestamp >= $2::TIMESTAMPTZ AND timestamp <= $3::TIMESTAMPTZ
      AND anchor BETWEEN $4::UINTEGER AND $5::UINTEGER
  )
  QUALIFY row_number() OVER (
    PARTITION BY anchor, trait ORDER BY timestamp DESC, sequence DESC, place DESC) = 1
  ORDER BY timestamp, sequence`;

/** The query whose rows {@link summaryText} takes. @param times hold every event of `anchors`. */
export function traitsQuery(
  anchors: readonly number[],
  { since, until }: EventTimes,
): { readonly sql: string; readonly params: readonly string[] } {
  return { sql: SQL, params: [`[${anchors.join(',')}]`, since, until, ...anchorRange(anchors)] };
}

/** A profile with its traits by name, as JSON. */
export function summaryText(summary: Summary, rows: readonly Row[]): string {
  const anchors = new Set<unknown>(summary.anchors);
  const traits = new Map<string, string>();
  for (const [anchor, trait, value] of rows) {
    if (!anchors.has(anchor)) continue;
    if (value === 'null') traits.delete(String(trait));
    else traits.set(String(trait), String(value));
  }
  const texts = [...traits]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([trait, value]) => `{"trait":${JSON.stringify(trait)},"value":${value}}`);
  return `${JSON.stringify(summary).slice(0, -1)},"traits":[${texts.join(',')}]}`;
}
