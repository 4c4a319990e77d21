/** What a finished replay says, held against today. */
import { LIMITS } from '../../base/limits.ts';
import { describe, type ExampleParts, mergedExamples, splitExamples } from './examples.ts';
import { PairCounts } from './pair-counts.ts';
import { compareProfiles } from './profile-changes.ts';
import type { WhatIfFrame, WhatIfReport } from './report-format.ts';

/** @param parts a replay that is finished, and today as of nearly the same moment. */
export async function reportOf(frame: WhatIfFrame, parts: ExampleParts): Promise<WhatIfReport> {
  const { replay, profileOf } = parts;
  const { identity, tally, unattributed, statements } = replay;
  const { profiles } = identity;
  const today = sizesOf(profileOf);
  const then = sizesOf(profiles.profileOf.subarray(0, profiles.anchorCount + 1));
  const pairs = new PairCounts();
  replay.attributions.each((before, after, events) => {
    const pair = [profileOf[before] ?? 0, profiles.profileOf[after]!] as const;
    if ((pair[0] | pair[1]) !== 0) pairs.add(...pair, events);
  });
  const changes = compareProfiles(pairs, today.length - 1, then.length - 1, frame.examples);
  const { unchanged, split, merged, moved, eventsLeaving } = changes.counts;
  const stated = await parts.history.statementCounts();
  return {
    as_of_sequence: frame.sequence,
    rules_version: frame.today.version,
    events: replay.events,
    identifiers: { before: frame.today.identifiers, after: identity.nodeCount },
    profiles: {
      ...{ before: countOf(today), after: countOf(then) },
      ...{ unchanged, split, merged, moved },
    },
    events_moved: eventsLeaving,
    events_of_nobody: unattributed,
    demoted: { before: stated.get('demoted') ?? 0, after: tally.count('demoted') },
    quarantined: { before: stated.get('quarantined') ?? 0, after: tally.count('quarantined') },
    blocked_values: replay.blocked,
    operator_commands: { restated: statements.count, without_effect: statements.idle },
    largest: await largestOf(today, then, parts),
    split: await splitExamples(changes.split, parts),
    merged: await mergedExamples(changes.joined, parts),
  };
}

/** By profile, the anchors it has. */
function sizesOf(profileOf: Uint32Array): Uint32Array {
  let last = 0;
  for (const profile of profileOf) if (profile > last) last = profile;
  const sizes = new Uint32Array(last + 1);
  for (let anchor = 1; anchor < profileOf.length; anchor += 1) sizes[profileOf[anchor]!]! += 1;
  return sizes;
}

function countOf(sizes: Uint32Array): number {
  let count = 0;
  for (let profile = 1; profile < sizes.length; profile += 1) if (sizes[profile]! > 0) count += 1;
  return count;
}

async function largestOf(
  today: Uint32Array,
  then: Uint32Array,
  parts: ExampleParts,
): Promise<WhatIfReport['largest']> {
  const before = largest(today);
  const ids = await parts.history.publicIds(before);
  return {
    before: before.map((profile) => ({ profile: ids.get(profile)!, anchors: today[profile]! })),
    after: largest(then).map((profile) => ({
      anchors: then[profile]!,
      identifiers: describe(profile, parts.replay).identifiers,
    })),
  };
}

/** The profiles with the most anchors, most first; of equal ones the older first. */
function largest(sizes: Uint32Array): number[] {
  const best: number[] = [];
  for (let profile = 1; profile < sizes.length; profile += 1) {
    const size = sizes[profile]!;
    if (size === 0 || size <= (sizes[best[LIMITS.whatIfListMax - 1] ?? 0] ?? 0)) continue;
    const place = best.findIndex((known) => sizes[known]! < size);
    best.splice(place === -1 ? best.length : place, 0, profile);
    best.length = Math.min(best.length, LIMITS.whatIfListMax);
  }
  return best;
}
