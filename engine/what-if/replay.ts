/**
 * Folds a tenant's events again by other rules, in tables and arrays of its own: identity's own code, over
 * rows instead of records of the log.
 *
 * - Rows are written into an `events` segment, where the native index looks for identifiers as it does
 *   for live rows; segments are let go as they are folded.
 * - Events that arrived together are folded together, as their record was; what an operator said comes
 *   between them, in its place.
 * - Each event is counted under the anchor it has today and the one it would have.
 *
 * Failure: TRIBUTARY_IDENTITY_NODES_FULL and TRIBUTARY_STORAGE_REGION_FULL, as for live events.
 */
import { LIMITS } from '../../base/limits.ts';
import { KIB } from '../../base/units.ts';
import { IdentityGraph } from '../../identity/identity-graph.ts';
import type { OperatorStatement } from '../../identity/operator-statement.ts';
import { EVENTS_SCHEMA } from '../../storage/events-schema.ts';
import type { SegmentFile } from '../../storage/segment-file.ts';
import type { TenantCapacities } from '../capacities.ts';
import { HotStore } from '../hot-store.ts';
import { type PastEvent, TEXT_COLUMNS } from './history.ts';
import { PairCounts } from './pair-counts.ts';
import { StatementTally } from './statement-tally.ts';

export interface WhatIfReplayOptions {
  /** Its own, made when missing. */
  readonly directory: string;
  readonly capacities: TenantCapacities;
  /** A command of the log that sets the rules to fold by. */
  readonly rules: { readonly version: number; readonly rules: Readonly<Record<string, unknown>> };
}

/** Public ids stay inside; they only have to differ. */
const SECRET = new Uint8Array(16);
/** A UTF-16 unit takes at most three bytes of UTF-8. */
const BYTES_PER_UNIT = 3;
/** Of one run: identity makes room for as many identifiers as its text could hold. */
const RUN_BYTES_MAX = 256 * KIB;

function columnOf(name: string): number {
  return EVENTS_SCHEMA.columns.findIndex((column) => column.name === name);
}

const SEQUENCE = columnOf('sequence');
const TIMESTAMP = columnOf('timestamp');
const RECEIVED_AT = columnOf('received_at');
const TEXTS = TEXT_COLUMNS.map((name) => {
  const column = columnOf(name);
  return { column, type: EVENTS_SCHEMA.columns[column]!.type };
});

interface Run {
  readonly segment: SegmentFile;
  /** In the segment. */
  readonly row: number;
  readonly sequence: number;
  readonly receivedAtMicros: number;
  /** Bytes of text, at most. */
  bytes: number;
  /** Of each event, the anchor it has today. */
  readonly today: number[];
}

export class WhatIfReplay {
  readonly identity: IdentityGraph;
  readonly tally = new StatementTally();
  /** Events by (anchor of today, anchor of the replay). */
  readonly attributions = new PairCounts();
  readonly #hot: HotStore;
  #run: Run | undefined;
  #events = 0;
  #unattributedToday = 0;
  #unattributed = 0;
  #blocked = 0;
  #statements = 0;
  #idleStatements = 0;

  constructor({ directory, capacities, rules }: WhatIfReplayOptions) {
    // Rows leave as they come: what is bounded is the pace at which they are let go.
    this.#hot = new HotStore(directory, Number.MAX_SAFE_INTEGER, capacities);
    this.identity = new IdentityGraph({
      directory,
      secret: SECRET,
      edges: this.tally,
      nodesMax: capacities.identityNodes,
    });
    this.identity.carryOut({ command: 'rules', ...rules }, 0, 0, 0);
  }

  get events(): number {
    return this.#events;
  }

  /** Events that name nobody, today and by these rules. */
  get unattributed(): { readonly before: number; readonly after: number } {
    return { before: this.#unattributedToday, after: this.#unattributed };
  }

  /** Values that turned out to be blocked. */
  get blocked(): number {
    return this.#blocked;
  }

  /** What an operator said, and how much of it found nothing to do. */
  get statements(): { readonly count: number; readonly idle: number } {
    return { count: this.#statements, idle: this.#idleStatements };
  }

  /** Takes the next event of the log. */
  add(event: PastEvent): void {
    const longest = event.texts.reduce((most, text) => Math.max(most, text?.length ?? 0), 0);
    const row = this.#hot.events.beginRow(BYTES_PER_UNIT * longest);
    this.#continueRun(event, this.#hot.events.activeSegment);
    row.setU64(SEQUENCE, event.sequence);
    row.setTimestamp(TIMESTAMP, event.timestampMicros);
    row.setTimestamp(RECEIVED_AT, event.receivedAtMicros);
    const run = this.#run!;
    for (const [index, { column, type }] of TEXTS.entries()) {
      const text = event.texts[index];
      if (text == null) continue;
      run.bytes += BYTES_PER_UNIT * text.length;
      if (type === 'dictionary') row.setDictionary(column, text);
      else if (type === 'json') row.setJson(column, text);
      else row.setUtf8(column, text);
    }
    row.endRow();
    run.today.push(event.anchor);
  }

  /** Takes what an operator said next. */
  restate(statement: OperatorStatement, sequence: number, receivedAtMicros: number): void {
    this.settle();
    this.identity.prepare(0, 0);
    this.#statements += 1;
    if (!this.identity.restate(statement, sequence, receivedAtMicros)) this.#idleStatements += 1;
  }

  /** Folds what was added, and lets its rows go. */
  settle(): void {
    this.#foldRun();
    const { events } = this.#hot;
    events.publishTo(events.stagedRows);
    events.setCold(events.publishedRows, 0);
  }

  /** Nothing more comes: what was folded can be asked. */
  finish(): void {
    this.settle();
    this.identity.publish();
  }

  close(): void {
    this.identity.close();
    this.#hot.close();
  }

  /** Ends the run that `event`, whose row was begun in `segment`, does not belong to. */
  #continueRun({ sequence, receivedAtMicros }: PastEvent, segment: SegmentFile): void {
    const run = this.#run;
    const isSame =
      run !== undefined &&
      run.segment === segment &&
      run.receivedAtMicros === receivedAtMicros &&
      run.sequence + run.today.length === sequence &&
      run.today.length < LIMITS.batchEventsMax &&
      run.bytes < RUN_BYTES_MAX;
    if (isSame) return;
    this.#foldRun();
    const row = segment.stagedRows;
    this.#run = { segment, row, sequence, receivedAtMicros, bytes: 0, today: [] };
  }

  #foldRun(): void {
    const run = this.#run;
    this.#run = undefined;
    if (run === undefined) return;
    const { segment, row, sequence, receivedAtMicros, bytes, today } = run;
    const count = today.length;
    const anchors = segment.u32Column('anchor');
    this.identity.prepare(count, bytes);
    this.identity.resolve({
      segment: segment.region,
      row,
      count,
      sequence,
      receivedAtMicros,
      timestampWords: timestampsOf(segment),
      anchors,
      onBlocked: () => {
        this.#blocked += 1;
      },
    });
    this.#events += count;
    for (let index = 0; index < count; index += 1) {
      const before = today[index]!;
      const after = anchors[row + index]!;
      if (before === 0) this.#unattributedToday += 1;
      if (after === 0) this.#unattributed += 1;
      if ((before | after) !== 0) this.attributions.add(before, after);
    }
  }
}

function timestampsOf({ plan, region }: SegmentFile): Int32Array {
  const { valuesOffset } = plan.columns[TIMESTAMP]!;
  return new Int32Array(region.buffer, valuesOffset, 2 * plan.rowCapacity);
}
