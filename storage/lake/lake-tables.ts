/**
 * The lake tables of the hot tables. What holds personal data is decided here, column by column: ids,
 * free JSON, and names that a producer chooses per person.
 */
import { DEAD_LETTERS_SCHEMA } from '../dead-letters-schema.ts';
import { EDGES_SCHEMA } from '../edges-schema.ts';
import { EVENTS_SCHEMA } from '../events-schema.ts';
import { MERGES_SCHEMA } from '../merges-schema.ts';
import { WARNINGS_SCHEMA } from '../warnings-schema.ts';
import { definitionOf, type LakeTableDefinition } from './schema.ts';

export const EVENTS_TABLE = definitionOf(EVENTS_SCHEMA, {
  personal: [
    'message_id',
    'name',
    'user_id',
    'anonymous_id',
    'group_id',
    'previous_id',
    'properties',
    'traits',
    'context',
    'integrations',
    'extra',
  ],
  dayOf: 'received_at',
  sortBy: ['anchor', 'timestamp'],
});

export const EDGES_TABLE = definitionOf(EDGES_SCHEMA, {
  personal: [],
  dayOf: 'received_at',
  sortBy: ['sequence'],
});

export const MERGES_TABLE = definitionOf(MERGES_SCHEMA, {
  personal: [],
  dayOf: 'received_at',
  sortBy: ['sequence'],
});

export const DEAD_LETTERS_TABLE = definitionOf(DEAD_LETTERS_SCHEMA, {
  personal: ['path', 'message_id', 'payload'],
  dayOf: 'received_at',
  sortBy: ['sequence'],
});

export const WARNINGS_TABLE = definitionOf(WARNINGS_SCHEMA, {
  personal: ['path', 'message_id'],
  dayOf: 'received_at',
  sortBy: ['sequence'],
});

/** By the name of the hot table. */
export const LAKE_TABLES: Readonly<Record<string, LakeTableDefinition>> = Object.fromEntries(
  [EVENTS_TABLE, EDGES_TABLE, MERGES_TABLE, DEAD_LETTERS_TABLE, WARNINGS_TABLE].map(
    (definition) => [definition.name, definition],
  ),
);
