/**
 * `GET /v1/trace/{messageId}`: where a message is, for the tenant of an admin key. docs/http.md is the
 * contract.
 *
 * `?since=` leaves out what was received before: cold files that hold nothing younger are then not read.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { MIB } from '../base/units.ts';
import { type AdminContext, AdminRoutes } from './admin-routes.ts';
import { requireReady } from './batch-intake.ts';
import { isoTime } from './iso-time.ts';
import { queryRows } from './sql-rows.ts';
import { assembleTrace, type Occurrence, traceQuery, withFiles } from './trace.ts';
import type { HttpRequest, TemplatedApp } from './uws.ts';

const TIMEOUT_MS = 30_000;
const RESULT_BYTES_MAX = 4 * MIB;

export function serveTrace(app: TemplatedApp, context: AdminContext): void {
  new AdminRoutes(app, context).get(
    '/v1/trace/:messageId',
    async (request, tenantId) => ({
      text: JSON.stringify(await trace(context, request, tenantId)),
    }),
    ['since'],
  );
}

interface Trace {
  readonly messageId: string;
  readonly occurrences: readonly Occurrence[];
}

/** Reads the request before its first await. */
async function trace(
  context: AdminContext,
  request: HttpRequest,
  tenantId: string,
): Promise<Trace> {
  const messageId = decodeParameter(request.getParameter(0) ?? '');
  const since = readTime(request, 'since');
  const { messages, sql } = requireReady(context.state());
  const hotRows = (await messages?.find(tenantId, messageId)) ?? [];
  const query = traceQuery(messageId, since, LIMITS.traceRowsMax);
  const limits = { bytesMax: RESULT_BYTES_MAX, timeoutMs: TIMEOUT_MS };
  const rows = await queryRows(sql, tenantId, { ...query, ...limits });
  const occurrences = assembleTrace(hotRows, rows);
  if (messages !== undefined && occurrences.length > 0) {
    const filesOf = messages.filesOf.bind(messages, tenantId);
    return { messageId, occurrences: await withFiles(occurrences, filesOf) };
  }
  if (occurrences.length > 0) return { messageId, occurrences };
  throw new TributaryError('TRIBUTARY_INGEST_MESSAGE_UNKNOWN', { messageId });
}

/** @throws TRIBUTARY_INGEST_REQUEST_INVALID */
function decodeParameter(text: string): string {
  const limit = LIMITS.messageIdBytesMax;
  let messageId = '';
  try {
    messageId = decodeURIComponent(text);
  } catch {
    // Left empty: percent signs that encode nothing.
  }
  if (messageId !== '' && Buffer.byteLength(messageId) <= limit) return messageId;
  const reason = `a message id is 1 to ${limit} bytes, percent-encoded`;
  throw new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
}

/** A time in the query, as ISO 8601 in UTC. @throws TRIBUTARY_INGEST_REQUEST_INVALID */
export function readTime(request: HttpRequest, name: string): string | undefined {
  const text = request.getQuery(name);
  if (text === undefined || text === '') return undefined;
  const time = isoTime(text);
  if (time !== undefined) return time;
  const reason = `\`${name}\` is not an ISO 8601 time such as 2026-03-01T02:00:00Z; a + is written %2B`;
  throw new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
}
