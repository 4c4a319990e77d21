/**
 * The `dead_letters` table: one row per event that was received and not accepted, with what was sent, so
 * that it can be repaired and sent again. {@link DEAD_LETTERS} gives each column its position.
 */
import type { TableSchema } from './segment-format.ts';

export const DEAD_LETTERS_SCHEMA = {
  name: 'dead_letters',
  schemaId: 1,
  columns: [
    { name: 'sequence', type: 'uint64' },
    { name: 'received_at', type: 'timestamp' },
    { name: 'source', type: 'dictionary' },
    { name: 'code', type: 'dictionary' },
    { name: 'path', type: 'dictionary' },
    { name: 'message_id', type: 'utf8' },
    { name: 'payload', type: 'json' },
  ],
} as const satisfies TableSchema;

export const DEAD_LETTERS = Object.freeze({
  sequence: 0,
  receivedAt: 1,
  source: 2,
  code: 3,
  path: 4,
  messageId: 5,
  payload: 6,
});
