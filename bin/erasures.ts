/**
 * `tributary erase` and `tributary erasures`: takes a person out of an appliance, and tells what became of it.
 *
 * A person is written TYPE=VALUE, or as the id of a profile. Answers are printed as JSON.
 */
import { ask, describeFailure, targetOf } from './client.ts';
import {
  type CommandContext,
  type CommandLine,
  parseCommandLine,
  requireKnownFlags,
} from './command-line.ts';
import { helpFor } from './help.ts';

const FLAGS = ['url', 'key'];
const ERASE_FLAGS = [...FLAGS, 'reason'];
const PATH = '/v1/erasures';
const LIST_PATH = '/v1/suppressions';

/** `tributary erase`. @returns the exit code. */
export async function erase(args: readonly string[], context: CommandContext): Promise<number> {
  const line = parseCommandLine(args, ERASE_FLAGS);
  const [person, ...rest] = line.words;
  const { reason } = line.flags;
  if (person === undefined || rest.length > 0 || reason === true) {
    context.stderr.write(helpFor('erase')!);
    return 2;
  }
  requireKnownFlags(line, [...ERASE_FLAGS, 'dry-run']);
  const body = {
    ...subjectOf(person),
    ...(reason !== undefined && { reason }),
    ...(line.flags['dry-run'] === true && { dry_run: true }),
  };
  return print(line, context, 'POST', PATH, JSON.stringify(body));
}

/** `tributary erasures`. @returns the exit code. */
export async function erasures(args: readonly string[], context: CommandContext): Promise<number> {
  const line = parseCommandLine(args, FLAGS);
  requireKnownFlags(line, FLAGS);
  const [verb, id, ...rest] = line.words;
  if (rest.length === 0) {
    if (verb === 'list' && id === undefined) return print(line, context, 'GET', PATH);
    if (verb === 'export' && id === undefined) return print(line, context, 'GET', LIST_PATH);
    if (verb === 'show' && id !== undefined) {
      return print(line, context, 'GET', `${PATH}/${encodeURIComponent(id)}`);
    }
  }
  context.stderr.write(helpFor('erasures')!);
  return 2;
}

/** An identifier has a `=`, the id of a profile has none. */
function subjectOf(person: string): object {
  const at = person.indexOf('=');
  if (at < 0) return { profile: person };
  return { identifier: { type: person.slice(0, at), value: person.slice(at + 1) } };
}

async function print(
  line: CommandLine,
  context: CommandContext,
  method: 'GET' | 'POST',
  path: string,
  body?: string,
): Promise<number> {
  const response = await ask(targetOf(line, context, 'admin'), method, path, body);
  if (!response.ok) {
    context.stderr.write(`${await describeFailure(response)}\n`);
    return 1;
  }
  context.stdout.write(`${JSON.stringify(await response.json(), null, 2)}\n`);
  return 0;
}
