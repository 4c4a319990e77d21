/**
 * What an analyst sees: relations, each a view over the native functions, as data.
 *
 * Why data and not code: the same list makes the views, feeds the gate's list of names and tells
 * pruning which columns have per-segment bounds. It travels to the worker as JSON.
 *
 * - Dense ordinals of profiles stay inside; analysts see the public profile id.
 * - A later merge needs no rewrite of events: `profile_of(anchor)` is looked up as the query runs.
 */

import { DEAD_LETTERS_SCHEMA } from '../storage/dead-letters-schema.ts';
import type { TableSchema } from '../storage/segment-format.ts';
import { WARNINGS_SCHEMA } from '../storage/warnings-schema.ts';
import type { TableSource } from './cold-source.ts';
import { NO_DECLARED_TRAITS, PROFILE_COLUMNS } from './declared-columns.ts';
import { ALLOWED_FUNCTIONS, ALLOWED_TABLE_FUNCTIONS } from './function-policy.ts';
import type { GatePolicy } from './gate.ts';
import { NO_QUERIES } from './system-queries.ts';
import { TRAIT_RELATIONS } from './trait-relations.ts';

export interface CatalogRelation {
  /** Lower case. */
  readonly name: string;
  /** The SELECT behind the view. `{table}` stands for the rows of a scanned table, hot and cold. */
  readonly select: string;
  /**
   * Each row is one of the scanned table's: `{table.column}` stands for a column of it wherever the SELECT
   * names one, and `FROM {table}` ends it. So it can be said of rows as they are stored.
   */
  readonly isPerRow?: boolean;
  /** The tables it scans, once each. */
  readonly scans: readonly string[];
  /**
   * Columns that are the scanned table's own, unchanged and under the same name, with a minimum and
   * maximum per segment. Only for a relation of one scan that drops and multiplies no row.
   */
  readonly boundColumns: readonly BoundColumn[];
  /** Columns of texts that are the table's own likewise, with few values: files list those they hold. */
  readonly valueColumns?: readonly string[];
  /** Its SELECT is made for a statement: the view that the worker began with is another. */
  readonly isOfStatement?: boolean;
}

export interface BoundColumn {
  readonly name: string;
  /** `timestamp`: TIMESTAMPTZ, bounds in microseconds; `integer`: bounds as they are. */
  readonly kind: 'timestamp' | 'integer';
}

export interface Catalog {
  /** Run before the views are made, in order. */
  readonly setup: readonly string[];
  /** In the order in which the views are made. */
  readonly relations: readonly CatalogRelation[];
}

const EVENTS_SELECT = `SELECT
  ${ofEvents('sequence', 'message_id', 'type', 'event', 'name')},
  ${ofEvents('user_id', 'anonymous_id', 'group_id', 'previous_id')},
  profile_id(profile_of({events.anchor})) AS profile_id, ${ofEvents('anchor')},
  ${ofEvents('timestamp', 'original_timestamp', 'sent_at', 'received_at', 'source')},
  ${ofEvents('properties', 'traits', 'context', 'integrations', 'extra')}
  FROM {events}`;

function ofEvents(...names: readonly string[]): string {
  return names.map((name) => `{events.${name}} AS ${name}`).join(', ');
}

function namesOf({ columns }: TableSchema): string {
  return columns.map(({ name }) => name).join(', ');
}

/** The appliance's own relations, over the hot directory of one tenant. */
export const HOT_CATALOG: Catalog = {
  setup: [],
  relations: [
    {
      name: 'events',
      select: EVENTS_SELECT,
      isPerRow: true,
      scans: ['events'],
      boundColumns: [
        { name: 'timestamp', kind: 'timestamp' },
        { name: 'received_at', kind: 'timestamp' },
        { name: 'sequence', kind: 'integer' },
        { name: 'anchor', kind: 'integer' },
      ],
      valueColumns: ['type', 'event', 'source'],
    },
    {
      name: 'profiles',
      select: `SELECT ${PROFILE_COLUMNS} FROM hot_profiles()`,
      scans: [],
      boundColumns: [],
    },
    {
      name: 'identities',
      select: `SELECT profile_id(profile) AS profile_id,
        identifier_type(node) AS type, identifier_value(node) AS value, is_current,
        opened_at, first_seen, last_seen, event_count, anchor
        FROM hot_anchors()`,
      scans: [],
      boundColumns: [],
    },
    {
      name: 'edges',
      select: `SELECT sequence, received_at, edge,
        identifier_type(a_node) AS a_type, identifier_value(a_node) AS a_value,
        identifier_type(b_node) AS b_type, identifier_value(b_node) AS b_value,
        kind, state, reason, rule_version
        FROM {edges}`,
      scans: ['edges'],
      boundColumns: [],
    },
    {
      name: 'merges',
      select: `SELECT sequence, received_at, kind, merge,
        profile_id(survivor) AS survivor_id, profile_id(loser) AS loser_id, edge, anchor, rule_version
        FROM {merges}`,
      scans: ['merges'],
      boundColumns: [],
    },
    {
      name: 'dead_letters',
      select: `SELECT ${namesOf(DEAD_LETTERS_SCHEMA)} FROM {dead_letters}`,
      scans: ['dead_letters'],
      boundColumns: [],
    },
    {
      name: 'warnings',
      select: `SELECT ${namesOf(WARNINGS_SCHEMA)} FROM {warnings}`,
      scans: ['warnings'],
      boundColumns: [],
    },
    ...TRAIT_RELATIONS,
    NO_DECLARED_TRAITS,
    NO_QUERIES,
  ],
};

/** The SELECT of a relation over what `sourceOf` says each scanned table is. */
export function selectOver(
  { select, scans, isPerRow = false }: CatalogRelation,
  sourceOf: (table: string) => TableSource,
): string {
  return scans.reduce((text, table) => {
    const { from, stored } = sourceOf(table);
    if (!isPerRow) return text.replaceAll(`{${table}}`, from);
    return text
      .replaceAll(`{${table}}`, stored?.from ?? from)
      .replaceAll(new RegExp(`\\{${table}\\.(\\w+)\\}`, 'g'), (_, column: string) => {
        return stored?.expressions.get(column) ?? column;
      });
  }, select);
}

/** What the gate lets analysts of this catalogue name. */
export function policyOf(catalog: Catalog): GatePolicy {
  return {
    relations: new Set(catalog.relations.map((relation) => relation.name)),
    functions: ALLOWED_FUNCTIONS,
    tableFunctions: ALLOWED_TABLE_FUNCTIONS,
  };
}
