/**
 * The most affected profiles of a what-if, by name: who they are, and the statements that make the
 * difference, each as it stands today and as it would.
 *
 * - Of a profile that would be split, these are the edges that hold it together today between identifiers
 *   that would not be together; of one that would be new of several, the edges that would join it and are
 *   not active today.
 * - Everything is bounded: LIMITS.whatIfListMax entries of each list.
 */
import { LIMITS } from '../../base/limits.ts';
import type { NamedIdentifier, TenantHistory } from './history.ts';
import type { AffectedProfile } from './profile-changes.ts';
import type { WhatIfReplay } from './replay.ts';
import type { Difference, PartExample, WhatIfReport } from './report-format.ts';

export interface ExampleParts {
  readonly replay: WhatIfReplay;
  readonly history: TenantHistory;
  /** The profile of today of each anchor. */
  readonly profileOf: Uint32Array;
}

const MAX = LIMITS.whatIfListMax;

/** @param profiles of today, at most {@link LIMITS.whatIfExamplesMax}. */
export async function splitExamples(
  profiles: readonly AffectedProfile[],
  parts: ExampleParts,
): Promise<WhatIfReport['split']> {
  const ids = await parts.history.publicIds(profiles.map(({ profile }) => profile));
  const anchors = anchorsOf(new Set(profiles.map(({ profile }) => profile)), parts.profileOf);
  const held = await parts.history.edgesOfAnchors([...anchors.values()].flat());
  return profiles.map(({ profile, events, parts: found }) => ({
    profile: ids.get(profile)!,
    events,
    part_count: found.length,
    parts: found
      .slice(0, MAX)
      .map((part) => ({ ...describe(part.profile, parts.replay), events: part.events })),
    because: held
      .filter(({ state, aAnchor }) => state === 'active' && parts.profileOf[aAnchor] === profile)
      .map(({ a, b, reason }) => ({
        a,
        b,
        before: `active: ${reason}`,
        after: verdictOf(a, b, parts),
      }))
      .filter(({ after }) => after !== TOGETHER)
      .slice(0, MAX),
  }));
}

/** @param profiles of the replay, at most {@link LIMITS.whatIfExamplesMax}. */
export async function mergedExamples(
  profiles: readonly AffectedProfile[],
  parts: ExampleParts,
): Promise<WhatIfReport['merged']> {
  const ids = await parts.history.publicIds(
    profiles.flatMap(({ parts: found }) => found.slice(0, MAX).map(({ profile }) => profile)),
  );
  const joining = profiles.map(({ profile }) => joiningEdges(profile, parts.replay));
  const values = [...new Set(joining.flat().flatMap(({ a, b }) => [a.value, b.value]))];
  const known = new Map<string, string>();
  for (const { a, b, state, reason } of await parts.history.edgesOfValues(values)) {
    known.set(pairKey(a, b), state === 'retracted' ? 'none' : `${state}: ${reason}`);
  }
  return profiles.map(({ profile, events, parts: found }, index) => ({
    ...describe(profile, parts.replay),
    events,
    profile_count: found.length,
    profiles: found
      .slice(0, MAX)
      .map((part) => ({ profile: ids.get(part.profile)!, events: part.events })),
    because: joining[index]!.map((edge) => ({
      ...edge,
      before: known.get(pairKey(edge.a, edge.b)) ?? 'none',
    }))
      .filter(({ before }) => !before.startsWith('active'))
      .slice(0, MAX),
  }));
}

/** A profile of the replay: who it is. */
export function describe(profile: number, { identity }: WhatIfReplay): Omit<PartExample, 'events'> {
  const { profiles } = identity;
  const nodes = [...new Set(profiles.anchorsOf(profile).map((anchor) => profiles.nodeOf(anchor)))];
  return {
    identifier_count: nodes.length,
    identifiers: nodes.slice(0, MAX).map((node) => ({
      type: identity.typeOf(node),
      value: identity.valueOf(node),
    })),
  };
}

const TOGETHER = 'together';

/** What would become of an edge between two identifiers that are together today. */
function verdictOf(a: NamedIdentifier, b: NamedIdentifier, { replay }: ExampleParts): string {
  const { identity, tally } = replay;
  const explanation = identity.explain(a, b);
  if (explanation === undefined) return 'not an identifier';
  if (explanation.joined) return TOGETHER;
  const isOf = (anchor: number): boolean =>
    explanation.nodes.some(
      (node) =>
        node.anchor === anchor &&
        ((node.type === a.type && node.value === a.value) ||
          (node.type === b.type && node.value === b.value)),
    );
  const direct = explanation.edges.find((edge) => isOf(edge.a) && isOf(edge.b));
  if (direct !== undefined) return `demoted: ${tally.reasonOf(direct.edge) ?? 'unknown'}`;
  const isQuarantined = [a, b].some(({ type, value }) => {
    const anchor = explanation.nodes.find((node) => node.type === type && node.value === value);
    return anchor !== undefined && tally.isQuarantined(identity.profiles.nodeOf(anchor.anchor));
  });
  return isQuarantined ? 'quarantined' : 'none';
}

/** The edges that would make one profile of several, oldest first. */
function joiningEdges(
  profile: number,
  { identity, tally }: WhatIfReplay,
): Omit<Difference, 'before'>[] {
  const graph = identity.graphOf(identity.profiles.idOf(profile));
  const names = new Map(
    graph?.nodes.map(({ anchor, type, value }) => [anchor, { type, value }] as const),
  );
  return (graph?.edges ?? [])
    .filter(({ state }) => state === 'active')
    .map(({ edge, a, b }) => ({
      a: names.get(a)!,
      b: names.get(b)!,
      after: `active: ${tally.reasonOf(edge) ?? 'unknown'}`,
    }));
}

function anchorsOf(
  profiles: ReadonlySet<number>,
  profileOf: Uint32Array,
): ReadonlyMap<number, readonly number[]> {
  const anchors = new Map<number, number[]>([...profiles].map((profile) => [profile, []]));
  for (let anchor = 1; anchor < profileOf.length; anchor += 1) {
    anchors.get(profileOf[anchor]!)?.push(anchor);
  }
  return anchors;
}

/** The same for both orders. */
function pairKey(a: NamedIdentifier, b: NamedIdentifier): string {
  return [a, b]
    .map(({ type, value }) => JSON.stringify([type, value]))
    .sort()
    .join();
}
