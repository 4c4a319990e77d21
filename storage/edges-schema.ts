/**
 * The `edges` table: one row per statement that two identifiers are the same person, in commit order.
 * {@link EDGES} gives each column its position, for the row writer.
 */
import type { TableSchema } from './segment-format.ts';

export const EDGES_SCHEMA = {
  name: 'edges',
  schemaId: 1,
  columns: [
    { name: 'sequence', type: 'uint64' },
    { name: 'received_at', type: 'timestamp' },
    { name: 'a_type', type: 'dictionary' },
    { name: 'a_value', type: 'utf8' },
    { name: 'b_type', type: 'dictionary' },
    { name: 'b_value', type: 'utf8' },
    { name: 'kind', type: 'dictionary' },
    { name: 'state', type: 'dictionary' },
    { name: 'reason', type: 'dictionary' },
  ],
} as const satisfies TableSchema;

export const EDGES = Object.freeze({
  sequence: 0,
  receivedAt: 1,
  aType: 2,
  aValue: 3,
  bType: 4,
  bValue: 5,
  kind: 6,
  state: 7,
  reason: 8,
});
