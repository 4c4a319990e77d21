/**
 * Who an event belongs to, decided event by event in commit order.
 *
 * The native index turns identifiers into nodes for a batch at once; this file then works on dense
 * numbers only. Most events bring nothing new: their identifiers are known, open, and linked already.
 * These are answered here, from three array reads; all others go to event-resolver.ts.
 *
 * - Everything is a fold over the log: the same events give the same nodes, anchors, profiles, edges.
 * - Resolving cannot fail within what {@link IdentityGraph.prepare} made room for, so it may happen
 *   after the log was synced.
 * - An event belongs to the anchor of its first identifier by priority, and stays there for ever.
 */
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { type NativeIdentifierIndex, type NativeRegion, native } from '../native/index.ts';
import { type ArrayMemory, memoryOf, SharedArray } from '../storage/shared-array.ts';
import type { StatePart, StateSource } from '../storage/state-part.ts';
import { BlockedValues } from './blocked-values.ts';
import { EdgeGraph } from './edge-graph.ts';
import type { EdgeLog } from './edge-log.ts';
import { EventResolver } from './event-resolver.ts';
import { extractionOf } from './extraction.ts';
import { IdentifierTypeNames } from './identifier-type-names.ts';
import type { IdentityCommand, NamedIdentifier } from './identity-command.ts';
import { type ErasedAnchors, eraseAnchors } from './identity-eraser.ts';
import { IdentityJournal } from './identity-journal.ts';
import { type CommandOutcome, IdentityOperator } from './identity-operator.ts';
import { DEFAULT_RULES, type IdentityRules, typeName, typeNumber } from './identity-rules.ts';
import { parseRules, reviseRules, rulesToJson } from './identity-rules-format.ts';
import {
  type IdentityStateOwners,
  INDEX_PARTS,
  restoreIdentity,
  stateOfIdentity,
} from './identity-state.ts';
import { JoinRules } from './join-rules.ts';
import { anchorIn, isBlocked, isOpen, NODE } from './node-words.ts';
import type { OperatorStatement } from './operator-statement.ts';
import {
  type Explanation,
  explainEnds,
  type GraphParts,
  graphOfProfile,
  type PathEnd,
  type ProfileGraph,
} from './profile-graph.ts';
import { ProfileLookup, type ResolvedRequest } from './profile-lookup.ts';
import { ProfileStore } from './profile-store.ts';
import { Separations } from './separations.ts';

/** New nodes, anchors and edges that one event can bring when it is as short as can be. */
const NODES_PER_EVENT = 3;
/** Edges and other statements per identifier of an event: an edge, and a quarantine of each of its ends. */
const EDGES_PER_NODE = 3;
/** Bytes a value takes beside itself: its type. */
const VALUE_OVERHEAD_BYTES = 1;
/** Words of a row in what the native index writes: four, and a list of 16 nodes. */
const ROW_WORDS_MAX = 4 + 1 + 2 * 16;

const RULES_CHANGED: CommandOutcome = Object.freeze({
  isChanged: true,
  obstacle: null,
  before: [],
  after: [],
});

export interface IdentityGraphOptions {
  /** The hot directory, which exists. */
  readonly directory: string;
  /** 16 bytes that stay the same for the life of the tenant. */
  readonly secret: Uint8Array;
  readonly edges: EdgeLog;
  /** Identifiers the tenant can hold. Tests make it small. */
  readonly nodesMax?: number;
}

/** A run of rows of one `events` segment, and where they came from. */
export interface RowRun {
  readonly segment: NativeRegion;
  readonly row: number;
  readonly count: number;
  /** Of the first row; the others follow. */
  readonly sequence: number;
  readonly receivedAtMicros: number;
  /** The `timestamp` column of the segment as 32-bit words. */
  readonly timestampWords: Int32Array;
  /** The `anchor` column of the segment, which is filled. */
  readonly anchors: Uint32Array;
  /** Told of the row (from 0) whose identifier of a type turned out to be blocked, once for each value. */
  readonly onBlocked?: (row: number, type: string) => void;
}

/** Room for values in proportion to that for nodes: 137 bytes each. */
function valuesBytesMax(nodesMax: number): number {
  const { identityNodesMax, identityValuesBytesMax } = LIMITS;
  return Math.floor(identityValuesBytesMax * (nodesMax / identityNodesMax));
}

export class IdentityGraph {
  readonly profiles: ProfileStore;
  readonly #edges: EdgeGraph;
  readonly #index: NativeIdentifierIndex;
  readonly #typeNames: IdentifierTypeNames;
  readonly #nodeAnchors: SharedArray<'u32'>;
  /** node-words.ts, by node. */
  readonly #words: Int32Array;
  readonly #separations = new Separations();
  readonly #journal: IdentityJournal;
  readonly #nodes = new Uint32Array(LIMITS.batchEventsMax * ROW_WORDS_MAX);
  readonly #operator: IdentityOperator;
  readonly #profilesPerCommand: number;
  #rules: IdentityRules = DEFAULT_RULES;
  #joinRules: JoinRules;
  #resolver: EventResolver;
  #publishedNodes = 0;
  readonly #lookup: ProfileLookup;
  #typeList: readonly string[] = [];
  #run: RowRun | undefined;
  #row = 0;

  constructor(options: IdentityGraphOptions) {
    const { directory, secret, edges, nodesMax = LIMITS.identityNodesMax } = options;
    this.#index = new native.IdentifierIndex(directory, nodesMax, valuesBytesMax(nodesMax));
    this.#typeNames = new IdentifierTypeNames(directory);
    this.#nodeAnchors = SharedArray.create({
      directory,
      name: 'node_anchors',
      type: 'u32',
      capacity: nodesMax + 1,
    });
    const { buffer, byteOffset, length } = this.#nodeAnchors.values;
    this.#words = new Int32Array(buffer, byteOffset, length);
    this.profiles = new ProfileStore({ directory, secret, anchorsMax: nodesMax });
    this.#edges = new EdgeGraph({ directory, anchorsMax: nodesMax });
    this.#journal = new IdentityJournal(edges, this.#edges, this.profiles);
    this.#profilesPerCommand = Math.min(LIMITS.profileAnchorsMax, nodesMax >>> 4);
    this.#operator = new IdentityOperator({
      newProfilesMax: this.#profilesPerCommand,
      profiles: this.profiles,
      edges: this.#edges,
      separations: this.#separations,
      words: this.#words,
      journal: this.#journal,
      joinRules: () => this.#joinRules,
      nodeOf: ({ type, value }) => this.#nodeOf(type, value),
      nameOf: (node) => ({ type: this.typeOf(node), value: this.valueOf(node) }),
    });
    this.#joinRules = this.#joinRulesOf(DEFAULT_RULES);
    this.#lookup = new ProfileLookup(this.#index, this.#words, this.profiles);
    this.#resolver = this.#takeRules(DEFAULT_RULES);
    this.prepare(0, 0);
  }

  /** Identifiers seen so far. */
  get nodeCount(): number {
    return this.#index.count;
  }

  get rules(): IdentityRules {
    return this.#rules;
  }

  /** What it takes, by array. */
  get memory(): readonly ArrayMemory[] {
    const names = [...INDEX_PARTS, 'identifier_table'];
    return [
      ...names.map((name, part) => ({ name, bytes: this.#index.memoryOf(part) })),
      memoryOf(this.#nodeAnchors),
      ...this.profiles.memory,
      ...this.#edges.memory,
    ];
  }

  get memoryBytes(): number {
    return this.memory.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /**
   * The command that makes `next` the rules: types that it leaves out keep their numbers.
   * @param next the JSON form of a rule set. @throws TRIBUTARY_IDENTITY_RULES_INVALID
   */
  rulesCommand(next: unknown): IdentityCommand {
    const rules = reviseRules(this.#rules, parseRules(next, 0));
    return { command: 'rules', version: rules.version, rules: rulesToJson(rules) };
  }

  /** Looks for identifiers as a rule set says, in rows that are staged from now on. */
  extractBy(rules: IdentityRules): void {
    const { steps, paths } = extractionOf(rules);
    this.#index.configure(steps, paths, rules.logoutEvents, LIMITS.identifierBytesMax);
  }

  /**
   * Makes room for whatever `events` events of `bytes` bytes in all, and one command, can bring to {@link resolve}.
   * @throws TRIBUTARY_IDENTITY_NODES_FULL, TRIBUTARY_STORAGE_REGION_FULL
   */
  prepare(events: number, bytes: number): void {
    const nodes = Math.max(events * NODES_PER_EVENT, Math.ceil(bytes / 8));
    const reason = this.#index.prepare(nodes, bytes + nodes * VALUE_OVERHEAD_BYTES);
    if (reason !== '') {
      throw new TributaryError('TRIBUTARY_IDENTITY_NODES_FULL', {
        count: this.#index.count,
        reason,
      });
    }
    this.makeRoom(this.#index.count, nodes);
  }

  /**
   * Makes room for what `identifiers` in events, and one command, can lead to, beside the index.
   * @param nodes given so far; each of the identifiers may be one more. @throws TRIBUTARY_STORAGE_REGION_FULL
   */
  makeRoom(nodes: number, identifiers: number): void {
    this.#nodeAnchors.ensure(nodes + identifiers + 1);
    // Each may come in a minute of its own: of a replay.
    this.profiles.prepare(identifiers + this.#profilesPerCommand, identifiers + 1);
    const anchors = this.profiles.anchorCount + identifiers + 1;
    this.#edges.prepare(anchors, identifiers * EDGES_PER_NODE, identifiers + 1);
  }

  /** Lets the stager bring so many more identifiers, or fewer: there is room for them. */
  grant(identifiers: number): void {
    this.#index.grant(identifiers);
  }

  /** What finds the nodes of rows: the stager asks it in its own thread, in commit order. */
  get identifiers(): NativeIdentifierIndex {
    return this.#index;
  }

  /** Finds the nodes of `run`, and folds it. */
  resolve(run: RowRun): void {
    const resolved = this.#index.resolveRows(run.segment, run.row, run.count, this.#nodes);
    assert(resolved, 'staged rows of an events segment are resolved');
    this.fold(run, this.#nodes);
  }

  /** Attributes each visible row of `run`, whose `nodes` were found, to an anchor and counts it there. */
  fold(run: RowRun, nodes: Uint32Array): void {
    const { sequence, receivedAtMicros } = run;
    this.#journal.enter({ sequence, receivedAtMicros, ruleVersion: this.#rules.version });
    this.#run = run;
    this.#fetchAhead(run, nodes);
    for (let index = 0; index < run.count; index += 1) {
      const at = index * 4;
      const user = nodes[at]!;
      const anonymous = nodes[at + 1]!;
      const further = nodes[at + 2]! | nodes[at + 3]!;
      if ((user | anonymous | further) === 0) continue;
      let anchor = further === 0 ? this.#knownAnchor(user, anonymous) : 0;
      if (anchor === 0) {
        this.#row = index;
        this.#journal.at(sequence + index);
        anchor = this.#resolver.resolve(nodes, at);
        if (anchor === 0) continue;
      }
      const row = run.row + index;
      run.anchors[row] = anchor;
      this.profiles.countEvent(
        anchor,
        run.timestampWords[row * 2]!,
        run.timestampWords[row * 2 + 1]!,
      );
    }
  }

  /** Has the processor fetch what the rows lead to, which lies all over memory. */
  #fetchAhead({ count }: RowRun, nodes: Uint32Array): void {
    const { profileOf, records, times } = this.profiles;
    const { headOf, linkWords } = this.#edges;
    native.fetchFold(nodes, count, this.#words, profileOf, records, times, headOf, linkWords);
  }

  /**
   * What a command would do now.
   * @throws TRIBUTARY_IDENTITY_TYPE_UNKNOWN; TRIBUTARY_IDENTITY_RULES_OUTDATED for rules made from others
   * than those of now: they would give types other numbers.
   */
  preview(command: IdentityCommand): CommandOutcome {
    if (command.command === 'rules') {
      const current = this.#rules.version;
      if (command.version === current + 1) return RULES_CHANGED;
      const version = command.version - 1;
      throw new TributaryError('TRIBUTARY_IDENTITY_RULES_OUTDATED', { version, current });
    }
    return this.#operator.preview(command);
  }

  /**
   * Carries a command of the log out. One at a time is under way, for which there is room.
   * @param nodes there are in the log before it.
   */
  carryOut(
    command: IdentityCommand,
    sequence: number,
    receivedAtMicros: number,
    nodes: number,
  ): CommandOutcome {
    this.#publishedNodes = nodes;
    this.#journal.enter({ sequence, receivedAtMicros, ruleVersion: this.#rules.version });
    if (command.command !== 'rules') return this.#operator.carryOut(command);
    this.#configure(parseRules(command.rules, command.version));
    return RULES_CHANGED;
  }

  /** Does what a command of another log did, for which there is room. @returns whether it found anything to do. */
  restate(statement: OperatorStatement, sequence: number, receivedAtMicros: number): boolean {
    this.#publishedNodes = this.#index.count;
    this.#journal.enter({ sequence, receivedAtMicros, ruleVersion: this.#rules.version });
    return this.#operator.restate(statement).isChanged;
  }

  /**
   * Forgets anchors and what they stood for, in the place of the log where they are erased. Nothing is being
   * staged, and all that was staged is folded. @param nodes there are in the log before it.
   */
  erase(anchors: readonly number[], nodes: number): ErasedAnchors {
    this.#publishedNodes = nodes;
    return eraseAnchors(anchors, {
      profiles: this.profiles,
      edges: this.#edges,
      separations: this.#separations,
      words: this.#words,
      index: this.#index,
      isBlockedNode: (node) => this.#operator.isBlocked(node),
      nameOf: (node) => ({ type: this.typeOf(node), value: this.valueOf(node) }),
    });
  }

  /** Lets readers see what was folded so far. @param nodes there are in it, if not all. */
  publish(nodes: number = this.#index.count): void {
    this.#index.publish(nodes);
    this.#nodeAnchors.publish(nodes + 1);
    this.#publishedNodes = nodes;
    this.profiles.publish();
  }

  /**
   * The profile an identifier belongs to today; 0 when it was never seen, names nobody, or is a device
   * whose owner logged out.
   * @throws TributaryError TRIBUTARY_IDENTITY_TYPE_UNKNOWN
   */
  profileOf(type: string, value: string): number {
    return this.profiles.profileOf[this.#anchorOf(type, value)]!;
  }

  /**
   * The public id of the profile an identifier belongs to today; null as 0 of {@link profileOf}.
   * @throws TributaryError TRIBUTARY_IDENTITY_TYPE_UNKNOWN
   */
  resolveProfileId(type: string, value: string): string | null {
    const profile = this.profileOf(type, value);
    return profile === 0 ? null : this.profiles.idOf(profile);
  }

  /** The profiles of all identifiers of a request; undefined when it is not in its plain form. */
  resolveRequest(request: Uint8Array): ResolvedRequest | undefined {
    return this.#lookup.answer(request, this.#typeList);
  }

  /** The graph of the profile a public id leads to; undefined when it is none of this tenant's. */
  graphOf(profileId: string): ProfileGraph | undefined {
    const profile = this.profiles.profileWithId(profileId);
    if (profile === 0) return undefined;
    return graphOfProfile(this.profiles.currentOf(profile), this.#graphParts());
  }

  /**
   * Why two identifiers are, or are not, one person; undefined while one of them belongs to nobody.
   * @throws TributaryError TRIBUTARY_IDENTITY_TYPE_UNKNOWN
   */
  explain(a: NamedIdentifier, b: NamedIdentifier): Explanation | undefined {
    const [from, to] = [this.#endOf(a), this.#endOf(b)];
    return explainEnds(from, to, this.#graphParts());
  }

  /** The value of a node that was given. */
  valueOf(node: number): string {
    const value = this.#index.valueOf(node);
    assert(value !== undefined, 'only given nodes are asked for');
    return value;
  }

  /** The name of the type of a node that was given. */
  typeOf(node: number): string {
    return typeName(this.#rules, this.#index.typeOf(node));
  }

  /** What a checkpoint keeps. All of it was published, and nothing is being staged. */
  state(): StatePart[] {
    return stateOfIdentity(this.#stateOwners, this.#rules);
  }

  /** Takes over what {@link IdentityGraph.state} was; this is fresh. @throws as restoreIdentity does. */
  async restore(source: StateSource): Promise<void> {
    this.#resolver = this.#takeRules(await restoreIdentity(this.#stateOwners, source));
    this.prepare(0, 0);
  }

  /** Unmaps everything. Idempotent. */
  close(): void {
    this.#index.close();
    this.#typeNames.close();
    this.#nodeAnchors.close();
    this.profiles.close();
    this.#edges.close();
  }

  /** The anchor of an event whose identifiers bring nothing new, else 0. */
  #knownAnchor(user: number, anonymous: number): number {
    const words = this.#words;
    const visitor = anonymous === 0 ? 0 : words[anonymous]!;
    if (user === 0) return Math.max(visitor, 0);
    const owner = words[user]!;
    if (owner <= 0 || visitor < 0) return 0;
    if (anonymous === 0) return owner;
    const { profileOf } = this.profiles;
    if (visitor === 0 || profileOf[owner] !== profileOf[visitor]) return 0;
    return this.#edges.between(visitor, owner) === 0 ? 0 : owner;
  }

  /** The anchor that takes the events of an identifier; 0 when it belongs to nobody. */
  #anchorOf(type: string, value: string): number {
    const node = this.#nodeOf(type, value);
    const word = node === 0 ? 0 : this.#words[node]!;
    return isOpen(word) && !isBlocked(word) ? anchorIn(word) : 0;
  }

  /** An identifier as an end of a path. */
  #endOf({ type, value }: NamedIdentifier): PathEnd {
    const node = this.#nodeOf(type, value);
    const names = node !== 0 && !isBlocked(this.#words[node]!);
    return { node: names ? node : 0, anchor: this.#anchorOf(type, value) };
  }

  get #stateOwners(): IdentityStateOwners {
    return {
      index: this.#index,
      nodeAnchors: this.#nodeAnchors,
      profiles: this.profiles,
      edges: this.#edges,
      separations: this.#separations,
      operator: this.#operator,
    };
  }

  #graphParts(): GraphParts {
    const nameOf = (node: number): NamedIdentifier => ({
      type: this.typeOf(node),
      value: this.valueOf(node),
    });
    return { profiles: this.profiles, edges: this.#edges, nameOf };
  }

  #nodeOf(type: string, value: string): number {
    const number = typeNumber(this.#rules, type);
    if (number === 0) throw new TributaryError('TRIBUTARY_IDENTITY_TYPE_UNKNOWN', { type });
    const node = this.#index.lookup(number, value);
    // Of batches that are not durable yet nobody knows.
    return node <= this.#publishedNodes ? node : 0;
  }

  #joinRulesOf(rules: IdentityRules): JoinRules {
    const separations = this.#separations;
    return new JoinRules({ rules, profiles: this.profiles, edges: this.#edges, separations });
  }

  /** Takes a rule set over, for the events that follow. What was decided before stays. */
  #configure(rules: IdentityRules): void {
    this.#resolver = this.#takeRules(rules);
    // Each value is judged by the new rules when it comes next.
    for (let node = 1; node <= this.#publishedNodes; node += 1) {
      const word = this.#words[node]!;
      if (word !== 0) this.#words[node] = (word & ~(NODE.blocked | NODE.shared)) | NODE.attention;
    }
    this.#operator.markBlocked();
  }

  #takeRules(rules: IdentityRules): EventResolver {
    this.#rules = rules;
    this.#joinRules = this.#joinRulesOf(rules);
    this.#typeList = rules.types.map(({ type }) => type);
    this.extractBy(rules);
    this.#typeNames.write(rules);
    const { profiles } = this;
    const edges = this.#edges;
    return new EventResolver({
      rules,
      blocked: new BlockedValues(rules),
      index: this.#index,
      words: this.#words,
      profiles,
      edges,
      joinRules: this.#joinRules,
      journal: this.#journal,
      isBlockedNode: (node) => this.#operator.isBlocked(node),
      onBlocked: (type) => this.#run?.onBlocked?.(this.#row, typeName(this.#rules, type)),
    });
  }
}
