/**
 * Everything about one account (a `groupId`): what group calls said of it, and whose events named it. One
 * statement over `events`; values pass through as the text of JSON.
 *
 * - The newest value of a trait by event time, then by sequence, wins; a null removes the trait.
 * - Members are profiles of today, most events first.
 */
import { LIMITS } from '../base/limits.ts';
import { latestTraits } from './latest-traits.ts';
import { traitText } from './profile.ts';
import type { Row } from './sql-rows.ts';

/** Beyond the last time that there is. */
const FOR_EVER = 'infinity';

const SQL = `
  WITH own AS MATERIALIZED (
    SELECT sequence, timestamp, type, profile_id, source, traits FROM events
    WHERE group_id = $1 AND timestamp <= $2::TIMESTAMPTZ
  ), said AS (${latestTraits('group')}), members AS (
    SELECT profile_id, count(*) AS events, min(timestamp) AS first, max(timestamp) AS last
    FROM own WHERE profile_id IS NOT NULL GROUP BY profile_id
  ), listed AS (
    FROM members ORDER BY events DESC, profile_id LIMIT ${LIMITS.accountMembersListedMax}
  )
  SELECT 'seen' AS part, (SELECT count(*) FROM members)::VARCHAR AS name, NULL AS value,
    count(*) AS count, min(timestamp) AS first, max(timestamp) AS last, NULL AS source
  FROM own
  UNION ALL
  SELECT 'member', profile_id::VARCHAR, NULL, events, first, last, NULL FROM listed
  UNION ALL
  SELECT 'trait', trait, value, sequence, timestamp, NULL, source FROM said WHERE value <> 'null'
  ORDER BY part, count DESC, name`;

/** The query whose rows {@link accountText} takes. @param asOf ISO 8601: leaves out what happened after it. */
export function accountQuery(
  groupId: string,
  asOf: string | undefined,
): { readonly sql: string; readonly params: readonly string[] } {
  return { sql: SQL, params: [groupId, asOf ?? FOR_EVER] };
}

/** The answer, as JSON; undefined when no event names the account. */
export function accountText(groupId: string, rows: readonly Row[]): string | undefined {
  const of = (wanted: string): Row[] => rows.filter(([part]) => part === wanted);
  const [, members, , events, firstSeen, lastSeen] = of('seen')[0] ?? [];
  if (firstSeen == null) return undefined;
  const head = {
    group_id: groupId,
    first_seen: firstSeen,
    last_seen: lastSeen,
    event_count: events,
    member_count: Number(members),
    members: of('member').map(([, profile, , count, first, last]) => ({
      profile,
      event_count: count,
      first_seen: first,
      last_seen: last,
    })),
  };
  const traits = of('trait')
    .sort(([, a], [, b]) => (String(a) < String(b) ? -1 : 1))
    .map(traitText);
  return `${JSON.stringify(head).slice(0, -1)},"traits":[${traits.join(',')}]}`;
}
