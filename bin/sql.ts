/**
 * `tributary sql`: runs one statement and prints its result.
 *
 * A result that ends early has its error at its end (docs/sql.md): it is printed to the standard error, the exit
 * code is 1, and no table is made of a part of the rows.
 */
import { text } from 'node:stream/consumers';
import { LIMITS } from '../base/limits.ts';
import { KIB } from '../base/units.ts';
import {
  type AnsweredError,
  describeError,
  describeFailure,
  post,
  targetOf,
  unreachable,
} from './client.ts';
import {
  type CommandContext,
  integerFlag,
  parseCommandLine,
  requireKnownFlags,
} from './command-line.ts';
import { helpFor } from './help.ts';
import { formatTable, type TableResult } from './table.ts';

const FLAGS = ['url', 'key', 'format', 'timeout-ms'];

interface JsonResult extends TableResult {
  readonly error?: AnsweredError;
}

/** Of the end of a result, which holds its error, if it has one. */
const END_BYTES_MAX = 16 * KIB;
const LAST_LINE_ERROR = /^(?:\],|\{)"error":(\{"code":"TRIBUTARY_.*\})\}$/;

/** @returns the exit code. */
export async function sql(args: readonly string[], context: CommandContext): Promise<number> {
  const line = parseCommandLine(args, FLAGS, { param: 'p' });
  requireKnownFlags(line, FLAGS);
  const [word] = line.words;
  if (word === undefined || line.words.length > 1) {
    context.stderr.write(helpFor('sql')!);
    return 2;
  }
  const statement = word === '-' ? await text(context.stdin) : word;
  const format = line.flags['format'] ?? 'table';
  const body = {
    sql: statement,
    params: (line.lists['param'] ?? []).map(parameterOf),
    format: format === 'table' ? 'json' : format,
    ...(line.flags['timeout-ms'] !== undefined && {
      timeout_ms: integerFlag(line, 'timeout-ms', 0, 1, LIMITS.sqlTimeoutMsMax),
    }),
  };
  const target = targetOf(line, context, 'admin');
  const response = await post(target, '/v1/sql', JSON.stringify(body));
  if (!response.ok || response.body === null) {
    context.stderr.write(`${await describeFailure(response)}\n`);
    return 1;
  }
  const broken = (cause: unknown): never => {
    throw unreachable(target, cause);
  };
  if (format === 'table') {
    const result = (await response.json().catch(broken)) as JsonResult;
    if (result.error !== undefined) return fail(result.error, context);
    context.stdout.write(formatTable(result));
    return 0;
  }
  let end = Buffer.alloc(0);
  try {
    for await (const piece of response.body) {
      context.stdout.write(piece);
      end = Buffer.concat([end, piece]).subarray(-END_BYTES_MAX);
    }
  } catch (cause) {
    broken(cause);
  }
  if (format === 'json') context.stdout.write('\n');
  const error = errorAt(end.toString('utf8'));
  return error === undefined ? 0 : fail(error, context);
}

function fail(error: AnsweredError, context: CommandContext): number {
  context.stderr.write(`${describeError(error)}\n`);
  return 1;
}

/** The error that the last line of a result says, be it JSON or NDJSON. */
function errorAt(end: string): AnsweredError | undefined {
  const [, error] = LAST_LINE_ERROR.exec(end.trimEnd().split('\n').at(-1)!) ?? [];
  return error === undefined ? undefined : (JSON.parse(error) as AnsweredError);
}

/** Numbers, booleans, null and quoted strings as JSON; anything else as the text it is. */
function parameterOf(written: string): unknown {
  try {
    const value: unknown = JSON.parse(written);
    return typeof value === 'object' && value !== null ? written : value;
  } catch {
    return written;
  }
}
