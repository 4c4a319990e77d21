/**
 * Why a statement failed, as plain data that crosses from a worker to the appliance, and how DuckDB's
 * problems become ours.
 *
 * - What the analyst can mend (syntax, names, types, values) is told in DuckDB's words with line and
 *   column; what only the operator can is told in ours. No path and no setting reaches the analyst.
 * - A failure that leaves the engine in doubt asks for the worker's retirement.
 */
import type { ErrorCode, ErrorParameters } from '../base/errors.ts';
import { hintOf, nearestName } from '../base/nearest-name.ts';
import type { Problem } from './duckdb.ts';
import type { Denial, GatePolicy } from './gate.ts';

export interface Failure {
  readonly code: ErrorCode;
  readonly parameters: ErrorParameters;
  /** Whether the worker should be replaced before the next query. */
  readonly retire: boolean;
}

/** Characters of DuckDB's text that are passed on; its lists of candidates can run to 10 kB. */
const REASON_CHARACTERS_MAX = 1000;

export function failure(code: ErrorCode, parameters: ErrorParameters = {}): Failure {
  return { code, parameters, retire: false };
}

/** @param sql the text the position counts in. */
export function failureFromProblem(
  problem: Problem,
  sql: string,
  memoryLimitBytes: number,
): Failure {
  const reason = describe(problem, sql);
  switch (problem.kind) {
    case 'parser':
    case 'syntax':
      return failure('TRIBUTARY_QUERY_SYNTAX', { reason });
    case 'catalog':
    case 'binder':
      return failureOfNames(problem, reason);
    case 'conversion':
    case 'out of range':
    case 'invalid input':
    case 'invalid type':
    case 'mismatch type':
    case 'divide by zero':
    case 'decimal':
      return failure('TRIBUTARY_QUERY_VALUE_INVALID', { reason });
    case 'not implemented':
    case 'expression':
    case 'parameter not resolved':
    case 'parameter not allowed':
    case 'permission':
    case 'settings':
      return failure('TRIBUTARY_QUERY_INVALID', { reason });
    case 'interrupt':
      return failure('TRIBUTARY_QUERY_CANCELLED');
    case 'out of memory':
      return failureOfMemory(problem, memoryLimitBytes);
    case 'io':
      return failure('TRIBUTARY_QUERY_FAILED', { reason: 'a file could not be used' });
    default:
      return {
        code: 'TRIBUTARY_QUERY_FAILED',
        parameters: { reason: `${problem.kind} error` },
        retire: true,
      };
  }
}

export function failureFromDenial(denial: Denial, { relations }: GatePolicy): Failure {
  switch (denial.problem) {
    case 'relation':
      return unknownRelation(denial.name, [...relations]);
    case 'function':
      return failure('TRIBUTARY_QUERY_FUNCTION_UNKNOWN', { name: denial.name });
    case 'construct':
      return failure('TRIBUTARY_QUERY_STATEMENT_DENIED', { what: denial.what });
  }
}

/** @param known the relations there are, for a name that was mistyped. */
export function unknownRelation(name: string, known: readonly string[] = []): Failure {
  const hint = hintOf(nearestName(name, known));
  return failure('TRIBUTARY_QUERY_RELATION_UNKNOWN', { name, hint });
}

function failureOfNames(problem: Problem, reason: string): Failure {
  if (problem.subtype === 'COLUMN_NOT_FOUND' || problem.message.startsWith('Referenced column')) {
    return failure('TRIBUTARY_QUERY_COLUMN_UNKNOWN', { reason });
  }
  if (problem.kind === 'catalog' && problem.message.startsWith('Table with name')) {
    return unknownRelation(String(problem.name));
  }
  if (problem.kind === 'catalog' && problem.message.includes('Function with name')) {
    return failure('TRIBUTARY_QUERY_FUNCTION_UNKNOWN', { name: problem.name });
  }
  return failure('TRIBUTARY_QUERY_INVALID', { reason });
}

/**
 * DuckDB's own accounting names `used` bytes and leaves it sound. Anything else is malloc that failed
 * under RLIMIT_DATA: the heap is then full of holes, so the process is given up.
 */
function failureOfMemory(problem: Problem, memoryLimitBytes: number): Failure {
  if (problem.message.includes('max_temp_directory_size')) {
    return failure('TRIBUTARY_QUERY_SPILL_EXCEEDED');
  }
  return {
    code: 'TRIBUTARY_QUERY_MEMORY_EXCEEDED',
    parameters: { limitBytes: memoryLimitBytes },
    retire: !problem.message.includes(' used)'),
  };
}

/** One line, bounded, with line and column, without DuckDB's advice on settings nobody may change. */
function describe(problem: Problem, sql: string): string {
  const advice = problem.message.search(/\n*(Use "SET |Possible solutions:|See also )/);
  const text = advice > 0 ? problem.message.slice(0, advice) : problem.message;
  const flat = text.replace(/\s*\n\s*/g, '; ').replace(/[;.!\s]+$/, '');
  const short =
    flat.length > REASON_CHARACTERS_MAX ? `${flat.slice(0, REASON_CHARACTERS_MAX)}…` : flat;
  return problem.position === null ? short : `${short} (${place(sql, problem.position)})`;
}

/** `line 2, column 5`, both from 1, columns in characters. */
function place(sql: string, positionBytes: number): string {
  const before = Buffer.from(sql, 'utf8').subarray(0, positionBytes).toString('utf8');
  const line = before.split('\n').length;
  const column = [...before.slice(before.lastIndexOf('\n') + 1)].length + 1;
  return `line ${line}, column ${column}`;
}
