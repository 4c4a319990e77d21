/**
 * `tributary lake`: the tokens with which other engines read the lake, and what lake-tasks.ts does.
 */
import { ask, describeFailure, targetOf } from './client.ts';
import { type CommandContext, parseCommandLine, requireKnownFlags } from './command-line.ts';
import { helpFor } from './help.ts';
import { lakeTask } from './lake-tasks.ts';
import { formatTable } from './table.ts';

const FLAGS = ['url', 'key'];
const SWITCHES = ['dry-run'];
const PATH = '/v1/lake/tokens';

interface Token {
  readonly id: string;
  readonly name: string;
  readonly created_at: string;
}

/** @returns the exit code. */
export async function lake(args: readonly string[], context: CommandContext): Promise<number> {
  const line = parseCommandLine(args, FLAGS);
  requireKnownFlags(line, [...FLAGS, ...SWITCHES]);
  const [noun, verb, word, ...rest] = line.words;
  if (noun !== 'token' && verb === undefined) return lakeTask(noun, line, context);
  const wanted = verb === 'list' ? word === undefined : word !== undefined;
  const isKnown = ['create', 'list', 'revoke'].includes(verb ?? '');
  if (noun !== 'token' || !isKnown || !wanted || rest.length > 0) {
    context.stderr.write(helpFor('lake')!);
    return 2;
  }
  const target = targetOf(line, context, 'admin');
  const response = await (verb === 'create'
    ? ask(target, 'POST', PATH, JSON.stringify({ name: word }))
    : verb === 'list'
      ? ask(target, 'GET', PATH)
      : ask(target, 'DELETE', `${PATH}/${encodeURIComponent(word!)}`));
  if (!response.ok) {
    context.stderr.write(`${await describeFailure(response)}\n`);
    return 1;
  }
  if (verb === 'create') {
    const { token } = (await response.json()) as { token: string };
    context.stdout.write(`${token}\n`);
    context.stderr.write('Keep it: it is shown this once, and stored only as a hash.\n');
  } else if (verb === 'list') {
    const { tokens } = (await response.json()) as { tokens: readonly Token[] };
    const columns = [{ name: 'id' }, { name: 'name' }, { name: 'created' }];
    const rows = tokens.map(({ id, name, created_at: createdAt }) => [id, name, createdAt]);
    context.stdout.write(formatTable({ columns, rows }));
  } else {
    context.stdout.write(`revoked ${word}\n`);
  }
  return 0;
}
