/**
 * What an operator once said, read back from the rows of `edges` that it left: in identifiers alone.
 *
 * A command of the log names merges by number and profiles by id, which mean other merges and other people
 * once the same events are folded by other rules. What it did is written down between identifiers, and
 * holds under any rules: an undo, a split and an unlink all part pairs of identifiers.
 */
import type { EdgeReason, EdgeState } from './edge-log.ts';
import type { NamedIdentifier } from './identity-command.ts';

type NamedPair = readonly [NamedIdentifier, NamedIdentifier];

/** An undo, a split or an unlink. */
export interface PartStatement {
  readonly command: 'part';
  readonly reason: EdgeReason;
  /** Pairs whose edges were retracted. */
  readonly cut: readonly NamedPair[];
  /** Pairs that stay apart from then on. */
  readonly apart: readonly NamedPair[];
}

export type OperatorStatement =
  | PartStatement
  | {
      readonly command: 'link';
      readonly a: NamedIdentifier;
      readonly b: NamedIdentifier;
      readonly force: boolean;
    }
  | {
      readonly command: 'block';
      readonly identifier: NamedIdentifier;
      readonly retroactive: boolean;
    }
  | { readonly command: 'unblock'; readonly identifier: NamedIdentifier };

/** A row of `edges` whose kind is `manual`. */
export interface ManualEdge {
  readonly a: NamedIdentifier;
  readonly b: NamedIdentifier;
  readonly state: EdgeState;
  readonly reason: EdgeReason;
}

/**
 * What left these rows.
 * @param rows all rows of one sequence. @returns undefined when they are of no command that is known here.
 */
export function statementOf(rows: readonly ManualEdge[]): OperatorStatement | undefined {
  const linked = rows.find(({ state }) => state === 'active');
  if (linked !== undefined) {
    const { a, b, reason } = linked;
    return { command: 'link', a, b, force: reason === 'forced' };
  }
  const retracted = rows.filter(({ state }) => state === 'retracted');
  const forbidden = rows.filter(({ state }) => state === 'forbidden');
  const blocked = forbidden.find(({ reason }) => reason === 'blocked');
  if (blocked !== undefined) {
    return { command: 'block', identifier: blocked.a, retroactive: retracted.length > 0 };
  }
  const [first] = [...retracted, ...forbidden];
  if (first === undefined) return undefined;
  if (first.reason === 'unblocked') return { command: 'unblock', identifier: first.a };
  const pairs = (edges: readonly ManualEdge[]): NamedPair[] => edges.map(({ a, b }) => [a, b]);
  return { command: 'part', reason: first.reason, cut: pairs(retracted), apart: pairs(forbidden) };
}
