/**
 * The body of `POST /v1/sql`: text to a checked request.
 *
 *     {"sql": "SELECT …", "params": [1, "x"], "format": "json", "timeout_ms": 5000}
 *
 * - Unknown members are refused: a mistyped `timeout` must not be ignored.
 * - The format is the first of: `format` in the body, `?format=`, the Accept header, JSON.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { SqlFormat, SqlParameter, SqlRequest } from './ports.ts';

const MEMBERS = new Set(['sql', 'params', 'format', 'timeout_ms']);

/** @throws TributaryError TRIBUTARY_INGEST_JSON_MALFORMED or TRIBUTARY_INGEST_REQUEST_INVALID */
export function parseSqlRequest(
  body: Uint8Array,
  tenantId: string,
  formatOfHead: SqlFormat,
): SqlRequest {
  const value = parseObject(body);
  for (const member of Object.keys(value)) {
    if (!MEMBERS.has(member)) refuse(`${JSON.stringify(member)} is not a member of it`);
  }
  const { sql, params = [], format = formatOfHead, timeout_ms: timeoutMs } = value;
  if (typeof sql !== 'string') refuse('"sql" is not a string');
  if (Buffer.byteLength(sql) > LIMITS.sqlBytesMax) {
    refuse(`"sql" is longer than ${LIMITS.sqlBytesMax} bytes`);
  }
  if (!isParameters(params))
    refuse('"params" is not a list of strings, numbers, booleans and null');
  if (params.length > LIMITS.sqlParametersMax) {
    refuse(`"params" holds more than ${LIMITS.sqlParametersMax} values`);
  }
  if (!isFormat(format)) refuse('"format" is neither "json" nor "ndjson"');
  const request = { tenantId, sql, params, format };
  if (timeoutMs === undefined) return request;
  if (!Number.isSafeInteger(timeoutMs) || (timeoutMs as number) < 1) {
    refuse('"timeout_ms" is not a whole number above 0');
  }
  return { ...request, timeoutMs: timeoutMs as number };
}

/** The format that `?format=` or the Accept header ask for. @throws TributaryError */
export function formatOfHead(queryFormat: string, accept: string): SqlFormat {
  if (isFormat(queryFormat)) return queryFormat;
  if (queryFormat !== '') refuse('?format= is neither json nor ndjson');
  return /application\/(x-)?ndjson/.test(accept) ? 'ndjson' : 'json';
}

function parseObject(body: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError('TRIBUTARY_INGEST_JSON_MALFORMED', { reason }, cause);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse('it is not a JSON object');
  }
  return value as Record<string, unknown>;
}

function isFormat(value: unknown): value is SqlFormat {
  return value === 'json' || value === 'ndjson';
}

function isParameters(value: unknown): value is readonly SqlParameter[] {
  return Array.isArray(value) && value.every(isParameter);
}

function isParameter(value: unknown): value is SqlParameter {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

function refuse(reason: string): never {
  throw new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
}
