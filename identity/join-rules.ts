/**
 * Whether profiles and new identifiers may become one profile: uniqueness, limits, caps, and what an
 * operator forbade. Asked only when something new is about to join; a component is within the caps, so
 * looking at all of it is cheap.
 *
 * A rule stands in the way only of what would break it: profiles that were out of bounds before a rule
 * was tightened take identifiers of other types as before.
 */
import { LIMITS } from '../base/limits.ts';
import type { EdgeGraph } from './edge-graph.ts';
import type { EdgeReason } from './edge-log.ts';
import type { IdentityRules } from './identity-rules.ts';
import type { ProfileStore } from './profile-store.ts';
import type { Separations } from './separations.ts';

/** Identifiers that would become anchors of the profile. */
export interface Newcomer {
  readonly type: number;
  readonly node: number;
}

export interface JoinRulesOptions {
  readonly rules: IdentityRules;
  readonly profiles: ProfileStore;
  readonly edges: EdgeGraph;
  readonly separations: Separations;
}

export class JoinRules {
  readonly #options: JoinRulesOptions;
  /** By type number, of the values in its window: how many, and how many participants brought any. */
  readonly #values: Uint32Array;
  readonly #bringers: Uint32Array;
  readonly #lastBringer: Int32Array;
  /** Weak nodes that were counted: one can have several anchors. */
  #weak: number[] = [];
  #weakInWindow: number[] = [];
  #identifiers = 0;

  constructor(options: JoinRulesOptions) {
    const types = options.rules.types.length + 1;
    this.#options = options;
    this.#values = new Uint32Array(types);
    this.#bringers = new Uint32Array(types);
    this.#lastBringer = new Int32Array(types);
  }

  /**
   * @param joined live profiles, each once.
   * @param nowSeconds the arrival of the event.
   * @returns what stands in the way, undefined when nothing does.
   */
  check(
    joined: readonly number[],
    newcomers: readonly Newcomer[],
    nowSeconds: number,
  ): EdgeReason | undefined {
    if (joined.length + newcomers.length < 2) return undefined;
    const { rules, profiles, separations } = this.#options;
    let anchors = newcomers.length;
    for (const profile of joined) anchors += profiles.sizeOf(profile);
    if (anchors > LIMITS.profileAnchorsMax) return 'profile_full';
    if (joined.length > 1 && this.#mergesOf(joined) > rules.mergesMax) return 'profile_full';
    if (separations.count > 0 && separations.part(this.#nodesOf(joined, newcomers))) {
      return 'cannot_link';
    }
    this.#reset();
    for (const [participant, profile] of joined.entries()) {
      const head = profiles.headOf(profile);
      let anchor = head;
      do {
        const opened = profiles.openedSeconds(anchor);
        const type = profiles.typeOf(anchor);
        this.#count(participant, type, profiles.nodeOf(anchor), nowSeconds - opened);
        anchor = profiles.next(anchor);
      } while (anchor !== head);
    }
    for (const [index, { type, node }] of newcomers.entries()) {
      this.#count(joined.length + index, type, node, 0);
    }
    return this.#obstacle();
  }

  #reset(): void {
    this.#identifiers = 0;
    this.#values.fill(0);
    this.#bringers.fill(0);
    this.#lastBringer.fill(-1);
    // New ones: to empty an array through its length is a call into V8's runtime.
    this.#weak = [];
    this.#weakInWindow = [];
  }

  /** Takes one anchor of a participant, opened so long ago, into account. */
  #count(participant: number, type: number, node: number, ageSeconds: number): void {
    const rule = this.#options.rules.types[type - 1]!;
    const isWeak = rule.strength === 'weak';
    if (!isWeak || isFirst(this.#weak, node)) this.#identifiers += 1;
    const window = rule.unique ? null : (rule.limit?.perSeconds ?? null);
    if (window !== null && ageSeconds >= window) return;
    if (isWeak && !isFirst(this.#weakInWindow, node)) return;
    this.#values[type] = this.#values[type]! + 1;
    if (this.#lastBringer[type] === participant) return;
    this.#lastBringer[type] = participant;
    this.#bringers[type] = this.#bringers[type]! + 1;
  }

  #obstacle(): EdgeReason | undefined {
    const { rules } = this.#options;
    if (this.#identifiers > rules.identifiersMax) return 'profile_full';
    for (const [index, rule] of rules.types.entries()) {
      const values = this.#values[index + 1]!;
      if (this.#bringers[index + 1]! < 2) continue;
      if (rule.unique && values > 1) return 'two_values';
      if (rule.limit !== null && values > rule.limit.max) return 'limit';
    }
    return undefined;
  }

  /** Merges behind a profile that would be made of these. Claims of devices do not count. */
  #mergesOf(joined: readonly number[]): number {
    const { profiles, edges } = this.#options;
    let merges = joined.length - 1;
    for (const profile of joined) {
      const head = profiles.headOf(profile);
      let anchor = head;
      do {
        for (let edge = edges.first(anchor); edge !== 0; edge = edges.after(edge, anchor)) {
          // Counted from one of its two ends.
          if (edges.joins(edge) && edges.ends(edge)[0] === anchor) merges += 1;
        }
        anchor = profiles.next(anchor);
      } while (anchor !== head);
    }
    return merges;
  }

  *#nodesOf(joined: readonly number[], newcomers: readonly Newcomer[]): Generator<number> {
    const { profiles } = this.#options;
    for (const profile of joined) {
      for (const anchor of profiles.anchorsOf(profile)) yield profiles.nodeOf(anchor);
    }
    for (const { node } of newcomers) yield node;
  }
}

/** Whether `node` was not in the list, which takes it. */
function isFirst(list: number[], node: number): boolean {
  if (list.includes(node)) return false;
  list.push(node);
  return true;
}
