/**
 * A profile as a graph, as plain data: its anchors, and the edges that hold them together or were kept
 * from doing so. Read from identity's own arrays; what the table `edges` says of an edge besides (kind,
 * reason, the event) is looked up by its number.
 *
 * - Demoted edges lead to anchors of other profiles; those are nodes too, with the profile they are of.
 * - Bounded: at most `graphNodesMax` nodes and `graphEdgesMax` edges; `isWhole` tells whether that is all.
 */
import { LIMITS } from '../base/limits.ts';
import type { EdgeGraph } from './edge-graph.ts';
import { shortestPath } from './graph-library.ts';
import type { NamedIdentifier } from './identity-command.ts';
import type { ProfileStore } from './profile-store.ts';

const SECOND_MS = 1000;

export type GraphNode = {
  readonly anchor: number;
  readonly type: string;
  readonly value: string;
  readonly profile: string;
  readonly opened_at: string;
};

export type GraphEdge = {
  /** As `edge` in the table `edges`. */
  readonly edge: number;
  readonly a: number;
  readonly b: number;
  readonly state: 'active' | 'demoted';
  /** Whether it made one profile of two. */
  readonly joins: boolean;
  readonly seen_at: string;
};

export interface ProfileGraph {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  readonly isWhole: boolean;
}

/** Why two anchors are, or are not, of one profile. */
export interface Explanation extends ProfileGraph {
  readonly joined: boolean;
  /** The anchors from the one to the other, along the fewest active edges; empty when not joined. */
  readonly path: readonly number[];
  /** `former` where one of the two is a device that has another owner, or none, by now. */
  readonly interval: 'current' | 'former';
}

/** An identifier that is explained. */
export interface PathEnd {
  /** 0 when it was never seen or names nobody. */
  readonly node: number;
  /** That takes its events now; 0 for none. */
  readonly anchor: number;
}

export interface GraphParts {
  readonly profiles: ProfileStore;
  readonly edges: EdgeGraph;
  readonly nameOf: (node: number) => NamedIdentifier;
}

/** The graph of a live profile. */
export function graphOfProfile(profile: number, parts: GraphParts): ProfileGraph {
  const anchors = parts.profiles.anchorsOf(profile);
  return describe(
    anchors,
    edgesAt(anchors, parts.edges, () => true),
    parts,
  );
}

/**
 * Why two identifiers are, or are not, of one profile. A device stands for the owner it has now; where that is
 * somebody else, and it was the other's before, for that interval.
 * @returns undefined while one of them belongs to nobody.
 */
export function explainEnds(a: PathEnd, b: PathEnd, parts: GraphParts): Explanation | undefined {
  const { profileOf } = parts.profiles;
  if (a.node === 0 || b.node === 0) return undefined;
  const areKnown = a.anchor !== 0 && b.anchor !== 0;
  if (!areKnown || profileOf[a.anchor] !== profileOf[b.anchor]) {
    for (const [device, owner] of [
      [a, b],
      [b, a],
    ] as const) {
      const former = owner.anchor === 0 ? 0 : anchorBeside(device.node, owner.anchor, parts);
      if (former === 0) continue;
      const ends = device === a ? ([former, b.anchor] as const) : ([a.anchor, former] as const);
      return { ...explainAnchors(...ends, parts), interval: 'former' };
    }
  }
  if (!areKnown) return undefined;
  return { ...explainAnchors(a.anchor, b.anchor, parts), interval: 'current' };
}

/** The newest anchor of an identifier in the profile of `anchor`; 0 for none. */
function anchorBeside(node: number, anchor: number, { profiles }: GraphParts): number {
  const anchors = profiles.anchorsOf(profiles.profileOf[anchor]!);
  return anchors.findLast((candidate) => profiles.nodeOf(candidate) === node) ?? 0;
}

/** The shortest path between two anchors of one profile, or the edges that did not join theirs. */
function explainAnchors(a: number, b: number, parts: GraphParts): Omit<Explanation, 'interval'> {
  const { edges, profiles } = parts;
  const { profileOf } = profiles;
  const joined = profileOf[a] === profileOf[b];
  const around = profiles.anchorsOf(profileOf[a]!).slice(0, LIMITS.graphNodesMax);
  if (!joined) {
    const between = edgesAt(around, edges, (edge) =>
      edges.ends(edge).some((anchor) => profileOf[anchor] === profileOf[b]),
    );
    return { joined, path: [], ...describe([a, b], between, parts) };
  }
  const active = edgesAt(around, edges, (edge) => edges.isActive(edge));
  const path = shortestPath(
    active.map((edge) => edges.ends(edge)),
    a,
    b,
  );
  const steps = path.slice(1).map((anchor, index) => edges.between(path[index]!, anchor));
  const known = steps.filter((edge) => edge !== 0);
  return { joined, path, ...describe(path.length === 0 ? [a, b] : path, known, parts) };
}

/** The listed edges of `anchors` that `isWanted`, oldest first, one more than there is room for. */
function edgesAt(
  anchors: readonly number[],
  edges: EdgeGraph,
  isWanted: (edge: number) => boolean,
): number[] {
  const found = new Set<number>();
  for (const anchor of anchors) {
    let edge = edges.first(anchor);
    while (edge !== 0 && found.size <= LIMITS.graphEdgesMax) {
      if (isWanted(edge)) found.add(edge);
      edge = edges.after(edge, anchor);
    }
  }
  return [...found].sort((a, b) => a - b);
}

function describe(
  anchors: readonly number[],
  edges: readonly number[],
  parts: GraphParts,
): ProfileGraph {
  const shown = new Set(anchors.slice(0, LIMITS.graphNodesMax));
  let isWhole = shown.size === anchors.length && edges.length <= LIMITS.graphEdgesMax;
  const lines: GraphEdge[] = [];
  for (const edge of edges.slice(0, LIMITS.graphEdgesMax)) {
    const ends = parts.edges.ends(edge);
    for (const end of ends) if (shown.size < LIMITS.graphNodesMax) shown.add(end);
    if (ends.every((end) => shown.has(end))) lines.push(lineOf(edge, parts.edges));
    else isWhole = false;
  }
  return { nodes: [...shown].map((anchor) => nodeOf(anchor, parts)), edges: lines, isWhole };
}

function nodeOf(anchor: number, { nameOf, profiles }: GraphParts): GraphNode {
  return {
    anchor,
    ...nameOf(profiles.nodeOf(anchor)),
    profile: profiles.idOf(profiles.profileOf[anchor]!),
    opened_at: isoTime(profiles.openedSeconds(anchor)),
  };
}

function lineOf(edge: number, edges: EdgeGraph): GraphEdge {
  const [a, b] = edges.ends(edge);
  const state = edges.isActive(edge) ? 'active' : 'demoted';
  return { edge, a, b, state, joins: edges.joins(edge), seen_at: isoTime(edges.seconds(edge)) };
}

function isoTime(seconds: number): string {
  return new Date(seconds * SECOND_MS).toISOString();
}
