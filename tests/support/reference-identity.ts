/**
 * Identity, written again with maps and sets: the model that the shared arrays are held against.
 * Anchors and profiles are plain objects; what is compared is which events belong to one person.
 */
import type { TestEvent } from './engine-fixture.ts';

interface Profile {
  user: string | undefined;
  anchors: Anchor[];
}

interface Anchor {
  profile: Profile;
}

export interface ReferenceEdge {
  readonly a: string;
  readonly b: string;
  readonly kind: string;
  readonly state: string;
  readonly reason: string;
}

export class ReferenceIdentity {
  readonly users = new Map<string, Anchor>();
  /** By anonymous_id, the anchor of the current ownership interval. */
  readonly devices = new Map<string, Anchor>();
  readonly edges: ReferenceEdge[] = [];
  /** In the order of events; undefined for an event that names nobody. */
  readonly attributed: (Anchor | undefined)[] = [];

  add(event: TestEvent): void {
    const user = event['userId'] as string | undefined;
    const device = event['anonymousId'] as string | undefined;
    const previous = event['type'] === 'alias' ? (event['previousId'] as string) : undefined;
    let anchor = user === undefined ? undefined : this.#anchorOf(this.users, user, user);
    if (device !== undefined) {
      const current = this.devices.get(device);
      if (anchor === undefined) anchor = current ?? this.#anchorOf(this.devices, device, undefined);
      else if (current?.profile !== anchor.profile) this.#claim(user!, anchor, device, current);
    }
    if (previous !== undefined && previous !== user) {
      anchor = this.#alias(anchor, user ?? device, previous, device);
    }
    this.attributed.push(anchor);
  }

  #anchorOf(map: Map<string, Anchor>, value: string, user: string | undefined): Anchor {
    let anchor = map.get(value);
    if (anchor === undefined) {
      const profile: Profile = { user, anchors: [] };
      anchor = { profile };
      profile.anchors.push(anchor);
      map.set(value, anchor);
    }
    return anchor;
  }

  #attach(profile: Profile, device: string): void {
    const anchor = { profile };
    profile.anchors.push(anchor);
    this.devices.set(device, anchor);
  }

  #claim(user: string, anchor: Anchor, device: string, current: Anchor | undefined): void {
    const isFree = current !== undefined && current.profile.user === undefined;
    if (isFree) this.#merge(anchor.profile, current.profile);
    else this.#attach(anchor.profile, device);
    const reason = current === undefined || isFree ? 'claimed' : 'interval';
    this.edges.push({ a: user, b: device, kind: 'observed', state: 'active', reason });
  }

  #alias(
    anchor: Anchor | undefined,
    own: string | undefined,
    previous: string,
    device: string | undefined,
  ): Anchor | undefined {
    const known = this.users.get(previous);
    if (known === undefined && previous === device) return anchor;
    const former = known ?? this.devices.get(previous);
    if (anchor === undefined) return former ?? this.#anchorOf(this.devices, previous, undefined);
    const edge = { a: own!, b: previous, kind: 'alias' };
    if (former === undefined) {
      this.#attach(anchor.profile, previous);
      this.edges.push({ ...edge, state: 'active', reason: 'claimed' });
    } else if (former.profile !== anchor.profile) {
      const [a, b] = [anchor.profile, former.profile];
      if (a.user !== undefined && b.user !== undefined) {
        this.edges.push({ ...edge, state: 'refused', reason: 'two_user_ids' });
        return anchor;
      }
      if (b.user !== undefined) this.#merge(b, a);
      else this.#merge(a, b);
      this.edges.push({ ...edge, state: 'active', reason: 'joined' });
    }
    return anchor;
  }

  #merge(survivor: Profile, loser: Profile): void {
    for (const anchor of loser.anchors) anchor.profile = survivor;
    survivor.anchors.push(...loser.anchors);
  }
}
