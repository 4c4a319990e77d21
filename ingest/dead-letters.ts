/**
 * Dead letters as the API shows and chooses them: one query over `dead_letters`, in pages by sequence.
 *
 * Whether one was replayed is not written anywhere: it was when an event of its id is accepted. So it
 * holds whoever sent the event again, and for as long as the event is kept.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { MIB } from '../base/units.ts';
import { type DeadLetter, NEWEST_OF_ITS_ID, REPLAY_ID } from './dead-letter-event.ts';
import { isoTime } from './iso-time.ts';
import type { SqlExecutor } from './ports.ts';
import { queryRows, type Row } from './sql-rows.ts';

export interface DeadLetterFilter {
  readonly code?: string;
  readonly source?: string;
  /** ISO 8601; received at this time or later, and before. */
  readonly since?: string;
  readonly until?: string;
  /** Only those behind this sequence: the `next` of the page before. */
  readonly after?: number;
  readonly sequences?: readonly number[];
  /** Leaves out those that were replayed and rejected again since, which have a newer one of their id. */
  readonly isNewestOnly?: boolean;
  readonly limit: number;
}

export interface StoredDeadLetter extends DeadLetter {
  readonly source: string;
  readonly code: string;
  readonly path: string;
  /** Whether an event of its id is accepted. */
  readonly isReplayed: boolean;
}

export interface DeadLetterPage {
  readonly letters: readonly StoredDeadLetter[];
  /** What the next page is `after`; null when this is the last. */
  readonly next: number | null;
}

const TIMEOUT_MS = 30_000;
const RESULT_BYTES_MAX = 16 * MIB;

/** @throws TRIBUTARY_QUERY_*; TRIBUTARY_QUERY_RESULT_TOO_LARGE asks for a smaller `limit`. */
export async function readDeadLetters(
  sql: SqlExecutor,
  tenantId: string,
  filter: DeadLetterFilter,
): Promise<DeadLetterPage> {
  const query = deadLetterQuery(filter);
  const limits = { bytesMax: RESULT_BYTES_MAX, timeoutMs: TIMEOUT_MS };
  const rows = await queryRows(sql, tenantId, { ...query, ...limits });
  const letters = rows.slice(0, filter.limit).map(letterOf);
  const next = rows.length > filter.limit ? letters.at(-1)!.sequence : null;
  return { letters, next };
}

/** One row more than the page tells that there is another. */
function deadLetterQuery(filter: DeadLetterFilter): { sql: string; params: (string | number)[] } {
  const params: (string | number)[] = [];
  const conditions: string[] = [];
  const where = (condition: string, value: string | number | undefined): void => {
    if (value === undefined) return;
    params.push(value);
    conditions.push(condition.replace('?', `$${params.length}`));
  };
  where('code = ?', filter.code);
  where('source = ?', filter.source);
  where('received_at >= ?::TIMESTAMPTZ', filter.since);
  where('received_at < ?::TIMESTAMPTZ', filter.until);
  where('sequence > ?', filter.after);
  if (filter.sequences !== undefined) {
    conditions.push(`sequence IN (${filter.sequences.map(Number).join(', ') || 'NULL'})`);
  }
  if (filter.isNewestOnly === true) conditions.push(NEWEST_OF_ITS_ID);
  const sql = `WITH page AS (
      SELECT sequence, received_at, source, code, path, message_id, payload::VARCHAR AS payload,
        ${REPLAY_ID} AS replay_id
      FROM dead_letters ${conditions.length > 0 ? `WHERE ${conditions.join(' AND ')}` : ''}
      ORDER BY sequence LIMIT ${filter.limit + 1})
    SELECT sequence, received_at, source, code, path, message_id, payload,
      replay_id IN (SELECT message_id FROM events) AS is_replayed
    FROM page ORDER BY sequence`;
  return { sql, params };
}

function letterOf(row: Row): StoredDeadLetter {
  const [sequence, receivedAt, source, code, path, messageId, payload, isReplayed] = row;
  return {
    sequence: Number(sequence),
    receivedAt: String(receivedAt),
    source: String(source),
    code: String(code),
    path: String(path),
    messageId: typeof messageId === 'string' ? messageId : null,
    payload: String(payload),
    isReplayed: isReplayed === true,
  };
}

/**
 * Checks a filter as clients write it, in a query or as JSON.
 * @throws TRIBUTARY_INGEST_REQUEST_INVALID
 */
export function readFilter(fields: Readonly<Record<string, unknown>>): DeadLetterFilter {
  const { after, code, limit = 100, sequences, since, source, until } = fields;
  const numbers = sequences === undefined ? undefined : readSequences(sequences);
  const limitNumber = numbers === undefined ? readCount('limit', limit) : numbers.length;
  if (limitNumber > LIMITS.deadLettersMax) {
    throw invalid(`limit is ${limitNumber}, at most ${LIMITS.deadLettersMax}`);
  }
  return {
    limit: limitNumber,
    ...(numbers !== undefined && { sequences: numbers }),
    ...(code !== undefined && { code: readText('code', code) }),
    ...(source !== undefined && { source: readText('source', source) }),
    ...(since !== undefined && { since: readTime('since', since) }),
    ...(until !== undefined && { until: readTime('until', until) }),
    ...(after !== undefined && { after: readCount('after', after) }),
  };
}

function readSequences(value: unknown): readonly number[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid('sequences is not a list');
  return value.map((sequence) => readCount('each of sequences', sequence));
}

function readCount(name: string, value: unknown): number {
  const count = typeof value === 'string' && value !== '' ? Number(value) : value;
  if (Number.isSafeInteger(count) && Number(count) >= 0) return Number(count);
  throw invalid(`${name} is not a whole number`);
}

function readText(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value;
  throw invalid(`${name} is not a text`);
}

function readTime(name: string, value: unknown): string {
  const time = typeof value === 'string' ? isoTime(value) : undefined;
  if (time !== undefined) return time;
  throw invalid(`${name} is not an ISO 8601 time such as 2026-03-01T02:00:00Z`);
}

export function invalid(reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
}
