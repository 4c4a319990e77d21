/**
 * `tributary identity`: says who is who where the appliance cannot know, reads and changes the rules and the
 * declared traits, and tries other rules on the past (what-if.ts).
 *
 * Identifiers are written TYPE=VALUE. What a command did, or with --dry-run would do, is printed as JSON;
 * one that found nothing to do ends with 1 and says why.
 */
import { TributaryError } from '../base/errors.ts';
import { ask, describeFailure, targetOf } from './client.ts';
import {
  type CommandContext,
  type CommandLine,
  parseCommandLine,
  requireKnownFlags,
} from './command-line.ts';
import { helpFor } from './help.ts';
import { readJsonFile } from './json-file.ts';
import { whatIf } from './what-if.ts';

const FLAGS = ['url', 'key'];
const VALUED_FLAGS = [...FLAGS, 'examples'];
/** What is read as a whole, edited and put back. */
const DOCUMENTS = {
  rules: { path: '/v1/identity/rules', invalidCode: 'TRIBUTARY_IDENTITY_RULES_INVALID' },
  traits: { path: '/v1/traits', invalidCode: 'TRIBUTARY_IDENTITY_TRAITS_INVALID' },
} as const;

/** What is asked of the appliance; `flags` are those it takes beside the common ones. */
interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly flags: readonly string[];
  readonly body?: Readonly<Record<string, unknown>>;
}

/** @returns the exit code. */
export async function identity(args: readonly string[], context: CommandContext): Promise<number> {
  const line = parseCommandLine(args, VALUED_FLAGS);
  const [action, file, ...rest] = line.words;
  if (action === 'what-if' && file !== undefined && rest.length === 0) {
    requireKnownFlags(line, VALUED_FLAGS);
    return whatIf(file, line, context);
  }
  const call = (await documentCall(line, context)) ?? commandCall(line);
  if (call === undefined) {
    context.stderr.write(helpFor('identity')!);
    return 2;
  }
  requireKnownFlags(line, [...FLAGS, ...call.flags]);
  const isDryRun = line.flags['dry-run'] === true;
  const body = call.body && JSON.stringify({ ...call.body, ...(isDryRun && { dry_run: true }) });
  const response = await ask(targetOf(line, context, 'admin'), call.method, call.path, body);
  if (!response.ok) {
    context.stderr.write(`${await describeFailure(response)}\n`);
    return 1;
  }
  const answer = (await response.json()) as { readonly obstacle?: string | null };
  context.stdout.write(`${JSON.stringify(answer, null, 2)}\n`);
  if (answer.obstacle === undefined || answer.obstacle === null) return 0;
  context.stderr.write(`nothing was changed: ${meaningOf(answer.obstacle)}\n`);
  return 1;
}

const OBSTACLES: Readonly<Record<string, string>> = {
  unknown: 'unknown: there is no such merge, profile or identifier',
  two_values:
    'two_values: both have a value of a type that is unique; --force links them all the same',
  limit: 'limit: the profile would have too many values of a type; --force links them all the same',
  blocked: 'blocked: a value that names nobody cannot be linked; unblock it first',
  not_blocked: 'not_blocked: no operator blocked it; the rules may',
  profile_full: 'profile_full: the profile would have too many identifiers or merges',
  nothing_to_split: 'nothing_to_split: none of the identifiers is in the profile, or all are',
};

/** What an obstacle means, for people; docs/identity-api.md lists them. */
function meaningOf(obstacle: string): string {
  return OBSTACLES[obstacle] ?? obstacle;
}

async function documentCall(line: CommandLine, context: CommandContext): Promise<Call | undefined> {
  const [noun, verb, file, ...rest] = line.words;
  if ((noun !== 'rules' && noun !== 'traits') || rest.length > 0) return undefined;
  const { path, invalidCode } = DOCUMENTS[noun];
  if (verb === 'get' && file === undefined) return { method: 'GET', path, flags: [] };
  if (verb !== 'set' || file === undefined) return undefined;
  const body = await readJsonFile(file, context, invalidCode);
  return { method: 'PUT', path, flags: ['dry-run'], body };
}

function commandCall({ words, flags }: CommandLine): Call | undefined {
  const [action, first, ...others] = words;
  if (first === undefined) return undefined;
  const post = (path: string, body: Call['body'] = {}, ...own: string[]): Call => ({
    ...{ method: 'POST', path, body },
    flags: ['dry-run', ...own],
  });
  const [second] = others;
  switch (action) {
    case 'undo':
      if (second !== undefined) return undefined;
      return post(`/v1/identity/merges/${encodeURIComponent(first)}/undo`);
    case 'split': {
      if (second === undefined) return undefined;
      const identifiers = others.map(identifierOf);
      return post(`/v1/profiles/${encodeURIComponent(first)}/split`, { identifiers });
    }
    case 'block': {
      if (second !== undefined) return undefined;
      const body = { identifier: identifierOf(first), retroactive: flags['retroactive'] === true };
      return post('/v1/identity/block', body, 'retroactive');
    }
    case 'unblock':
      if (second !== undefined) return undefined;
      return post('/v1/identity/unblock', { identifier: identifierOf(first) });
    case 'link':
    case 'unlink': {
      if (second === undefined || others.length > 1) return undefined;
      const pair = { a: identifierOf(first), b: identifierOf(second) };
      if (action === 'unlink') return post('/v1/identity/unlink', pair);
      return post('/v1/identity/link', { ...pair, force: flags['force'] === true }, 'force');
    }
    default:
      return undefined;
  }
}

/** @throws TributaryError TRIBUTARY_CONFIG_INVALID_VALUE */
function identifierOf(word: string): { readonly type: string; readonly value: string } {
  const at = word.indexOf('=');
  if (at > 0 && at < word.length - 1) return { type: word.slice(0, at), value: word.slice(at + 1) };
  throw new TributaryError('TRIBUTARY_CONFIG_INVALID_VALUE', {
    origin: 'the command line',
    key: 'an identifier',
    value: word,
    expected: 'TYPE=VALUE such as email=ada@example.com',
  });
}
