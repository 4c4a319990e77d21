/**
 * Identity, written again with objects and sets: the model that the shared arrays are held against.
 * Every question is answered by looking at everything; what is compared is which events belong to one
 * person, how many there are, and every statement of the edge log.
 */
import {
  DEFAULT_RULES,
  type IdentifierRule,
  type IdentityRules,
} from '../../identity/identity-rules.ts';
import type { TestEvent } from './engine-fixture.ts';
import { identifiersOf } from './reference-extraction.ts';

interface Profile {
  readonly ordinal: number;
  readonly anchors: Set<Anchor>;
}

export interface Anchor {
  readonly ordinal: number;
  readonly node: Node;
  profile: Profile;
  readonly opened: number;
  events: number;
}

interface Node {
  readonly rule: IdentifierRule;
  readonly value: string;
  anchor: Anchor | undefined;
  isShared: boolean;
  isClosed: boolean;
  isNoted: boolean;
}

interface Edge {
  readonly a: Anchor;
  readonly b: Anchor;
  isActive: boolean;
  readonly isMerge: boolean;
  readonly opened: number;
}

export interface ReferenceEdge {
  readonly a: string;
  readonly b: string;
  readonly kind: string;
  readonly state: string;
  readonly reason: string;
}

const ANCHOR_EDGES_MAX = 64;

export class ReferenceIdentity {
  readonly edges: ReferenceEdge[] = [];
  /** In the order of events; undefined for an event that names nobody. */
  readonly attributed: (Anchor | undefined)[] = [];
  /** Pairs of `type:value` that never meet. */
  readonly apart: [string, string][] = [];
  readonly #rules: IdentityRules;
  readonly #nodes = new Map<string, Node>();
  readonly #edges: Edge[] = [];
  #profileCount = 0;
  #anchorCount = 0;
  #now = 0;

  constructor(rules: IdentityRules = DEFAULT_RULES) {
    this.#rules = rules;
  }

  add(event: TestEvent, nowSeconds = 0): void {
    this.#now = nowSeconds;
    const nodes = identifiersOf(event, this.#rules)
      .map(({ type, value }) => this.#node(type, value))
      .filter((node) => !isBlocked(node))
      .sort((a, b) => a.rule.priority - b.rule.priority);
    let anchor = nodes.length === 0 ? undefined : this.#join(nodes);
    if (event['type'] === 'alias') {
      anchor = this.#alias(anchor, nodes, String(event['previousId']));
    }
    if (anchor !== undefined) anchor.events += 1;
    this.attributed.push(anchor);
    if (event['type'] === 'track' && this.#rules.logoutEvents.includes(String(event['event']))) {
      for (const node of nodes) {
        if (isWeak(node) && node.anchor !== undefined && isOwned(node.anchor.profile)) {
          node.isClosed = true;
        }
      }
    }
  }

  /** Events counted for the person of an event. */
  eventsOf(profile: Profile): number {
    return [...profile.anchors].reduce((sum, anchor) => sum + anchor.events, 0);
  }

  /** Today's profile of each value of a type that has one. */
  profilesOf(type: string): Map<string, Profile> {
    const found = new Map<string, Profile>();
    for (const node of this.#nodes.values()) {
      const isKnown = node.rule.type === type && node.anchor !== undefined && !node.isClosed;
      if (isKnown && !isBlocked(node)) found.set(node.value, node.anchor!.profile);
    }
    return found;
  }

  #node(type: string, value: string): Node {
    const key = `${type}:${value}`;
    let node = this.#nodes.get(key);
    if (node === undefined) {
      const rule = this.#rules.types.find((candidate) => candidate.type === type)!;
      const state = { isShared: false, isClosed: false, isNoted: false };
      node = { rule, value, anchor: undefined, ...state };
      this.#nodes.set(key, node);
    }
    return node;
  }

  #newAnchor(node: Node, into: Profile | undefined): Anchor {
    if (into === undefined) this.#profileCount += 1;
    const profile = into ?? { ordinal: this.#profileCount, anchors: new Set() };
    this.#anchorCount += 1;
    const ordinal = this.#anchorCount;
    const anchor = { ordinal, node, profile, opened: this.#now, events: 0 };
    profile.anchors.add(anchor);
    return anchor;
  }

  #own(node: Node): Anchor {
    if (node.anchor === undefined || node.isClosed)
      this.#open(node, this.#newAnchor(node, undefined));
    return node.anchor!;
  }

  #open(node: Node, anchor: Anchor): void {
    node.anchor = anchor;
    node.isClosed = false;
    node.isNoted = false;
  }

  #join(nodes: readonly Node[]): Anchor {
    const joiners = nodes.filter((node) => !node.isShared);
    if (joiners[0] !== nodes[0]) {
      const anchor = this.#own(nodes[0]!);
      if (joiners.length > 1) this.#joinAll(joiners);
      return anchor;
    }
    return this.#joinAll(joiners);
  }

  #joinAll(joiners: readonly Node[]): Anchor {
    let obstacle = '';
    for (let count = joiners.length; count > 0; count -= 1) {
      const attempt = this.#attempt(joiners.slice(0, count));
      const reason = count === 1 ? undefined : this.#obstacle(attempt.profiles, attempt.newcomers);
      if (reason !== undefined) {
        obstacle = reason;
        continue;
      }
      const hub = count === 1 ? this.#own(joiners[0]!) : this.#connect(attempt);
      for (const node of joiners.slice(count)) this.#demote(hub, node, 'observed', obstacle);
      return hub;
    }
    throw new Error('one identifier alone is always allowed');
  }

  #attempt(joiners: readonly Node[]): Attempt {
    const attempt: Attempt = { parts: [], profiles: new Set(), newcomers: [] };
    const bring = (part: Part): void => {
      attempt.parts.push(part);
      if (part.anchor === undefined) attempt.newcomers.push(part.node);
      else attempt.profiles.add(part.anchor.profile);
    };
    const strong = joiners.filter((node) => !isWeak(node));
    for (const node of strong) bring({ node, anchor: node.anchor, isInterval: false });
    let hasOwner = strong.length > 0;
    for (const node of joiners.filter(isWeak)) {
      const open = node.isClosed ? undefined : node.anchor;
      const isTaken =
        open !== undefined &&
        !attempt.profiles.has(open.profile) &&
        isOwned(open.profile) &&
        hasOwner;
      if (isTaken && strong.length === 0) continue;
      if (open !== undefined && !isTaken) {
        bring({ node, anchor: open, isInterval: false });
        hasOwner ||= isOwned(open.profile);
        continue;
      }
      const mine = [...attempt.profiles]
        .flatMap((profile) => [...profile.anchors])
        .filter((anchor) => anchor.node === node)
        .sort((a, b) => a.ordinal - b.ordinal)[0];
      bring({ node, anchor: mine, isInterval: isTaken });
      hasOwner ||= mine !== undefined && isOwned(mine.profile);
    }
    attempt.parts.sort((a, b) => joiners.indexOf(a.node) - joiners.indexOf(b.node));
    return attempt;
  }

  #connect({ parts, profiles }: Attempt): Anchor {
    const [hub, ...others] = parts as [Part, ...Part[]];
    const isHubNew = hub.anchor === undefined;
    const from = hub.anchor ?? this.#newAnchor(hub.node, bestOf([...profiles]));
    this.#open(hub.node, from);
    for (const { node, anchor, isInterval } of others) {
      const to = anchor ?? this.#newAnchor(node, from.profile);
      this.#open(node, to);
      const isNew = isHubNew || anchor === undefined;
      this.#link(from, to, 'observed', isNew, hub.isInterval || isInterval);
    }
    return from;
  }

  #link(a: Anchor, b: Anchor, kind: string, isNew: boolean, isInterval: boolean): void {
    const merges = a.profile !== b.profile;
    const known = this.#between(a, b);
    if (!merges && (known !== undefined || this.#isCrowded(b))) return;
    if (known !== undefined) {
      this.#edges.splice(this.#edges.indexOf(known), 1);
      this.#note(known.a.node, known.b.node, kind, 'retracted', 'joined');
    }
    let reason = merges ? 'joined' : 'attached';
    if (isWeak(a.node) !== isWeak(b.node)) reason = isInterval ? 'interval' : 'claimed';
    if (!merges && !isNew) reason = 'confirmed';
    this.#edges.push({ a, b, isActive: true, isMerge: reason === 'joined', opened: this.#now });
    this.#note(a.node, b.node, kind, 'active', reason);
    if (merges) {
      const survivor = bestOf([a.profile, b.profile])!;
      const loser = survivor === a.profile ? b.profile : a.profile;
      for (const anchor of loser.anchors) {
        anchor.profile = survivor;
        survivor.anchors.add(anchor);
      }
    }
    this.#quarantine(a);
    this.#quarantine(b);
  }

  #demote(hub: Anchor, node: Node, kind: string, reason: string): void {
    if (node.anchor === undefined) {
      if (!node.isNoted) this.#note(hub.node, node, kind, 'demoted', reason);
      node.isNoted = true;
      return;
    }
    if (this.#between(hub, node.anchor) !== undefined || this.#isCrowded(node.anchor)) return;
    this.#edges.push({
      a: hub,
      b: node.anchor,
      isActive: false,
      isMerge: false,
      opened: this.#now,
    });
    this.#note(hub.node, node, kind, 'demoted', reason);
    this.#quarantine(hub);
    this.#quarantine(node.anchor);
  }

  #quarantine(anchor: Anchor): void {
    const { node } = anchor;
    const { strongNeighboursMax: max, limit } = node.rule;
    if (max === null || node.isShared) return;
    const strong = this.#edgesOf(anchor).filter((edge) => !isWeak(otherEnd(edge, anchor).node));
    const recent = strong.filter(
      (edge) => limit?.perSeconds == null || edge.opened > this.#now - limit.perSeconds,
    );
    if (recent.length <= max) return;
    node.isShared = true;
    const last = otherEnd(strong.at(-1)!, anchor).node;
    this.#note(last, node, 'observed', 'quarantined', 'too_many_neighbours');
  }

  #alias(
    anchor: Anchor | undefined,
    nodes: readonly Node[],
    previousId: string,
  ): Anchor | undefined {
    const isUser = this.#nodes.has(`user_id:${previousId}`);
    const node = this.#node(isUser ? 'user_id' : 'anonymous_id', previousId);
    if (nodes.includes(node) || isBlocked(node)) return anchor;
    if (anchor === undefined) return this.#own(node);
    if (node.isShared || anchor.node.isShared || node.anchor?.profile === anchor.profile) {
      return anchor;
    }
    const isNew = node.anchor === undefined;
    const profiles = new Set(isNew ? [anchor.profile] : [anchor.profile, node.anchor!.profile]);
    const obstacle = this.#obstacle(profiles, isNew ? [node] : []);
    if (obstacle !== undefined) {
      this.#demote(anchor, node, 'alias', obstacle);
      return anchor;
    }
    this.#open(node, node.anchor ?? this.#newAnchor(node, anchor.profile));
    this.#link(anchor, node.anchor!, 'alias', isNew, false);
    return anchor;
  }

  #obstacle(profiles: ReadonlySet<Profile>, newcomers: readonly Node[]): string | undefined {
    const parts: Anchor[][] = [
      ...[...profiles].map((profile) => [...profile.anchors]),
      ...newcomers.map((node) => [
        {
          ordinal: 0,
          node,
          opened: this.#now,
          events: 0,
          profile: { ordinal: 0, anchors: new Set<Anchor>() },
        },
      ]),
    ];
    if (parts.length < 2) return undefined;
    const nodes = new Set(parts.flat().map((anchor) => anchor.node));
    const merges = this.#edges.filter(
      (edge) => edge.isMerge && edge.isActive && profiles.has(edge.a.profile),
    );
    if (profiles.size > 1 && merges.length + profiles.size - 1 > this.#rules.mergesMax) {
      return 'profile_full';
    }
    const keys = new Set([...nodes].map((node) => `${node.rule.type}:${node.value}`));
    if (this.apart.some(([a, b]) => keys.has(a) && keys.has(b))) return 'cannot_link';
    if (nodes.size > this.#rules.identifiersMax) return 'profile_full';
    for (const rule of this.#rules.types) {
      const window = rule.unique ? null : (rule.limit?.perSeconds ?? null);
      const counted = (anchor: Anchor): boolean =>
        anchor.node.rule === rule && (window === null || this.#now - anchor.opened < window);
      const values = new Set<Node>();
      let bringers = 0;
      for (const part of parts) {
        const before = values.size;
        for (const anchor of part.filter(counted)) values.add(anchor.node);
        if (values.size > before) bringers += 1;
      }
      if (bringers < 2) continue;
      if (rule.unique && values.size > 1) return 'two_values';
      if (rule.limit !== null && values.size > rule.limit.max) return 'limit';
    }
    return undefined;
  }

  #edgesOf(anchor: Anchor): Edge[] {
    return this.#edges.filter((edge) => edge.a === anchor || edge.b === anchor);
  }

  #between(a: Anchor, b: Anchor): Edge | undefined {
    return this.#edgesOf(b)
      .slice(-ANCHOR_EDGES_MAX)
      .find((edge) => otherEnd(edge, b) === a);
  }

  #isCrowded(anchor: Anchor): boolean {
    return this.#edgesOf(anchor).length >= ANCHOR_EDGES_MAX;
  }

  #note(a: Node, b: Node, kind: string, state: string, reason: string): void {
    this.edges.push({ a: a.value, b: b.value, kind, state, reason });
  }
}

interface Part {
  readonly node: Node;
  readonly anchor: Anchor | undefined;
  readonly isInterval: boolean;
}

interface Attempt {
  readonly parts: Part[];
  readonly profiles: Set<Profile>;
  readonly newcomers: Node[];
}

function isWeak(node: Node): boolean {
  return node.rule.strength === 'weak';
}

function isOwned(profile: Profile): boolean {
  return [...profile.anchors].some((anchor) => !isWeak(anchor.node));
}

function otherEnd(edge: Edge, anchor: Anchor): Anchor {
  return edge.a === anchor ? edge.b : edge.a;
}

function isBlocked({ rule, value }: Node): boolean {
  return rule.block.some((blocked) =>
    typeof blocked === 'string'
      ? blocked.toLowerCase() === value.toLowerCase()
      : new RegExp(blocked.regex).test(value),
  );
}

/** Who keeps the profile: a known user, the larger one, the older one. */
function bestOf(profiles: readonly Profile[]): Profile | undefined {
  const isUser = (profile: Profile): boolean =>
    [...profile.anchors].some((anchor) => anchor.node.rule.type === 'user_id');
  return [...profiles].sort(
    (a, b) =>
      Number(isUser(b)) - Number(isUser(a)) ||
      b.anchors.size - a.anchors.size ||
      a.ordinal - b.ordinal,
  )[0];
}
