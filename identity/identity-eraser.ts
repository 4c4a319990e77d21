/**
 * Takes anchors out of identity as if nobody had ever seen them: their identifiers, edges, counts and times,
 * and the profiles they made up. Ordinals stay taken, so that those of everybody else stay what they are.
 *
 * - An identifier goes with its last anchor. A device that others own, too, stays theirs.
 * - A value that an operator blocked names nobody, and stays blocked.
 * - What comes later with an erased value begins anew: another node, another anchor, another profile.
 * - No row is being staged or folded meanwhile: the native index gives the value another node from here on.
 */
import type { NativeIdentifierIndex } from '../native/index.ts';
import type { EdgeGraph } from './edge-graph.ts';
import type { NamedIdentifier } from './identity-command.ts';
import { anchorIn, NODE } from './node-words.ts';
import type { ProfileStore } from './profile-store.ts';
import type { Separations } from './separations.ts';

export interface EraserParts {
  readonly profiles: ProfileStore;
  readonly edges: EdgeGraph;
  readonly separations: Separations;
  /** node-words.ts, by node. */
  readonly words: Int32Array;
  readonly index: NativeIdentifierIndex;
  readonly isBlockedNode: (node: number) => boolean;
  readonly nameOf: (node: number) => NamedIdentifier;
}

export interface ErasedAnchors {
  /** Ascending; those that were there. */
  readonly anchors: readonly number[];
  /** What each anchor stood for. */
  readonly identifiers: readonly NamedIdentifier[];
  /** Nodes whose values are gone. */
  readonly nodes: readonly number[];
  /** Every edge there ever was at one of the anchors. */
  readonly edges: readonly number[];
  /** Events that were attributed to them. */
  readonly events: number;
}

/** @param given anchors; those that do not exist, or were erased, are passed over. */
export function eraseAnchors(given: readonly number[], parts: EraserParts): ErasedAnchors {
  const { profiles, edges, separations, words, index } = parts;
  const anchors = [...new Set(given)]
    .filter((anchor) => anchor <= profiles.anchorCount && profiles.profileOf[anchor]! > 0)
    .sort((a, b) => a - b);
  const erased = new Set(anchors);
  const identifiers = anchors.map((anchor) => parts.nameOf(profiles.nodeOf(anchor)));
  const events = profiles.eventsOf(anchors);
  const ever = edges.everOf(erased);
  for (const edge of ever) if (edges.isListed(edge)) edges.retract(edge);
  const touched = new Set(anchors.map((anchor) => profiles.nodeOf(anchor)));
  const nodes = unusedNodes(touched, erased, parts);
  profiles.erase(erased);
  for (const node of touched) {
    const word = words[node]!;
    // The anchor that took its events is gone: it belongs to nobody, until somebody claims it.
    if (erased.has(anchorIn(word))) {
      words[node] = (word & ~NODE.anchorMask) | NODE.attention | NODE.closed;
    }
  }
  for (const node of nodes) {
    words[node] = 0;
    separations.forget(node);
    index.erase(node);
  }
  return { anchors, identifiers, nodes, edges: ever, events };
}

/** The nodes all of whose anchors are erased, but for blocked ones. Looks at all anchors. */
function unusedNodes(
  nodes: ReadonlySet<number>,
  erased: ReadonlySet<number>,
  { profiles, isBlockedNode }: EraserParts,
): number[] {
  const used = new Set<number>();
  for (let anchor = 1; anchor <= profiles.anchorCount; anchor += 1) {
    const node = profiles.nodeOf(anchor);
    if (nodes.has(node) && !erased.has(anchor)) used.add(node);
  }
  return [...nodes].filter((node) => !used.has(node) && !isBlockedNode(node)).sort((a, b) => a - b);
}
