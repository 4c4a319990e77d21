/**
 * The fold over the log: what a batch of staged rows does to the state of its tenant. Live batches and
 * replayed ones take the same way, in commit order; that is what makes recovery exact.
 *
 * Duplicates were hidden and nodes found while the rows were staged. Per batch: attribute the visible
 * rows to anchors and profiles, keep what was noted. Per group: publish identity, edges, quarantine and rows, in that order, so that a reader who sees a row sees whose it is.
 */
import { assert } from '../base/assert.ts';
import type { IdentityCommand } from '../identity/identity-command.ts';
import { IdentityGraph } from '../identity/identity-graph.ts';
import type { CommandOutcome } from '../identity/identity-operator.ts';
import type { HotTable } from '../storage/hot-table.ts';
import type { SegmentFile } from '../storage/segment-file.ts';
import {
  partOfBytes,
  restoreBytes,
  type StatePart,
  type StateSource,
} from '../storage/state-part.ts';
import { EdgeTable } from './edge-table.ts';
import type { Quarantine } from './quarantine.ts';
import type { StagedRows } from './staged-rows.ts';
import {
  INITIAL_CONFIGURATION,
  parseConfiguration,
  serialiseConfiguration,
  type TenantConfiguration,
} from './tenant-configuration.ts';
import type { TenantSecret } from './tenant-secret.ts';

export interface EventFoldOptions {
  readonly directory: string;
  readonly events: HotTable;
  readonly edges: HotTable;
  readonly merges: HotTable;
  readonly quarantine: Quarantine;
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
  readonly #events: HotTable;
  readonly #edges: EdgeTable;
  readonly #quarantine: Quarantine;
  #configuration = INITIAL_CONFIGURATION;
  #views: SegmentViews | undefined;
  #appliedRows = 0;
  #appliedNodes = 0;

  constructor(options: EventFoldOptions) {
    const { directory, events, edges, merges, quarantine, secret, nodesMax } = options;
    this.#quarantine = quarantine;
    this.#events = events;
    this.#edges = new EdgeTable(edges, merges);
    this.identity = new IdentityGraph({
      directory,
      secret: secret.profileIds,
      edges: this.#edges,
      nodesMax,
    });
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
    this.#appliedRows += count;
    this.#appliedNodes = rows.nodeCount;
    this.#quarantine.keep(rows);
  }

  /** Carries out what an operator said of identity, in its place in the log. */
  carryOut(command: IdentityCommand, sequence: number, receivedAtMicros: number): CommandOutcome {
    return this.identity.carryOut(command, sequence, receivedAtMicros, this.#appliedNodes);
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
    return [...this.identity.state(), partOfBytes(CONFIGURATION_PART, configuration)];
  }

  /**
   * Takes over what {@link EventFold.state} was, and publishes it; this is fresh.
   * @throws as {@link IdentityGraph.restore}, and TRIBUTARY_ENGINE_CONFIGURATION_UNKNOWN.
   */
  async restore(source: StateSource): Promise<void> {
    this.#configuration = parseConfiguration(await restoreBytes(CONFIGURATION_PART, source));
    await this.identity.restore(source);
    this.#appliedNodes = this.identity.nodeCount;
    this.publish();
  }

  /** Unmaps identity. Idempotent. */
  close(): void {
    this.identity.close();
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
