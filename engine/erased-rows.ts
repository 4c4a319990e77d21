/** Which rows of which tables an erasure takes away. */
import type { ErasedAnchors } from '../identity/identity-eraser.ts';
import type { NamedRows } from '../storage/row-condition.ts';
import type { EraseCommand } from './erasure-record.ts';

/**
 * - `events` of the anchors.
 * - `edges` that lie at one of them, or are about an identifier that is gone.
 * - `merges` that one of the edges caused, and receipts of anchors that left a profile.
 * - `dead_letters` and `warnings` that the command names.
 */
export function namedRowsOf(
  { anchors, edges, nodes }: ErasedAnchors,
  { deadLetters, warnings }: Pick<EraseCommand, 'deadLetters' | 'warnings'>,
): NamedRows {
  return {
    events: [{ column: 'anchor', values: anchors }],
    edges: [
      { column: 'a_anchor', values: anchors },
      { column: 'b_anchor', values: anchors },
      { column: 'a_node', values: nodes },
      { column: 'b_node', values: nodes },
    ],
    merges: [
      { column: 'anchor', values: anchors },
      { column: 'edge', values: edges },
    ],
    dead_letters: [{ column: 'sequence', values: deadLetters }],
    warnings: [{ column: 'sequence', values: warnings }],
  };
}
