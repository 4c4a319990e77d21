/**
 * Finds the dead letters and warnings that mention a person: what was refused has no anchor, and is known by
 * what was sent.
 *
 * - A dead letter mentions a person when a text anywhere in its payload, or a number that stands for an id,
 *   is one of their identifiers; case and surrounding spaces aside.
 * - A warning mentions them when its message id is that of an event of theirs.
 */

import { LIMITS } from '../base/limits.ts';
import { MIB } from '../base/units.ts';
import type { ErasedPerson, Mentions } from '../engine/erasure-keeper.ts';
import { anchorRange } from './anchor-range.ts';
import { eventTimes } from './event-times.ts';
import type { SqlExecutor } from './ports.ts';
import { queryRows } from './sql-rows.ts';

const DEAD_LETTERS = `
  WITH wanted AS (SELECT lower(trim(item.value ->> '$')) AS text FROM json_each($1::JSON) AS item)
  SELECT DISTINCT letter.sequence
  FROM dead_letters AS letter, json_tree(letter.payload) AS part
  WHERE (part.type = 'VARCHAR' OR part.key IN ('userId', 'anonymousId', 'previousId'))
    AND lower(trim(part.atom ->> '$')) IN (SELECT text FROM wanted)
  LIMIT ${LIMITS.erasureRowsMax + 1}`;

const WARNINGS = `
  SELECT DISTINCT sequence FROM warnings WHERE message_id IN (
    SELECT message_id FROM events WHERE anchor IN (SELECT unnest($1::UINTEGER[]))
      AND timestamp >= $2::TIMESTAMPTZ AND timestamp <= $3::TIMESTAMPTZ
      AND anchor BETWEEN $4::UINTEGER AND $5::UINTEGER)
  LIMIT ${LIMITS.erasureRowsMax + 1}`;

const BOUNDS = { bytesMax: 16 * MIB, timeoutMs: 300_000 } as const;

/** @throws TributaryError as a rejection: TRIBUTARY_QUERY_*. */
export async function findMentions(
  executor: SqlExecutor,
  tenantId: string,
  { anchors, identifiers, seen }: ErasedPerson,
): Promise<Mentions> {
  const sequencesOf = async (sql: string, params: readonly string[]): Promise<number[]> => {
    const rows = await queryRows(executor, tenantId, { sql, params, ...BOUNDS });
    return rows.map(([sequence]) => Number(sequence)).sort((a, b) => a - b);
  };
  const values = JSON.stringify(identifiers.map(({ value }) => value));
  const { since, until } = eventTimes(seen);
  return {
    deadLetters: await sequencesOf(DEAD_LETTERS, [values]),
    warnings: await sequencesOf(WARNINGS, [
      `[${anchors.join(',')}]`,
      since,
      until,
      ...anchorRange(anchors),
    ]),
  };
}
