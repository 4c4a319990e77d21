/**
 * The `edges` table: one row per statement that two identifiers are the same person, in commit order.
 * Identifiers are stored as nodes; identity's shared arrays say which value a node stands for.
 * {@link EDGES} gives each column its position, for the row writer.
 */
import type { TableSchema } from './segment-format.ts';

export const EDGES_SCHEMA = {
  name: 'edges',
  schemaId: 1,
  columns: [
    { name: 'sequence', type: 'uint64' },
    { name: 'received_at', type: 'timestamp' },
    { name: 'a_node', type: 'uint32' },
    { name: 'b_node', type: 'uint32' },
    { name: 'kind', type: 'dictionary' },
    { name: 'state', type: 'dictionary' },
    { name: 'reason', type: 'dictionary' },
  ],
} as const satisfies TableSchema;

export const EDGES = Object.freeze({
  sequence: 0,
  receivedAt: 1,
  aNode: 2,
  bNode: 3,
  kind: 4,
  state: 5,
  reason: 6,
});
