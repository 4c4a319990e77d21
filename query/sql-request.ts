/** The body of `POST /v1/sql`, checked: what a client sent becomes a request, or an error that says why not. */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Parameter } from './duckdb.ts';
import { RESULT_FORMATS, type ResultFormat } from './result-formats.ts';

export interface SqlRequest {
  readonly sql: string;
  /** For $1, $2, … or each ?. */
  readonly parameters: readonly Parameter[];
  readonly format: ResultFormat;
  /** Null: the configured default. */
  readonly timeoutMs: number | null;
}

const KEYS: ReadonlySet<string> = new Set(['sql', 'params', 'format', 'timeout_ms']);

/** @param body the parsed JSON of the request. */
export function readSqlRequest(body: unknown): SqlRequest | TributaryError {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return invalid('the body is not a JSON object');
  }
  const fields: Readonly<Record<string, unknown>> = { ...body };
  const unknownKey = Object.keys(fields).find((key) => !KEYS.has(key));
  if (unknownKey !== undefined) return invalid(`unknown key ${JSON.stringify(unknownKey)}`);
  const { sql, params = [], format = 'json', timeout_ms: timeoutMs = null } = fields;
  if (typeof sql !== 'string') return invalid('`sql` is not a text');
  if (sql.trim() === '') return invalid('`sql` is empty');
  const known = RESULT_FORMATS.find((name) => name === format);
  if (known === undefined) return invalid(`\`format\` is not one of ${RESULT_FORMATS.join(', ')}`);
  if (timeoutMs !== null && !(Number.isSafeInteger(timeoutMs) && Number(timeoutMs) > 0)) {
    return invalid('`timeout_ms` is not a whole number above 0');
  }
  const parameters = readParameters(params);
  if (parameters instanceof TributaryError) return parameters;
  return {
    sql,
    parameters,
    format: known,
    timeoutMs: timeoutMs === null ? null : Number(timeoutMs),
  };
}

function readParameters(params: unknown): readonly Parameter[] | TributaryError {
  const refused = (reason: string): TributaryError =>
    new TributaryError('TRIBUTARY_QUERY_PARAMETERS_INVALID', { reason });
  if (!Array.isArray(params)) return refused('`params` is not a list');
  if (params.length > LIMITS.sqlParametersMax) {
    return refused(`${params.length} parameters, limit ${LIMITS.sqlParametersMax}`);
  }
  const position = params.findIndex((value) => !isParameter(value));
  if (position >= 0) return refused(`parameter ${position + 1} is a list or an object`);
  const bytes = Buffer.byteLength(JSON.stringify(params), 'utf8');
  if (bytes > LIMITS.sqlParametersBytesMax) {
    const limitBytes = LIMITS.sqlParametersBytesMax;
    return new TributaryError('TRIBUTARY_QUERY_TEXT_TOO_LARGE', {
      what: 'params',
      bytes,
      limitBytes,
    });
  }
  return params.filter(isParameter);
}

function isParameter(value: unknown): value is Parameter {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

function invalid(reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_QUERY_REQUEST_INVALID', { reason });
}
