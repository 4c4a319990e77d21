/**
 * The fold over the log: what a batch of staged rows does to the state of its tenant. Live batches and
 * replayed ones take the same way, in commit order; that is what makes recovery exact.
 *
 * Duplicates were hidden and nodes found while the rows were staged. Per batch: attribute the visible
 * rows to anchors and profiles, keep what their traits say and what was noted. Per group: publish identity, edges, quarantine and rows, in that order, so that a reader who sees a row sees whose it is.
 */
import { assert } from '../base/assert.ts';
import type { IdentityCommand } from '../identity/identity-command.ts';
import { IdentityGraph } from '../identity/identity-graph.ts';
import type { CommandOutcome } from '../identity/identity-operator.ts';
import { TraitStore } from '../identity/trait-store.ts';
import type { HotTable } from '../storage/hot-table.ts';
import type { SegmentFile } from '../storage/segment-file.ts';
import {
  partOfBytes,
  restoreBytes,
  type StatePart,
  type StateSource,
} from '../storage/state-part.ts';
import { traitKeys } from './declared-traits.ts';
import { EdgeTable } from './edge-table.ts';
import { namedRowsOf } from './erased-rows.ts';
import { type Erasure, ErasureLedger } from './erasure-ledger.ts';
import type { EraseCommand } from './erasure-record.ts';
import type { HotStore } from './hot-store.ts';
import { IdentityRoom } from './identity-room.ts';
import { Quarantine } from './quarantine.ts';
import type { StagedRows } from './staged-rows.ts';
import { suppressionHash } from './suppression-hash.ts';
import {
  INITIAL_CONFIGURATION,
  parseConfiguration,
  serialiseConfiguration,
  type TenantConfiguration,
} from './tenant-configuration.ts';
import { suppressionKey, type TenantSecret } from './tenant-secret.ts';
import type { TraitsCommand } from './trait-record.ts';

export interface EventFoldOptions {
  readonly hot: HotStore;
  readonly secret: TenantSecret;
  /** Identifiers the tenant can hold. */
  readonly nodesMax: number;
}

/** The part of a checkpoint that has the configuration, as the log has it. */
const CONFIGURATION_PART = 'configuration';

interface SegmentViews {
  readonly segment: SegmentFile;
  readonly timestampWords: Int32Array;
  readonly anchors: Uint32Array;
}

export class EventFold {
  readonly identity: IdentityGraph;
  /** For what the rows to come bring to identity. */
  readonly room: IdentityRoom;
  /** Values of the traits that are declared. */
  readonly traits: TraitStore;
  readonly erasures = new ErasureLedger();
  readonly #tables: readonly HotTable[];
  readonly #events: HotTable;
  readonly #edges: EdgeTable;
  readonly #quarantine: Quarantine;
  readonly #suppressionKey: Uint8Array;
  #configuration = INITIAL_CONFIGURATION;
  #views: SegmentViews | undefined;
  #appliedRows = 0;
  #appliedNodes = 0;

  constructor({ hot, secret, nodesMax }: EventFoldOptions) {
    this.#quarantine = new Quarantine(hot.deadLetters, hot.warnings);
    this.#tables = hot.tables;
    this.#events = hot.events;
    this.#edges = new EdgeTable(hot.edges, hot.merges);
    this.#suppressionKey = suppressionKey(secret);
    this.identity = new IdentityGraph({
      directory: hot.directory,
      secret: secret.profileIds,
      edges: this.#edges,
      nodesMax,
    });
    this.room = new IdentityRoom(this.identity, nodesMax);
    this.traits = new TraitStore(hot.directory, nodesMax);
  }

  /** Rows of `events` that were applied, table-wide. */
  get appliedRows(): number {
    return this.#appliedRows;
  }

  /** What the log has said so far. */
  get configuration(): TenantConfiguration {
    return this.#configuration;
  }

  /** Takes a configuration over, from the next batch on. */
  configure(configuration: TenantConfiguration): void {
    this.#configuration = configuration;
    const isFirst = this.identity.profiles.anchorCount === 0;
    this.traits.keep(traitKeys(configuration.declarations.traits), isFirst);
  }

  /** Applies the next staged rows. */
  apply(rows: StagedRows): void {
    const { segment, row, count, sequence, receivedAtMicros } = rows;
    assert(
      segment.firstRow + row === this.#appliedRows,
      'rows are applied in the order of the log',
    );
    const { timestampWords, anchors } = this.#viewsOf(segment);
    this.identity.fold(
      {
        segment: segment.region,
        row,
        count,
        sequence,
        receivedAtMicros,
        timestampWords,
        anchors,
        onBlocked: (index, type) => this.#quarantine.noteBlocked(rows, index, type),
      },
      rows.nodes,
    );
    this.room.fold(rows.identifiers);
    this.traits.fold(segment.region, row, count, sequence);
    this.#appliedRows += count;
    this.#appliedNodes = rows.nodeCount;
    this.#quarantine.keep(rows);
  }

  /** Keeps what was said before keys were kept, unless other traits are declared by now. */
  keepTraits({ version, keys, values, isComplete }: TraitsCommand): void {
    if (version !== this.#configuration.declarations.version) return;
    for (const value of values) this.traits.put(value);
    if (isComplete) for (const key of keys) this.traits.complete(key);
  }

  /** Carries out what an operator said of identity, in its place in the log. */
  carryOut(command: IdentityCommand, sequence: number, receivedAtMicros: number): CommandOutcome {
    return this.identity.carryOut(command, sequence, receivedAtMicros, this.#appliedNodes);
  }

  /**
   * Erases, in its place in the log: all that was staged before is applied, and nothing is staged behind.
   * Hot rows are hidden at once; cold ones are named in what is returned, and others leave them out.
   */
  erase(command: EraseCommand, sequence: number, receivedAtMicros: number): Erasure {
    const { id, profile, reason, deadLetters, warnings } = command;
    const erased = this.identity.erase(command.anchors, this.#appliedNodes);
    this.traits.forget(erased.anchors);
    const rows = namedRowsOf(erased, command);
    for (const table of this.#tables) {
      const end = table === this.#events ? this.#appliedRows : table.stagedRows;
      table.hideNamed(rows[table.plan.schema.name] ?? [], end);
    }
    const { anchors, edges, events, identifiers } = erased;
    const key = this.#suppressionKey;
    const erasure: Erasure = {
      id,
      sequence,
      requestedAtMicros: receivedAtMicros,
      profile,
      reason,
      anchors,
      hashes: identifiers.map((identifier) => suppressionHash(key, identifier)),
      deadLetters,
      warnings,
      counts: {
        identifiers: erased.nodes.length,
        events,
        edges: edges.length,
        deadLetters: deadLetters.length,
        warnings: warnings.length,
      },
      rows,
      rewritten: null,
      goneAtMicros: null,
    };
    this.erasures.add(erasure);
    return erasure;
  }

  /** The keyed hash of what an anchor stands for; undefined for one that is not there, or was erased. */
  hashOf(anchor: number): string | undefined {
    const { identity } = this;
    if ((identity.profiles.profileOf[anchor] ?? 0) === 0) return undefined;
    const node = identity.profiles.nodeOf(anchor);
    const identifier = { type: identity.typeOf(node), value: identity.valueOf(node) };
    return suppressionHash(this.#suppressionKey, identifier);
  }

  /** Makes everything applied visible to queries. */
  publish(): void {
    this.identity.publish(this.#appliedNodes);
    this.#edges.publish();
    this.#quarantine.publish();
    this.#events.publishTo(this.#appliedRows);
  }

  /** What a checkpoint keeps of all this: everything but the rows of tables. It was published. */
  state(): StatePart[] {
    const configuration = serialiseConfiguration(this.#configuration);
    return [
      ...this.identity.state(),
      this.traits.state(),
      this.erasures.state(),
      partOfBytes(CONFIGURATION_PART, configuration),
    ];
  }

  /**
   * Takes over what {@link EventFold.state} was, and publishes it; this is fresh.
   * @throws as {@link IdentityGraph.restore}, and TRIBUTARY_ENGINE_CONFIGURATION_UNKNOWN.
   */
  async restore(source: StateSource): Promise<void> {
    this.#configuration = parseConfiguration(await restoreBytes(CONFIGURATION_PART, source));
    await this.identity.restore(source);
    await this.traits.restore(source);
    this.configure(this.#configuration);
    await this.erasures.restore(source);
    this.#appliedNodes = this.identity.nodeCount;
    this.room.stage(0, this.#appliedNodes);
    this.publish();
  }

  /** Unmaps identity and traits. Idempotent. */
  close(): void {
    this.identity.close();
    this.traits.close();
  }

  #viewsOf(segment: SegmentFile): SegmentViews {
    if (this.#views?.segment === segment) return this.#views;
    const timestamp = segment.plan.columns.find((column) => column.name === 'timestamp');
    assert(timestamp !== undefined, 'events have a timestamp');
    const rows = segment.plan.rowCapacity;
    this.#views = {
      segment,
      timestampWords: new Int32Array(segment.region.window(timestamp.valuesOffset, 8 * rows)),
      anchors: segment.u32Column('anchor'),
    };
    return this.#views;
  }
}
