/**
 * The `events` table: one row per accepted or rejected event, in commit order. The native decoder
 * finds its columns by these names; order and types are part of the format.
 */
import type { TableSchema } from './segment-format.ts';

export const EVENTS_SCHEMA = {
  name: 'events',
  schemaId: 1,
  columns: [
    { name: 'sequence', type: 'uint64' },
    { name: 'message_id', type: 'utf8' },
    { name: 'type', type: 'dictionary' },
    { name: 'event', type: 'dictionary' },
    { name: 'name', type: 'dictionary' },
    { name: 'user_id', type: 'utf8' },
    { name: 'anonymous_id', type: 'utf8' },
    { name: 'group_id', type: 'utf8' },
    { name: 'previous_id', type: 'utf8' },
    { name: 'anchor', type: 'uint32' },
    { name: 'timestamp', type: 'timestamp' },
    { name: 'original_timestamp', type: 'timestamp' },
    { name: 'sent_at', type: 'timestamp' },
    { name: 'received_at', type: 'timestamp' },
    { name: 'source', type: 'dictionary' },
    { name: 'properties', type: 'json' },
    { name: 'traits', type: 'json' },
    { name: 'context', type: 'json' },
    { name: 'integrations', type: 'json' },
    { name: 'extra', type: 'json' },
  ],
} as const satisfies TableSchema;
