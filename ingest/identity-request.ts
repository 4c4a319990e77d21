/**
 * What an operator's requests to identity say, taken apart: the body of a command, and of a rule set.
 *
 * A member that is not known is refused: `"dryrun":true` must not carry a command out.
 */
import { TributaryError } from '../base/errors.ts';
import type { CommandName, RulesChange, TraitsChange } from '../engine/identity-keeper.ts';
import { parseJson } from './json-body.ts';

/** The members of each command's body, beside `dry_run`; what is in its path comes as `fixed`. */
const MEMBERS: Readonly<Record<CommandName, readonly string[]>> = {
  undo: [],
  split: ['identifiers'],
  block: ['identifier', 'retroactive'],
  unblock: ['identifier'],
  link: ['a', 'b', 'force'],
  unlink: ['a', 'b'],
};
const VERSION_TAG = /^(?:W\/)?"(\d{1,9})"$/;

type Fields = Readonly<Record<string, unknown>>;

export interface CommandRequest {
  /** In the JSON form that identity reads, not yet checked. */
  readonly command: Fields;
  readonly isDryRun: boolean;
}

/**
 * @param body JSON of an object; empty for none. @param fixed what the path says.
 * @throws TRIBUTARY_INGEST_JSON_MALFORMED, TRIBUTARY_IDENTITY_COMMAND_INVALID
 */
export function readCommandRequest(
  name: CommandName,
  body: string,
  fixed: Fields = {},
): CommandRequest {
  const { dry_run: isDryRun, ...fields } = parseObject(body);
  const stray = Object.keys(fields).find((member) => !MEMBERS[name].includes(member));
  if (stray !== undefined) {
    const members = [...MEMBERS[name], 'dry_run'].join(', ');
    throw invalid(`${name} has no member ${JSON.stringify(stray.slice(0, 64))}; it has ${members}`);
  }
  return { command: { ...fields, ...fixed, command: name }, isDryRun: flagOf(isDryRun) };
}

/**
 * @param ifMatch the header, '' without one: a version in quotes, or `*`.
 * @throws TRIBUTARY_INGEST_JSON_MALFORMED, TRIBUTARY_IDENTITY_COMMAND_INVALID
 */
export function readRulesRequest(body: string, ifMatch: string): RulesChange {
  const { version, dry_run: isDryRun, ...rules } = parseObject(body);
  if (version !== undefined && !Number.isSafeInteger(version)) {
    throw invalid('version is not a whole number');
  }
  const tag = VERSION_TAG.exec(ifMatch.trim())?.[1];
  if (ifMatch !== '' && ifMatch !== '*' && tag === undefined) {
    throw invalid('If-Match is not a version in quotes, as "3"');
  }
  if (tag !== undefined && version !== undefined && Number(tag) !== version) {
    throw invalid(`If-Match says version ${tag} and the body ${String(version)}`);
  }
  const given = tag === undefined ? (version as number | undefined) : Number(tag);
  return { rules, version: given, isDryRun: flagOf(isDryRun) };
}

/**
 * The traits to declare. @param ifMatch as of {@link readRulesRequest}.
 * @throws TRIBUTARY_INGEST_JSON_MALFORMED, TRIBUTARY_IDENTITY_COMMAND_INVALID
 */
export function readTraitsRequest(body: string, ifMatch: string): TraitsChange {
  const { rules, ...change } = readRulesRequest(body, ifMatch);
  const { traits, ...others } = rules as Fields;
  const [stray] = Object.keys(others);
  if (stray !== undefined) {
    throw invalid(`the body has no ${stray.slice(0, 64)}; it has traits, version, dry_run`);
  }
  return { traits, ...change };
}

/**
 * A rule set to try; a `version` that came with it says nothing here.
 * @throws TRIBUTARY_INGEST_JSON_MALFORMED, TRIBUTARY_IDENTITY_COMMAND_INVALID
 */
export function readWhatIfRequest(
  body: string,
  examplesMax: number,
): { readonly rules: unknown; readonly examples: number | undefined } {
  const { examples, version: _, ...rules } = parseObject(body);
  if (examples === undefined) return { rules, examples };
  if (Number.isSafeInteger(examples) && Number(examples) >= 1 && Number(examples) <= examplesMax) {
    return { rules, examples: Number(examples) };
  }
  throw invalid(`examples is not a whole number from 1 to ${examplesMax}`);
}

function parseObject(body: string): Fields {
  const value = parseJson(body.trim() === '' ? '{}' : body);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw invalid('the body is not a JSON object');
}

function flagOf(value: unknown): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false;
  throw invalid('dry_run is neither true nor false');
}

function invalid(reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_IDENTITY_COMMAND_INVALID', { reason });
}
