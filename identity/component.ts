/**
 * What is left of a profile when edges of it are taken away: its active edges are taken up again, oldest
 * first, but for those that would bring together what is to stay apart. A component lies within the caps
 * of the rules, so this costs microseconds.
 */
import type { EdgeGraph } from './edge-graph.ts';
import type { ProfileStore } from './profile-store.ts';
import type { Separations } from './separations.ts';

export interface Partition {
  readonly profile: number;
  /** Its anchors; the first group keeps the profile. */
  readonly groups: readonly (readonly number[])[];
  /** Edges that hold together what is to stay apart. */
  readonly demoted: readonly number[];
}

export interface ComponentParts {
  readonly profiles: ProfileStore;
  readonly edges: EdgeGraph;
  readonly separations: Separations;
}

/** The active edges of a profile, oldest first. */
export function edgesOfProfile(profile: number, { profiles, edges }: ComponentParts): number[] {
  const found = new Set<number>();
  for (const anchor of profiles.anchorsOf(profile)) {
    for (const edge of edges.of(anchor)) if (edges.isActive(edge)) found.add(edge);
  }
  return [...found].sort((a, b) => a - b);
}

/**
 * @param retracted edges of the profile that no longer count.
 * @param isForbidden whether anchors may not be together, besides what is kept apart already.
 */
export function partition(
  profile: number,
  retracted: ReadonlySet<number>,
  isForbidden: (anchors: ReadonlySet<number>) => boolean,
  parts: ComponentParts,
): Partition {
  const { profiles, edges, separations } = parts;
  const groupOf = new Map<number, number[]>();
  for (const anchor of profiles.anchorsOf(profile)) groupOf.set(anchor, [anchor]);
  const demoted: number[] = [];
  for (const edge of edgesOfProfile(profile, parts)) {
    if (retracted.has(edge)) continue;
    const [a, b] = edges.ends(edge);
    const group = groupOf.get(a)!;
    const other = groupOf.get(b)!;
    if (group === other) continue;
    const together = new Set([...group, ...other]);
    const nodes = [...together].map((anchor) => profiles.nodeOf(anchor));
    if (isForbidden(together) || separations.part(nodes)) {
      demoted.push(edge);
      continue;
    }
    group.push(...other);
    for (const anchor of other) groupOf.set(anchor, group);
  }
  const groups = [...new Set(groupOf.values())].map((group) => group.sort((a, b) => a - b));
  groups.sort((a, b) => precedence(a, b, profiles));
  return { profile, groups, demoted };
}

/** As for the survivor of a merge: a known user, the larger one, the older one comes first. */
function precedence(a: readonly number[], b: readonly number[], profiles: ProfileStore): number {
  const isKnown = (group: readonly number[]): number =>
    Number(group.some((anchor) => profiles.isUser(anchor)));
  return isKnown(b) - isKnown(a) || b.length - a.length || a[0]! - b[0]!;
}
