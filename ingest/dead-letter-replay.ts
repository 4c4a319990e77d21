/**
 * Sends dead letters through the front of the write path again: those a filter chooses, patched or not,
 * or repaired events in place of what was stored.
 *
 * - What was replayed before is left out, and message ids keep a replay that crosses another from storing
 *   anything twice.
 * - Of letters of one id, which a replay that is rejected again makes, a filter chooses the newest.
 * - An event keeps the source it came from. It counts against the rates of the source's tenant like any.
 * - A batch holds letters of one source; nothing is undone when a later batch is refused: ask again.
 */
import { LIMITS } from '../base/limits.ts';
import type { AdminPrincipal } from '../engine/control.ts';
import { type BatchIntake, describeOutcome } from './batch-intake.ts';
import { eventOfDeadLetter } from './dead-letter-event.ts';
import {
  type DeadLetterFilter,
  invalid,
  readDeadLetters,
  readFilter,
  type StoredDeadLetter,
} from './dead-letters.ts';
import { parseJson } from './json-body.ts';
import { type Member, membersOf, partsOf } from './json-parts.ts';
import type { Authenticator, SqlExecutor } from './ports.ts';

export interface ReplayRequest {
  readonly filter: DeadLetterFilter;
  readonly patch: readonly Member[];
  /** By sequence: the JSON of the members that replace all of an event's own. */
  readonly repaired: ReadonlyMap<number, string>;
  /** Answers with the events, and sends none. */
  readonly isDryRun: boolean;
}

export interface ReplayParts {
  readonly authenticator: Authenticator;
  readonly intake: BatchIntake;
  readonly sql: SqlExecutor;
  nowMicros(): number;
}

export interface ReplayOutcome {
  /** Letters chosen, and of those: events sent, accepted before, and of no use: no objects, or too large. */
  readonly selected: number;
  readonly sent: number;
  readonly replayedBefore: number;
  readonly skipped: readonly number[];
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: readonly ReplayRejection[];
  readonly next: number | null;
  /** Of a dry run: the events that would be sent, as JSON. */
  readonly events?: readonly string[];
}

/** Why an event was not accepted this time either. */
export interface ReplayRejection {
  /** Of the dead letter that was replayed; a new one was written. */
  readonly sequence: number;
  readonly code: string;
  readonly path: string;
  readonly message: string;
}

interface ReplayedEvent {
  readonly sequence: number;
  readonly source: string;
  readonly json: string;
}

const KEYS: ReadonlySet<string> = new Set([
  'code',
  'source',
  'since',
  'until',
  'after',
  'limit',
  'sequences',
  'events',
  'patch',
  'dry_run',
]);
const CHOOSING: readonly string[] = ['code', 'source', 'since', 'until', 'sequences', 'events'];
/** Leaves room for the envelope of a batch. */
const BATCH_BYTES_MAX = LIMITS.batchBytesMax - 64;

/** @param body JSON. @throws TRIBUTARY_INGEST_REQUEST_INVALID, TRIBUTARY_INGEST_JSON_MALFORMED */
export function readReplayRequest(body: string): ReplayRequest {
  const fields = parseObject(body);
  const unknown = Object.keys(fields).find((key) => !KEYS.has(key));
  if (unknown !== undefined) throw invalid(`unknown key ${JSON.stringify(unknown)}`);
  if (!CHOOSING.some((key) => fields[key] !== undefined)) {
    throw invalid(`it chooses no dead letters: give one of ${CHOOSING.join(', ')}`);
  }
  const texts = new Map(membersOf(body).map(({ name, value }) => [name, value]));
  const { patch, events, dry_run: isDryRun = false, ...filter } = fields;
  if (patch !== undefined && !isObject(patch)) throw invalid('patch is not an object');
  if (patch !== undefined && 'messageId' in patch) {
    throw invalid('patch sets messageId, by which a second replay is known');
  }
  if (typeof isDryRun !== 'boolean') throw invalid('dry_run is neither true nor false');
  const repaired =
    events === undefined ? new Map<number, string>() : readRepaired(texts.get('events')!);
  if (repaired.size > 0 && (patch !== undefined || filter['sequences'] !== undefined)) {
    throw invalid('events goes with neither patch nor sequences');
  }
  const chosen = readFilter(
    repaired.size > 0 ? { ...filter, sequences: [...repaired.keys()] } : filter,
  );
  return {
    filter: { ...chosen, isNewestOnly: chosen.sequences === undefined },
    patch: patch === undefined ? [] : membersOf(texts.get('patch')!),
    repaired,
    isDryRun,
  };
}

/** @param text the JSON of `[{"sequence": 5, "event": {…}}, …]`. */
function readRepaired(text: string): Map<number, string> {
  const repaired = new Map<number, string>();
  for (const part of text.startsWith('[') ? partsOf(text) : ['']) {
    const members = part.startsWith('{') ? membersOf(part) : [];
    const values = new Map(members.map(({ name, value }) => [name, value]));
    const sequence = Number(values.get('sequence'));
    const event = values.get('event');
    if (!Number.isSafeInteger(sequence) || event?.startsWith('{') !== true) {
      throw invalid('events is not a list of {"sequence": …, "event": {…}}');
    }
    repaired.set(sequence, event);
  }
  if (repaired.size === 0) throw invalid('events is empty');
  return repaired;
}

/** @throws TributaryError when the letters cannot be read, or a batch is refused as a whole. */
export async function replay(
  parts: ReplayParts,
  admin: AdminPrincipal,
  request: ReplayRequest,
): Promise<ReplayOutcome> {
  const { letters, next } = await readDeadLetters(parts.sql, admin.tenantId, request.filter);
  const open = letters.filter(({ isReplayed }) => !isReplayed);
  const events: ReplayedEvent[] = [];
  const skipped: number[] = [];
  for (const letter of open) {
    const json = eventOf(letter, request);
    const { sequence, source } = letter;
    if (json === undefined || Buffer.byteLength(json) > BATCH_BYTES_MAX) skipped.push(sequence);
    else events.push({ sequence, source, json });
  }
  const chosen = {
    selected: letters.length,
    replayedBefore: letters.length - open.length,
    skipped,
    next,
  };
  const totals = { sent: 0, accepted: 0, duplicates: 0, rejected: [] };
  if (request.isDryRun) return { ...chosen, ...totals, events: events.map(({ json }) => json) };
  return { ...chosen, ...(await send(parts, admin, events)) };
}

function eventOf(letter: StoredDeadLetter, { patch, repaired }: ReplayRequest): string | undefined {
  const payload = repaired.get(letter.sequence);
  return eventOfDeadLetter(payload === undefined ? letter : { ...letter, payload }, patch);
}

async function send(
  { authenticator, intake, nowMicros }: ReplayParts,
  { tenantId, keyId }: AdminPrincipal,
  events: readonly ReplayedEvent[],
): Promise<Pick<ReplayOutcome, 'sent' | 'accepted' | 'duplicates' | 'rejected'>> {
  const rejected: ReplayRejection[] = [];
  let accepted = 0;
  let duplicates = 0;
  for (const batch of batchesOf(events)) {
    const source = authenticator.sourceNamed(tenantId, batch[0]!.source);
    if (source === undefined) throw invalid(`there is no source ${batch[0]!.source} any more`);
    const bytes = Buffer.from(`{"batch":[${batch.map(({ json }) => json).join(',')}]}`);
    const principal = { tenantId, source, keyId };
    const joined = { joinedRows: batch.length };
    const outcome = await intake.append(principal, 'json', bytes, nowMicros(), joined);
    accepted += outcome.accepted;
    duplicates += outcome.duplicates;
    for (const { index, code, path, message } of describeOutcome(outcome).rejected) {
      rejected.push({ sequence: batch[index]!.sequence, code, path, message });
    }
  }
  return { sent: events.length, accepted, duplicates, rejected };
}

/** Runs of events of one source that one batch may hold. */
function batchesOf(events: readonly ReplayedEvent[]): ReplayedEvent[][] {
  const batches: ReplayedEvent[][] = [];
  let bytes = 0;
  for (const event of events) {
    const eventBytes = Buffer.byteLength(event.json) + 1;
    const last = batches.at(-1);
    if (last?.[0]?.source === event.source && bytes + eventBytes <= BATCH_BYTES_MAX) {
      last.push(event);
      bytes += eventBytes;
    } else {
      batches.push([event]);
      bytes = eventBytes;
    }
  }
  return batches;
}

function parseObject(text: string): Readonly<Record<string, unknown>> {
  const value = parseJson(text);
  if (!isObject(value)) throw invalid('the body is not an object');
  return { ...value };
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
