/**
 * The `merges` table: the receipts of identity. One row when two profiles become one, one row per anchor
 * that leaves a profile for another when one is taken apart. Played in order over anchors that begin in
 * profiles of their own, they give the profile of every anchor. {@link MERGES} gives each column its
 * position.
 */
import type { TableSchema } from './segment-format.ts';

export const MERGES_SCHEMA = {
  name: 'merges',
  schemaId: 1,
  columns: [
    { name: 'sequence', type: 'uint64' },
    { name: 'received_at', type: 'timestamp' },
    { name: 'kind', type: 'dictionary' },
    { name: 'merge', type: 'uint32' },
    { name: 'survivor', type: 'uint32' },
    { name: 'loser', type: 'uint32' },
    { name: 'edge', type: 'uint32' },
    { name: 'anchor', type: 'uint32' },
    { name: 'rule_version', type: 'uint32' },
  ],
} as const satisfies TableSchema;

export const MERGES = Object.freeze({
  sequence: 0,
  receivedAt: 1,
  kind: 2,
  merge: 3,
  survivor: 4,
  loser: 5,
  edge: 6,
  anchor: 7,
  ruleVersion: 8,
});
