/**
 * What became of the events of one message id, from the two places that know: queries see what was
 * accepted, hot and cold, and the rows of `dead_letters` and `warnings`; the hot segments also hold what
 * queries leave out, above all duplicates.
 */
import type { MessageRow } from '../engine/message-search.ts';
import { timeOfMicros } from './iso-time.ts';
import type { Row } from './sql-rows.ts';

/**
 * - `accepted`: a row of `events`.
 * - `duplicate`: its id had been accepted before, as `duplicateOf`; with another content when it `differs`.
 * - `rejected`: a row of `dead_letters`, for `code` at `path`.
 * - `hidden`: neither; the first event of the id is gone from the appliance, or the person was erased.
 */
export type OccurrenceState = 'accepted' | 'duplicate' | 'rejected' | 'hidden';

export interface Occurrence {
  readonly sequence: number;
  readonly state: OccurrenceState;
  readonly receivedAt: string;
  readonly source: string | null;
  readonly type?: unknown;
  readonly event?: unknown;
  readonly timestamp?: unknown;
  readonly anchor?: unknown;
  readonly profileId?: unknown;
  readonly duplicateOf?: number;
  readonly differs?: boolean;
  readonly code?: unknown;
  readonly path?: unknown;
  readonly warnings?: readonly { readonly code: string; readonly path: string }[];
  /** The hot segment that holds the row, hidden or not; none once it is in a cold file alone. */
  readonly segment?: number;
  /** Of an accepted row that no segment has: the file of the lake; several while the row may be in either. */
  readonly files?: readonly string[];
}

const COLUMNS = `sequence, received_at, source, code, path, type, event, timestamp, anchor, profile_id`;
/** An id that the decoder gave an event without one. */
const GIVEN_ID = /^seq-(\d{1,15})$/;

/** The query whose rows {@link assembleTrace} takes; `limit` bounds each part. */
export function traceQuery(
  messageId: string,
  since: string | undefined,
  limit: number,
): { sql: string; params: (string | number)[] } {
  const time = since === undefined ? '' : ' AND received_at >= $3::TIMESTAMPTZ';
  const part = (kind: string, table: string, columns: string, where: string): string =>
    `(SELECT '${kind}' AS kind, ${columns} FROM ${table} WHERE ${where}${time}
      ORDER BY sequence LIMIT ${limit})`;
  const none = 'NULL AS type, NULL AS event, NULL AS timestamp, NULL AS anchor, NULL AS profile_id';
  const noted = `sequence, received_at, source, code, path, ${none}`;
  const accepted = COLUMNS.replace('code, path', 'NULL AS code, NULL AS path').replace(
    'profile_id',
    'profile_id::VARCHAR AS profile_id',
  );
  const letters = '(message_id = $1 OR (message_id IS NULL AND sequence = $2))';
  const parts = [
    part('accepted', 'events', accepted, 'message_id = $1'),
    part('rejected', 'dead_letters', noted, letters),
    part('warning', 'warnings', noted, 'message_id = $1'),
  ];
  const given = GIVEN_ID.exec(messageId)?.[1];
  const params = [messageId, Number(given ?? -1), ...(since === undefined ? [] : [since])];
  return { sql: `SELECT kind, ${COLUMNS} FROM (${parts.join(' UNION ALL ')})`, params };
}

/** @returns every occurrence, in commit order. */
export function assembleTrace(
  hotRows: readonly MessageRow[],
  queried: readonly Row[],
): readonly Occurrence[] {
  const segments = new Map(hotRows.map((row) => [row.sequence, row.segmentId]));
  const occurrences = new Map<number, Occurrence>();
  const warnings = new Map<number, { code: string; path: string }[]>();
  for (const [kind, sequence, receivedAt, source, code, path, ...event] of queried) {
    const at = Number(sequence);
    if (kind === 'warning') {
      const noted = warnings.get(at) ?? [];
      noted.push({ code: String(code), path: String(path) });
      warnings.set(at, noted);
      continue;
    }
    const common = { sequence: at, receivedAt: String(receivedAt), source: textOf(source) };
    occurrences.set(
      at,
      kind === 'rejected'
        ? { ...common, state: 'rejected', code, path }
        : { ...common, state: 'accepted', ...eventFields(event) },
    );
  }
  const firstAccepted = (before: number): number | undefined =>
    [...occurrences.values()]
      .filter(({ state, sequence }) => state === 'accepted' && sequence < before)
      .map(({ sequence }) => sequence)
      .sort((left, right) => left - right)[0];
  for (const row of hotRows) {
    if (row.isHidden && !occurrences.has(row.sequence)) {
      occurrences.set(row.sequence, hiddenOccurrence(row, firstAccepted(row.sequence), warnings));
    }
  }
  return [...occurrences.values()]
    .sort((left, right) => left.sequence - right.sequence)
    .map((occurrence) => {
      const segment = segments.get(occurrence.sequence);
      const noted = warnings.get(occurrence.sequence);
      return {
        ...occurrence,
        ...(noted !== undefined && { warnings: noted }),
        ...(segment !== undefined && { segment }),
      };
    });
}

/** Adds the files of the accepted rows that are in no hot segment. */
export async function withFiles(
  occurrences: readonly Occurrence[],
  filesOf: (rows: readonly RowPlace[]) => Promise<readonly (readonly string[])[]>,
): Promise<readonly Occurrence[]> {
  const isCold = ({ state, segment }: Occurrence): boolean =>
    state === 'accepted' && segment === undefined;
  const cold = occurrences.filter(isCold);
  const files = await filesOf(
    cold.map(({ sequence, anchor }) => ({ sequence, anchor: Number(anchor) })),
  );
  const bySequence = new Map(cold.map(({ sequence }, index) => [sequence, files[index] ?? []]));
  return occurrences.map((occurrence) => {
    const found = bySequence.get(occurrence.sequence);
    return found === undefined ? occurrence : { ...occurrence, files: found };
  });
}

interface RowPlace {
  readonly sequence: number;
  readonly anchor: number;
}

function hiddenOccurrence(
  { sequence, receivedAtMicros, source }: MessageRow,
  duplicateOf: number | undefined,
  warnings: ReadonlyMap<number, readonly { readonly code: string }[]>,
): Occurrence {
  const receivedAt = timeOfMicros(receivedAtMicros);
  const common = { sequence, receivedAt, source };
  if (duplicateOf === undefined) return { ...common, state: 'hidden' };
  const noted = warnings.get(sequence) ?? [];
  const differs = noted.some(({ code }) => code === 'duplicate_differs');
  return { ...common, state: 'duplicate', duplicateOf, differs };
}

function eventFields([type, event, timestamp, anchor, profileId]: Row): Partial<Occurrence> {
  return { type, event, timestamp, anchor, profileId };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
