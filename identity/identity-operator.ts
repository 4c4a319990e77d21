/**
 * Carries out what an operator says: a plan is made of what is known now, and can be shown; the same
 * plan, made again in the order of the log, is carried out.
 *
 * - A command never fails once it is logged: what it finds nothing to do for changes nothing and says why.
 * - Counts are kept per anchor, so the profiles of a split have exactly what is their own.
 */
import {
  partOfNumbers,
  restoreNumbers,
  type StatePart,
  type StateSource,
} from '../storage/state-part.ts';
import { type ComponentParts, edgesOfProfile, type Partition, partition } from './component.ts';
import type { EdgeReason } from './edge-log.ts';
import type { IdentityCommand, NamedIdentifier } from './identity-command.ts';
import type { IdentityJournal } from './identity-journal.ts';
import type { JoinRules } from './join-rules.ts';
import { anchorIn, isBlocked, NODE } from './node-words.ts';
import type { OperatorStatement, PartStatement } from './operator-statement.ts';
import { RECORD, RECORD_WORDS } from './profile-store.ts';

/** A profile as it is, or as it would be. */
export interface ProfileSummary {
  /** Null for one that would be new. */
  readonly profile: string | null;
  readonly identifiers: readonly NamedIdentifier[];
  /** Its events are those of these anchors: what SQL can add up about it. */
  readonly anchors: readonly number[];
  readonly events: number;
}

export interface CommandOutcome {
  readonly isChanged: boolean;
  /** Why nothing changes; null when something does. */
  readonly obstacle: string | null;
  /** The profiles it is about, and what becomes of them. */
  readonly before: readonly ProfileSummary[];
  readonly after: readonly ProfileSummary[];
}

/** What is said of single identifiers and profiles. */
export type PeopleCommand = Exclude<IdentityCommand, { readonly command: 'rules' }>;

interface Plan {
  readonly obstacle?: string;
  readonly reason: EdgeReason;
  readonly blocked?: number;
  readonly unblocked?: number;
  readonly retracted: readonly number[];
  readonly forbidden: readonly NodePair[];
  readonly partitions: readonly Partition[];
  readonly undoes: number;
  readonly join?: { readonly a: number; readonly b: number; readonly reason: EdgeReason };
}

type NodePair = readonly [number, number];

const NOTHING = { retracted: [], forbidden: [], partitions: [], undoes: 0 } as const;
/** Obstacles that force goes over. */
const FORCED: readonly EdgeReason[] = ['two_values', 'limit'];

export interface OperatorOptions extends ComponentParts {
  readonly words: Int32Array;
  /** Profiles a command can make. */
  readonly newProfilesMax: number;
  readonly journal: IdentityJournal;
  readonly joinRules: () => JoinRules;
  /** The node of an identifier; 0 when it was never seen. @throws TRIBUTARY_IDENTITY_TYPE_UNKNOWN */
  readonly nodeOf: (identifier: NamedIdentifier) => number;
  readonly nameOf: (node: number) => NamedIdentifier;
}

/** The part of a checkpoint that has the nodes an operator blocked. */
const BLOCKED_NODES = 'blocked_nodes';

export class IdentityOperator {
  readonly #options: OperatorOptions;
  /** Nodes that an operator blocked: rules that change do not let them in again. */
  readonly #blocked = new Set<number>();

  constructor(options: OperatorOptions) {
    this.#options = options;
  }

  isBlocked(node: number): boolean {
    return this.#blocked.has(node);
  }

  /** Says so again, after rules that were changed had all values judged anew. */
  markBlocked(): void {
    const { words } = this.#options;
    for (const node of this.#blocked) words[node] = words[node]! | NODE.attention | NODE.blocked;
  }

  /** What a checkpoint keeps. */
  state(): StatePart {
    return partOfNumbers(BLOCKED_NODES, Uint32Array.from(this.#blocked));
  }

  /** Takes over what {@link IdentityOperator.state} was. */
  async restore(source: StateSource): Promise<void> {
    for (const node of await restoreNumbers(BLOCKED_NODES, source)) this.#blocked.add(node);
  }

  /** What a command would do now. @throws TRIBUTARY_IDENTITY_TYPE_UNKNOWN */
  preview(command: PeopleCommand): CommandOutcome {
    const plan = this.#plan(command);
    const { before, after } = this.#describe(plan);
    return outcomeOf(plan, before, after);
  }

  /** Does it. What it needs room for was prepared. */
  carryOut(command: PeopleCommand): CommandOutcome {
    return this.#carryOut(this.#plan(command));
  }

  /**
   * Does what a command once did, as it was written down. An identifier that is not known here is passed
   * over. @throws TRIBUTARY_IDENTITY_TYPE_UNKNOWN
   */
  restate(statement: OperatorStatement): CommandOutcome {
    if (statement.command !== 'part') return this.carryOut(statement);
    const nodesOf = (pairs: PartStatement['cut']): NodePair[] =>
      pairs.map(([a, b]) => [this.#options.nodeOf(a), this.#options.nodeOf(b)]);
    const plan = this.#planPart(nodesOf(statement.cut), nodesOf(statement.apart), statement.reason);
    return this.#carryOut(this.#bounded(plan));
  }

  #carryOut(plan: Plan): CommandOutcome {
    const { before } = this.#describe(plan);
    if (plan.obstacle !== undefined) return outcomeOf(plan, before, before);
    const profiles = this.#act(plan);
    return outcomeOf(
      plan,
      before,
      profiles.map((profile) => this.#summary(profile, this.#anchorsOf(profile))),
    );
  }

  #plan(command: PeopleCommand): Plan {
    return this.#bounded(this.#planAnySize(command));
  }

  #bounded(plan: Plan): Plan {
    const parts = plan.partitions.reduce((sum, { groups }) => sum + groups.length - 1, 0);
    if (parts <= this.#options.newProfilesMax) return plan;
    return { ...NOTHING, reason: plan.reason, obstacle: 'too_many_parts' };
  }

  #planAnySize(command: PeopleCommand): Plan {
    switch (command.command) {
      case 'undo':
        return this.#planUndo(command.merge);
      case 'split':
        return this.#planSplit(command.profile, command.identifiers);
      case 'block':
        return this.#planBlock(command.identifier, command.retroactive);
      case 'unblock':
        return this.#planUnblock(command.identifier);
      case 'link':
        return this.#planLink(command.a, command.b, command.force);
      case 'unlink':
        return this.#planUnlink(command.a, command.b);
    }
  }

  #planUndo(merge: number): Plan {
    const { edges, profiles } = this.#options;
    const edge = edges.edgeOfMerge(merge);
    if (edge === 0 || !edges.isListed(edge) || !edges.isActive(edge)) {
      return { ...NOTHING, reason: 'undone', obstacle: edge === 0 ? 'unknown' : 'undone_already' };
    }
    const [a, b] = edges.ends(edge);
    const pair = [profiles.nodeOf(a), profiles.nodeOf(b)] as const;
    const retracted = [edge];
    const parts = partition(
      profiles.profileOf[a]!,
      new Set(retracted),
      (together) => together.has(a) && together.has(b),
      this.#options,
    );
    // A device of several owners may be with the other identifier through another anchor, rightly.
    const areTogether = parts.groups.some((group) => {
      const nodes = group.map((anchor) => profiles.nodeOf(anchor));
      return nodes.includes(pair[0]) && nodes.includes(pair[1]);
    });
    const forbidden = areTogether ? [] : [pair];
    return { reason: 'undone', retracted, forbidden, partitions: [parts], undoes: merge };
  }

  #planSplit(id: string, identifiers: readonly NamedIdentifier[]): Plan {
    const { edges, profiles } = this.#options;
    const retired = profiles.profileWithId(id);
    if (retired === 0) return { ...NOTHING, reason: 'split', obstacle: 'unknown' };
    const profile = profiles.currentOf(retired);
    const leaving = new Set(identifiers.map((identifier) => this.#options.nodeOf(identifier)));
    const leaves = (anchor: number): boolean => leaving.has(profiles.nodeOf(anchor));
    const crossing = edgesOfProfile(profile, this.#options).filter((edge) => {
      const [a, b] = edges.ends(edge);
      return leaves(a) !== leaves(b);
    });
    if (crossing.length === 0) return { ...NOTHING, reason: 'split', obstacle: 'nothing_to_split' };
    const pairs = crossing.map((edge) => {
      const [a, b] = edges.ends(edge);
      return [profiles.nodeOf(a), profiles.nodeOf(b)] as const;
    });
    const parts = this.#partition(profile, crossing, pairs);
    return {
      reason: 'split',
      retracted: crossing,
      forbidden: pairs,
      partitions: [parts],
      undoes: 0,
    };
  }

  #planUnlink(a: NamedIdentifier, b: NamedIdentifier): Plan {
    const { separations } = this.#options;
    const pair = [this.#options.nodeOf(a), this.#options.nodeOf(b)] as const;
    if (pair.includes(0)) return { ...NOTHING, reason: 'unlinked', obstacle: 'unknown' };
    if (pair[0] === pair[1]) return { ...NOTHING, reason: 'unlinked', obstacle: 'same_identifier' };
    if (separations.has(...pair)) {
      return { ...NOTHING, reason: 'unlinked', obstacle: 'apart_already' };
    }
    return this.#planPart([pair], [pair], 'unlinked');
  }

  /** Retracts the edges between the pairs of `cut`, and keeps those of `apart` apart. */
  #planPart(cut: readonly NodePair[], apart: readonly NodePair[], reason: EdgeReason): Plan {
    const { edges, profiles } = this.#options;
    const isKnown = (pair: NodePair): boolean => !pair.includes(0) && pair[0] !== pair[1];
    const forbidden = apart.filter(isKnown);
    const parted = cut.filter(isKnown);
    const direct = (profile: number): number[] =>
      edgesOfProfile(profile, this.#options).filter((edge) => {
        const nodes = edges.ends(edge).map((anchor) => profiles.nodeOf(anchor));
        return parted.some(([a, b]) => nodes.includes(a) && nodes.includes(b));
      });
    const shared = new Set(
      [...parted, ...forbidden].flatMap(([a, b]) => {
        const others = this.#profilesOf(b);
        return this.#profilesOf(a).filter((one) => others.includes(one));
      }),
    );
    const partitions = [...shared].map((profile) =>
      this.#partition(profile, direct(profile), forbidden),
    );
    return { reason, retracted: [...shared].flatMap(direct), forbidden, partitions, undoes: 0 };
  }

  #planBlock(identifier: NamedIdentifier, retroactive: boolean): Plan {
    const { edges, profiles } = this.#options;
    const blocked = this.#options.nodeOf(identifier);
    if (blocked === 0) return { ...NOTHING, reason: 'blocked', obstacle: 'unknown' };
    const touching = (profile: number): number[] =>
      edgesOfProfile(profile, this.#options).filter((edge) =>
        edges.ends(edge).some((anchor) => profiles.nodeOf(anchor) === blocked),
      );
    const holding = retroactive ? this.#profilesOf(blocked) : [];
    const touched = holding.filter((profile) => touching(profile).length > 0);
    if (touched.length === 0 && this.#blocked.has(blocked)) {
      return { ...NOTHING, reason: 'blocked', obstacle: 'blocked_already' };
    }
    const partitions = touched.map((profile) => this.#partition(profile, touching(profile), []));
    const retracted = touched.flatMap(touching);
    return { reason: 'blocked', blocked, retracted, forbidden: [], partitions, undoes: 0 };
  }

  #planUnblock(identifier: NamedIdentifier): Plan {
    const node = this.#options.nodeOf(identifier);
    if (this.#blocked.has(node)) return { ...NOTHING, reason: 'unblocked', unblocked: node };
    const obstacle = node === 0 ? 'unknown' : 'not_blocked';
    return { ...NOTHING, reason: 'unblocked', obstacle };
  }

  #planLink(a: NamedIdentifier, b: NamedIdentifier, force: boolean): Plan {
    const { profiles, journal, separations, words } = this.#options;
    const nodes = [this.#options.nodeOf(a), this.#options.nodeOf(b)] as const;
    const anchors = nodes.map((node) => (node === 0 ? 0 : anchorIn(words[node]!)));
    const [from, to] = anchors as [number, number];
    if (from === 0 || to === 0) return { ...NOTHING, reason: 'linked', obstacle: 'unknown' };
    if (nodes.some((node) => isBlocked(words[node]!))) {
      return { ...NOTHING, reason: 'linked', obstacle: 'blocked' };
    }
    const joined = [profiles.profileOf[from]!, profiles.profileOf[to]!];
    if (joined[0] === joined[1]) {
      return { ...NOTHING, reason: 'linked', obstacle: 'linked_already' };
    }
    const wasApart = separations.has(...nodes);
    separations.remove(...nodes);
    const obstacle = this.#options.joinRules().check(joined, [], journal.seconds);
    if (wasApart) separations.add(...nodes);
    if (obstacle !== undefined && !(force && FORCED.includes(obstacle))) {
      return { ...NOTHING, reason: 'linked', obstacle };
    }
    const reason: EdgeReason = obstacle === undefined ? 'linked' : 'forced';
    return { ...NOTHING, reason, join: { a: from, b: to, reason } };
  }

  /** What is left of a profile without these edges, and with these nodes kept apart. */
  #partition(profile: number, retracted: readonly number[], apart: readonly NodePair[]): Partition {
    const { profiles } = this.#options;
    const isForbidden = (anchors: ReadonlySet<number>): boolean => {
      const nodes = new Set([...anchors].map((anchor) => profiles.nodeOf(anchor)));
      return apart.some(([a, b]) => nodes.has(a) && nodes.has(b));
    };
    return partition(profile, new Set(retracted), isForbidden, this.#options);
  }

  /** @returns the profiles that came of it. */
  #act(plan: Plan): number[] {
    const { journal, profiles, separations, words } = this.#options;
    if (plan.blocked !== undefined) {
      this.#blocked.add(plan.blocked);
      words[plan.blocked] = words[plan.blocked]! | NODE.attention | NODE.blocked;
      journal.noteNodes(plan.blocked, plan.blocked, 'manual', 'forbidden', 'blocked');
    }
    if (plan.unblocked !== undefined) {
      this.#blocked.delete(plan.unblocked);
      // What is left of the word needs attention: the rules may block the value as well.
      words[plan.unblocked] = words[plan.unblocked]! & ~NODE.blocked;
      journal.noteNodes(plan.unblocked, plan.unblocked, 'manual', 'retracted', 'unblocked');
    }
    for (const edge of plan.retracted) journal.changeEdge(edge, 'manual', 'retracted', plan.reason);
    for (const [a, b] of plan.forbidden) {
      separations.add(a, b);
      journal.noteNodes(a, b, 'manual', 'forbidden', plan.reason);
    }
    const owners: number[] = [];
    for (const { profile, groups, demoted } of plan.partitions) {
      for (const edge of demoted) journal.changeEdge(edge, 'manual', 'demoted', 'cannot_link');
      owners.push(...journal.split(profile, groups, plan.undoes));
    }
    if (plan.join !== undefined) {
      const { a, b, reason } = plan.join;
      separations.remove(profiles.nodeOf(a), profiles.nodeOf(b));
      const known = this.#options.edges.between(b, a);
      if (known !== 0) journal.changeEdge(known, 'manual', 'retracted', reason);
      const edge = journal.addEdge(a, b, 'manual', 'active', reason);
      owners.push(journal.merge(profiles.profileOf[a]!, profiles.profileOf[b]!, edge));
    }
    return owners;
  }

  #describe({ partitions, join }: Plan): Pick<CommandOutcome, 'before' | 'after'> {
    const { profiles } = this.#options;
    const before = partitions.map(({ profile }) =>
      this.#summary(profile, this.#anchorsOf(profile)),
    );
    const after = partitions.flatMap(({ profile, groups }) =>
      groups.map((group, index) => this.#summary(index === 0 ? profile : 0, group)),
    );
    if (join !== undefined) {
      const sides = [join.a, join.b].map((anchor) => profiles.profileOf[anchor]!);
      for (const side of sides) before.push(this.#summary(side, this.#anchorsOf(side)));
      const survivor = profiles.survivorOf(sides[0]!, sides[1]!);
      after.push(
        this.#summary(
          survivor,
          sides.flatMap((side) => this.#anchorsOf(side)),
        ),
      );
    }
    return { before, after };
  }

  #summary(profile: number, anchors: readonly number[]): ProfileSummary {
    const { profiles } = this.#options;
    const ordered = [...anchors].sort((a, b) => a - b);
    const nodes = [...new Set(ordered.map((anchor) => profiles.nodeOf(anchor)))];
    return {
      profile: profile === 0 ? null : profiles.idOf(profile),
      identifiers: nodes.map((node) => this.#options.nameOf(node)),
      anchors: ordered,
      events: anchors.reduce(
        (sum, anchor) => sum + profiles.records[anchor * RECORD_WORDS + RECORD.events]!,
        0,
      ),
    };
  }

  #anchorsOf(profile: number): number[] {
    return this.#options.profiles.anchorsOf(profile);
  }

  /** The profiles in which an identifier has an anchor: for a device one per owner. Looks at all anchors. */
  #profilesOf(node: number): number[] {
    const { profiles } = this.#options;
    const found = new Set<number>();
    for (let anchor = 1; anchor <= profiles.anchorCount; anchor += 1) {
      if (profiles.nodeOf(anchor) === node) found.add(profiles.profileOf[anchor]!);
    }
    return [...found].sort((a, b) => a - b);
  }
}

function outcomeOf(
  plan: Plan,
  before: readonly ProfileSummary[],
  after: readonly ProfileSummary[],
): CommandOutcome {
  const { obstacle } = plan;
  return { isChanged: obstacle === undefined, obstacle: obstacle ?? null, before, after };
}
