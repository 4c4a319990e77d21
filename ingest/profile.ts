/**
 * Everything about one person: who they are comes from identity, what their events say from one statement
 * over the anchors, which names `events` once, so that segments and files outside the profile's time are
 * not read.
 *
 * - The newest value of a trait by event time, then sequence, wins; a null removes it.
 * - Values pass through as the text of JSON: no integer loses a digit.
 */
import type { KnownProfile } from '../engine/identity-keeper.ts';
import { anchorRange } from './anchor-range.ts';
import { eventTimes } from './event-times.ts';
import { latestTraits } from './latest-traits.ts';
import type { Row } from './sql-rows.ts';

export interface ProfileQuery {
  readonly sql: string;
  readonly params: readonly string[];
}

const SQL = `
  WITH RECURSIVE own AS MATERIALIZED (
    SELECT sequence, timestamp, type, group_id, source, traits FROM events
    WHERE anchor IN (SELECT unnest($1::UINTEGER[]))
      AND anchor BETWEEN $5::UINTEGER AND $6::UINTEGER
      AND timestamp >= $2::TIMESTAMPTZ AND timestamp <= $3::TIMESTAMPTZ
  ), said AS (${latestTraits('identify')}), former AS (
    SELECT loser_id AS id FROM merges WHERE survivor_id = $4::UUID
    UNION
    SELECT merges.loser_id FROM merges JOIN former ON merges.survivor_id = former.id
  )
  SELECT 'seen' AS part, NULL AS name, NULL AS value, count(*) AS count,
    min(timestamp) AS first, max(timestamp) AS last, NULL AS source
  FROM own
  UNION ALL
  SELECT 'account', group_id, NULL, count(*), min(timestamp), max(timestamp), NULL
  FROM own WHERE group_id IS NOT NULL GROUP BY group_id
  UNION ALL
  SELECT 'trait', trait, value, sequence, timestamp, NULL, source FROM said WHERE value <> 'null'
  UNION ALL
  SELECT 'former', id::VARCHAR, NULL, NULL, NULL, NULL, NULL FROM former
  ORDER BY part, name`;

/** The query whose rows {@link profileText} takes. @param asOf leaves out what happened after it. */
export function profileQuery(known: KnownProfile, asOf: string | undefined): ProfileQuery {
  const { since, until } = eventTimes(known.seen, asOf);
  const { anchors, profile } = known;
  const range = anchorRange(anchors);
  return { sql: SQL, params: [`[${anchors.join(',')}]`, since, until, profile, ...range] };
}

/**
 * The answer, as JSON.
 * @param isFormer whether an id that once was part of this profile leads to it today.
 */
export function profileText(
  { profile, identifiers, anchors }: KnownProfile,
  rows: readonly Row[],
  isFormer: (id: string) => boolean,
): string {
  const of = (wanted: string): Row[] => rows.filter(([part]) => part === wanted);
  const [seen] = of('seen');
  const [, , , events = 0, firstSeen = null, lastSeen = null] = seen ?? [];
  const former = of('former').map(([, id]) => String(id));
  const accounts = of('account').map(([, group, , count, first, last]) => ({
    group_id: group,
    event_count: count,
    first_seen: first,
    last_seen: last,
  }));
  const head = {
    profile,
    former_ids: former.filter((id) => id !== profile && isFormer(id)),
    identifiers,
    anchors,
    first_seen: firstSeen,
    last_seen: lastSeen,
    event_count: events,
    accounts,
  };
  const traits = of('trait').map(traitText);
  return `${JSON.stringify(head).slice(0, -1)},"traits":[${traits.join(',')}]}`;
}

/** A row of part, trait, value, sequence, timestamp, nothing, source. */
export function traitText([, trait, value, sequence, timestamp, , source]: Row): string {
  const origin = JSON.stringify({ timestamp, sequence, source }).slice(1);
  return `{"trait":${JSON.stringify(trait)},"value":${String(value)},${origin}`;
}
