/**
 * The `warnings` table: one row per event that was accepted otherwise than it was sent, or dropped as a
 * duplicate although it differs from the first. {@link WARNINGS} gives each column its position.
 */
import type { TableSchema } from './segment-format.ts';

export const WARNINGS_SCHEMA = {
  name: 'warnings',
  schemaId: 1,
  columns: [
    { name: 'sequence', type: 'uint64' },
    { name: 'received_at', type: 'timestamp' },
    { name: 'source', type: 'dictionary' },
    { name: 'code', type: 'dictionary' },
    { name: 'path', type: 'dictionary' },
    { name: 'message_id', type: 'utf8' },
  ],
} as const satisfies TableSchema;

export const WARNINGS = Object.freeze({
  sequence: 0,
  receivedAt: 1,
  source: 2,
  code: 3,
  path: 4,
  messageId: 5,
});
