/**
 * How two ways of telling people apart differ, over the same events: which profiles of the one are several
 * of the other. Pure arithmetic over counts of events by pair of profiles.
 *
 * - Profiles without events are on neither side.
 * - A profile of today is of one kind: `unchanged` (the same events, alone), `split` (its events go to
 *   several, with nobody else's), `merged` (all of them go to one, with somebody else's), `moved` (some of
 *   them leave, and at least one part is together with somebody else's).
 * - The heart of a profile is the part of it with the most events; of several the one of the lowest ordinal.
 */
import type { PairCounts } from './pair-counts.ts';

export interface ChangeCounts {
  readonly unchanged: number;
  readonly split: number;
  readonly merged: number;
  readonly moved: number;
  /** Events that would not be with the heart of their profile. */
  readonly eventsLeaving: number;
}

/** A profile, and those of the other side that its events are shared with. */
export interface AffectedProfile {
  readonly profile: number;
  readonly events: number;
  /** Most events first. */
  readonly parts: readonly { readonly profile: number; readonly events: number }[];
}

export interface ProfileChanges {
  readonly counts: ChangeCounts;
  /** Of today, by the events that leave their heart; most first. */
  readonly split: readonly AffectedProfile[];
  /** Of the other side, by the events that come to their heart; most first. */
  readonly joined: readonly AffectedProfile[];
}

/** Of one side, by profile. */
interface Side {
  readonly partners: Uint32Array;
  readonly events: Float64Array;
  readonly heart: Uint32Array;
  readonly heartEvents: Uint32Array;
}

/**
 * @param pairs events by (profile of today, profile of the other side); a side that is 0 has none.
 * @param today profiles there are, at most. @param other the same of the other side.
 * @param examples how many of each kind are told by name.
 */
export function compareProfiles(
  pairs: PairCounts,
  today: number,
  other: number,
  examples: number,
): ProfileChanges {
  const before = sideOf(today);
  const after = sideOf(other);
  pairs.each((first, second, count) => {
    if (first === 0 || second === 0) return;
    countPart(before, first, second, count);
    countPart(after, second, first, count);
  });
  const isShared = new Uint8Array(today + 1);
  pairs.each((first, second) => {
    if (first !== 0 && second !== 0 && after.partners[second]! > 1) isShared[first] = 1;
  });
  const split = mostLeaving(before, examples);
  const joined = mostLeaving(after, examples);
  return {
    counts: countsOf(before, isShared),
    split: partsOf(split, before, pairs, (first, second) => [first, second]),
    joined: partsOf(joined, after, pairs, (first, second) => [second, first]),
  };
}

function sideOf(profiles: number): Side {
  return {
    partners: new Uint32Array(profiles + 1),
    events: new Float64Array(profiles + 1),
    heart: new Uint32Array(profiles + 1),
    heartEvents: new Uint32Array(profiles + 1),
  };
}

function countPart(side: Side, profile: number, partner: number, events: number): void {
  side.partners[profile]! += 1;
  side.events[profile]! += events;
  const most = side.heartEvents[profile]!;
  if (events < most || (events === most && partner > side.heart[profile]!)) return;
  side.heart[profile] = partner;
  side.heartEvents[profile] = events;
}

function countsOf(before: Side, isShared: Uint8Array): ChangeCounts {
  const counts = { unchanged: 0, split: 0, merged: 0, moved: 0, eventsLeaving: 0 };
  for (let profile = 1; profile < before.partners.length; profile += 1) {
    const partners = before.partners[profile]!;
    if (partners === 0) continue;
    counts.eventsLeaving += before.events[profile]! - before.heartEvents[profile]!;
    if (partners > 1) counts[isShared[profile] === 1 ? 'moved' : 'split'] += 1;
    else counts[isShared[profile] === 1 ? 'merged' : 'unchanged'] += 1;
  }
  return counts;
}

/** The profiles with several partners, by events beside their heart; then by ordinal. */
function mostLeaving(side: Side, count: number): number[] {
  const leaving = (profile: number): number => side.events[profile]! - side.heartEvents[profile]!;
  const best: number[] = [];
  for (let profile = 1; profile < side.partners.length; profile += 1) {
    if (side.partners[profile]! < 2) continue;
    const last = best[count - 1];
    if (last !== undefined && leaving(profile) <= leaving(last)) continue;
    const place = best.findIndex((known) => leaving(known) < leaving(profile));
    best.splice(place === -1 ? best.length : place, 0, profile);
    best.length = Math.min(best.length, count);
  }
  return best;
}

function partsOf(
  profiles: readonly number[],
  side: Side,
  pairs: PairCounts,
  order: (first: number, second: number) => readonly [number, number],
): AffectedProfile[] {
  const parts = new Map(
    profiles.map((profile) => [profile, [] as { profile: number; events: number }[]]),
  );
  pairs.each((first, second, events) => {
    if (first === 0 || second === 0) return;
    const [profile, partner] = order(first, second);
    parts.get(profile)?.push({ profile: partner, events });
  });
  return profiles.map((profile) => ({
    profile,
    events: side.events[profile]!,
    parts: parts.get(profile)!.sort((a, b) => b.events - a.events || a.profile - b.profile),
  }));
}
