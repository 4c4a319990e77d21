/**
 * The `edges` table: one row per statement that two identifiers are, or are not, the same person, and
 * one per change of an earlier statement, in commit order. Identifiers are stored as nodes; identity's
 * shared arrays say which value a node stands for. {@link EDGES} gives each column its position.
 */
import type { TableSchema } from './segment-format.ts';

export const EDGES_SCHEMA = {
  name: 'edges',
  schemaId: 2,
  columns: [
    { name: 'sequence', type: 'uint64' },
    { name: 'received_at', type: 'timestamp' },
    { name: 'edge', type: 'uint32' },
    { name: 'a_node', type: 'uint32' },
    { name: 'b_node', type: 'uint32' },
    { name: 'a_anchor', type: 'uint32' },
    { name: 'b_anchor', type: 'uint32' },
    { name: 'kind', type: 'dictionary' },
    { name: 'state', type: 'dictionary' },
    { name: 'reason', type: 'dictionary' },
    { name: 'rule_version', type: 'uint32' },
  ],
} as const satisfies TableSchema;

export const EDGES = Object.freeze({
  sequence: 0,
  receivedAt: 1,
  edge: 2,
  aNode: 3,
  bNode: 4,
  aAnchor: 5,
  bAnchor: 6,
  kind: 7,
  state: 8,
  reason: 9,
  ruleVersion: 10,
});
