/**
 * The fold over the log: what a batch of staged rows does to the state of its tenant. Live batches and
 * replayed ones take the same way, in commit order; that is what makes recovery exact.
 *
 * Per batch: hide what was sent before, attribute the rest to anchors and profiles. Per group:
 * publish identity, edges, quarantine and rows, in that order, so that a reader who sees a row sees whose it is.
 */
import { assert } from '../base/assert.ts';
import { LIMITS } from '../base/limits.ts';
import { IdentityGraph } from '../identity/identity-graph.ts';
import { type NativeMessageWindow, native } from '../native/index.ts';
import type { HotTable } from '../storage/hot-table.ts';
import type { SegmentFile } from '../storage/segment-file.ts';
import { readText } from '../storage/segment-text.ts';
import { EdgeTable } from './edge-table.ts';
import type { StagedRows } from './event-staging.ts';
import type { Quarantine } from './quarantine.ts';
import { INITIAL_CONFIGURATION, type TenantConfiguration } from './tenant-configuration.ts';
import type { TenantSecret } from './tenant-secret.ts';

export interface EventFoldOptions {
  readonly directory: string;
  readonly events: HotTable;
  readonly edges: HotTable;
  readonly quarantine: Quarantine;
  readonly secret: TenantSecret;
  /** Identifiers the tenant can hold. */
  readonly nodesMax: number;
}

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
  readonly #window: NativeMessageWindow;
  readonly #differing = new Uint32Array(1 + LIMITS.batchEventsMax);
  #configuration = INITIAL_CONFIGURATION;
  #views: SegmentViews | undefined;
  #appliedRows = 0;

  constructor(options: EventFoldOptions) {
    const { directory, events, edges, quarantine, secret, nodesMax } = options;
    this.#quarantine = quarantine;
    this.#events = events;
    this.#edges = new EdgeTable(edges);
    this.#window = new native.MessageWindow(
      this.#configuration.dedupeWindowMicros,
      secret.messageIds,
    );
    this.identity = new IdentityGraph({
      directory,
      secret: secret.profileIds,
      edges: this.#edges,
      nodesMax,
    });
  }

  get memoryBytes(): number {
    return this.identity.memoryBytes + this.#window.memoryBytes;
  }

  /** What the log has said so far. */
  get configuration(): TenantConfiguration {
    return this.#configuration;
  }

  /** Takes a configuration over, from the next batch on. */
  configure(configuration: TenantConfiguration): void {
    this.#configuration = configuration;
    this.#window.setWindow(configuration.dedupeWindowMicros);
  }

  /** Applies the next staged rows. @returns how many were duplicates. */
  apply(rows: StagedRows, sequence: number, receivedAtMicros: number): number {
    const { segment, row, count } = rows;
    assert(
      segment.firstRow + row === this.#appliedRows,
      'rows are applied in the order of the log',
    );
    const duplicates = this.#window.hideDuplicates(
      segment.region,
      row,
      count,
      receivedAtMicros,
      this.#differing,
    );
    assert(duplicates >= 0, 'staged rows of an events segment are checked for duplicates');
    const { timestampWords, anchors } = this.#viewsOf(segment);
    this.identity.resolve({
      segment: segment.region,
      row,
      count,
      sequence,
      receivedAtMicros,
      timestampWords,
      anchors,
    });
    this.#appliedRows += count;
    const origin = { sequence, receivedAtMicros, sourceName: rows.sourceName };
    this.#quarantine.keep(rows, origin);
    for (let at = 1; at <= this.#differing[0]!; at += 1) {
      const index = this.#differing[at]!;
      const messageId = readText(segment, 'message_id', row + index);
      this.#quarantine.warn(origin, { index, code: 'duplicate_differs', path: '', messageId });
    }
    return duplicates;
  }

  /** Makes everything applied visible to queries. */
  publish(): void {
    this.identity.publish();
    this.#edges.publish();
    this.#quarantine.publish();
    this.#events.publishTo(this.#appliedRows);
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
      timestampWords: new Int32Array(segment.region.buffer, timestamp.valuesOffset, 2 * rows),
      anchors: segment.u32Column('anchor'),
    };
    return this.#views;
  }
}
