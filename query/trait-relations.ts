/**
 * What identify and group calls said of people and accounts, as SQL over `events`.
 *
 * The members of the JSON come from two lists side by side, its keys and its values: a twentieth of the time
 * of `json_each`, which DuckDB joins to each row.
 *
 * - The newest value by event time, then by sequence, wins; of a name that is there twice in one call the last.
 *   A null removes the trait.
 * - What a profile is said to be is kept per anchor, which never changes: a merge, a split or an undo is in the
 *   very next statement.
 */
import type { CatalogRelation } from './catalog.ts';

/** One row for each trait that calls of a type said, with `owner` as its first column. */
function said(owner: string, type: 'identify' | 'group'): string {
  return `SELECT ${owner}, timestamp, sequence, source,
      unnest(json_keys(traits)) AS trait, unnest(json_extract(traits, '$.*')) AS value,
      generate_subscripts(json_keys(traits), 1) AS place
    FROM {events} WHERE type = '${type}'`;
}

/** The newest of these rows for each trait of an owner. */
function newest(rows: string, owner: string): string {
  return `SELECT * FROM (${rows}) WHERE ${owner} IS NOT NULL
    QUALIFY row_number() OVER (
      PARTITION BY ${owner}, trait ORDER BY timestamp DESC, sequence DESC, place DESC) = 1`;
}

const PROFILE_TRAITS = newest(said('profile_of(anchor) AS profile', 'identify'), 'profile');
const ACCOUNT_TRAITS = newest(said('group_id', 'group'), 'group_id');

/** Of the events that name an account. */
const OF_ACCOUNT =
  'min(timestamp) AS first_seen, max(timestamp) AS last_seen, count(*) AS event_count';

const overEvents = (name: string, select: string): CatalogRelation => ({
  name,
  select,
  scans: ['events'],
  boundColumns: [],
});

export const TRAIT_RELATIONS: readonly CatalogRelation[] = [
  overEvents(
    'profile_traits',
    `SELECT profile_id(profile) AS profile_id, trait, value, timestamp, sequence, source
     FROM (${PROFILE_TRAITS}) WHERE value::VARCHAR <> 'null'`,
  ),
  overEvents(
    'accounts',
    `SELECT group_id, ${OF_ACCOUNT}, count(DISTINCT profile_of(anchor)) AS member_count
     FROM {events} WHERE group_id IS NOT NULL GROUP BY group_id`,
  ),
  overEvents(
    'account_members',
    `SELECT group_id, profile_id(profile) AS profile_id, first_seen, last_seen, event_count
     FROM (SELECT group_id, profile_of(anchor) AS profile, ${OF_ACCOUNT}
       FROM {events} WHERE group_id IS NOT NULL GROUP BY ALL)
     WHERE profile IS NOT NULL`,
  ),
  overEvents(
    'account_traits',
    `SELECT group_id, trait, value, timestamp, sequence, source
     FROM (${ACCOUNT_TRAITS}) WHERE value::VARCHAR <> 'null'`,
  ),
];
