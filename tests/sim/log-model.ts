/**
 * State as a fold over the log, written again the slow and obvious way: what a tenant must show when
 * its log holds these entries and no others. Nothing here is shared with the engine.
 */
import { HOUR_MICROS } from '../../base/units.ts';
import type { TestEvent } from '../support/engine-fixture.ts';
import { type ReferenceRow, referenceRows } from '../support/reference-decoder.ts';
import { type ReferenceEdge, ReferenceIdentity } from '../support/reference-identity.ts';
import { ReferenceMessageWindow } from '../support/reference-message-window.ts';
import type { PlannedEvent } from './workload.ts';

const DAY_MICROS = 24 * HOUR_MICROS;

export interface LoggedBatch {
  readonly kind: 'batch';
  readonly events: readonly PlannedEvent[];
  readonly receivedAtMicros: number;
  readonly source: string;
}

export interface LoggedConfiguration {
  readonly kind: 'configuration';
  readonly dedupeWindowMicros: number;
}

/** What an operator said of identity. */
export interface LoggedCommand {
  readonly kind: 'command';
}

/** That somebody was erased, with the dead letters of these sequences. */
export interface LoggedErasure {
  readonly kind: 'erasure';
  readonly user: string;
  readonly deadLetters: readonly number[];
  /** The public profile id that they had, which is nobody's from here on. */
  readonly former: string;
}

/** How far erasures have come. */
export interface LoggedProgress {
  readonly kind: 'progress';
}

export type LogEntry =
  | LoggedBatch
  | LoggedConfiguration
  | LoggedCommand
  | LoggedErasure
  | LoggedProgress;

/** How many sequences an entry takes. */
export function sequencesOf(entry: LogEntry): number {
  return entry.kind === 'batch' ? entry.events.length : 1;
}

/** A row of `dead_letters` or `warnings`. */
export interface ModelNote {
  readonly sequence: number;
  readonly code: string;
  readonly path: string;
  readonly messageId: string | null;
}

export interface ModelOutcome {
  readonly received: number;
  readonly duplicates: number;
  readonly rejected: number;
  readonly lastSequence: number;
}

export interface ModelState {
  /** As the reference decoder gives them, with duplicates hidden too. */
  readonly events: readonly ReferenceRow[];
  /** By position in `events`: whom a visible event belongs to, undefined for nobody. */
  readonly people: readonly (object | undefined)[];
  readonly edges: readonly ReferenceEdge[];
  readonly deadLetters: readonly ModelNote[];
  readonly warnings: readonly ModelNote[];
  /** By position among the entries; undefined for what is no batch. */
  readonly outcomes: readonly (ModelOutcome | undefined)[];
  /**
   * Whether people and edges are as the log has them: commands are not modelled, nor who somebody is whose
   * identifiers met an erased person's. What they do must be the same whenever it is done, which the witness
   * sees to.
   */
  readonly knowsPeople: boolean;
  /** Sequences of events that were erased, and profile ids that are nobody's. */
  readonly erased: ReadonlySet<number>;
  readonly formerProfiles: ReadonlySet<string>;
  /** Identifiers that visible events named, with the person they stand for today. */
  readonly users: ReadonlyMap<string, object>;
  readonly devices: ReadonlyMap<string, object>;
}

/** @param initialWindowMicros the duplicate window before the first configuration entry. */
export function foldLog(entries: readonly LogEntry[], initialWindowMicros: number): ModelState {
  const window = new ReferenceMessageWindow(initialWindowMicros);
  const identity = new ReferenceIdentity();
  const events: ReferenceRow[] = [];
  let deadLetters: ModelNote[] = [];
  const erased = new Set<number>();
  const formerProfiles = new Set<string>();
  const warnings: ModelNote[] = [];
  /** Of each event: its position among those that identity saw, or none. */
  const positions: (number | undefined)[] = [];
  const outcomes: (ModelOutcome | undefined)[] = [];
  let sequence = 1;
  for (const entry of entries) {
    if (entry.kind !== 'batch') {
      if (entry.kind === 'configuration') window.setWindow(entry.dedupeWindowMicros);
      if (entry.kind === 'erasure') {
        const person = identity.profilesOf('user_id').get(entry.user);
        events.forEach((row, index) => {
          const position = positions[index];
          if (position === undefined || person === undefined) return;
          if (identity.attributed[position]?.profile !== person) return;
          events[index] = { ...row, hidden: true };
          erased.add(Number(row['sequence']));
        });
        deadLetters = deadLetters.filter((note) => !entry.deadLetters.includes(note.sequence));
        formerProfiles.add(entry.former);
      }
      outcomes.push(undefined);
      sequence += 1;
      continue;
    }
    const { receivedAtMicros, source } = entry;
    const payload = JSON.stringify({ batch: entry.events.map(({ event }) => event) });
    const rows = referenceRows(payload, sequence, receivedAtMicros, source);
    const late: ModelNote[] = [];
    let duplicates = 0;
    window.moveTo(receivedAtMicros);
    rows.forEach((row, index) => {
      const { event, rejection } = entry.events[index]!;
      const messageId = row['message_id'] as string;
      const note = { sequence: sequence + index, messageId };
      if (rejection !== undefined) {
        deadLetters.push({ ...note, ...rejection });
        events.push(row);
        positions.push(undefined);
        return;
      }
      if (isInFuture(event, receivedAtMicros)) {
        warnings.push({ ...note, code: 'timestamp_in_future', path: 'timestamp' });
      }
      const known = window.add(messageId, contentOf(event));
      if (known === 'differs') late.push({ ...note, code: 'duplicate_differs', path: '' });
      if (known !== 'new') duplicates += 1;
      events.push({ ...row, hidden: known !== 'new' });
      positions.push(known === 'new' ? identity.attributed.length : undefined);
      if (known === 'new') identity.add(event, Math.floor(receivedAtMicros / 1_000_000));
    });
    warnings.push(...late);
    const rejected = entry.events.filter(({ rejection }) => rejection !== undefined).length;
    sequence += rows.length;
    outcomes.push({ received: rows.length, duplicates, rejected, lastSequence: sequence - 1 });
  }
  const people = positions.map((position) =>
    position === undefined ? undefined : identity.attributed[position]?.profile,
  );
  const { edges } = identity;
  return {
    ...{ events, people, edges, deadLetters, warnings, outcomes, erased, formerProfiles },
    knowsPeople: entries.every(({ kind }) => kind !== 'command' && kind !== 'erasure'),
    users: identity.profilesOf('user_id'),
    devices: identity.profilesOf('anonymous_id'),
  };
}

function isInFuture(event: TestEvent, receivedAtMicros: number): boolean {
  const timestamp = event['timestamp'];
  if (typeof timestamp !== 'string') return false;
  return Date.parse(timestamp) * 1000 > receivedAtMicros + DAY_MICROS;
}

/** What must agree between two attempts: what the event says, and about whom. */
function contentOf(event: TestEvent): string {
  const { event: name, userId, anonymousId, properties, traits } = event;
  return JSON.stringify([name, userId, anonymousId, properties, traits]);
}
