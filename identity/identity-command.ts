/**
 * What an operator can tell identity, as plain data and as the JSON that the log keeps:
 *
 *     {"command":"undo","merge":17}
 *     {"command":"split","profile":"9f8e…","identifiers":[{"type":"email","value":"…"}]}
 *     {"command":"block","identifier":{…},"retroactive":true}
 *     {"command":"unblock","identifier":{…}}
 *     {"command":"link","a":{…},"b":{…},"force":false}
 *     {"command":"unlink","a":{…},"b":{…}}
 *     {"command":"rules","version":2,"rules":{…}}    as identity-rules-format.ts describes them
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { parseRules } from './identity-rules-format.ts';

export interface NamedIdentifier {
  readonly type: string;
  readonly value: string;
}

export type IdentityCommand =
  /** Takes a merge back; its two identifiers are kept apart from then on. */
  | { readonly command: 'undo'; readonly merge: number }
  /** Takes identifiers out of a profile; what held them there is taken back, and not taken up again. */
  | {
      readonly command: 'split';
      readonly profile: string;
      readonly identifiers: readonly NamedIdentifier[];
    }
  /** The value names nobody from now on, and with `retroactive` never did. */
  | {
      readonly command: 'block';
      readonly identifier: NamedIdentifier;
      readonly retroactive: boolean;
    }
  /** Takes an operator's block back: what the value joins from now on counts again. */
  | { readonly command: 'unblock'; readonly identifier: NamedIdentifier }
  /** Makes two identifiers one person; `force` also where both are known users, or over a limit. */
  | {
      readonly command: 'link';
      readonly a: NamedIdentifier;
      readonly b: NamedIdentifier;
      readonly force: boolean;
    }
  /** Keeps two identifiers apart, and parts them where they are together. */
  | { readonly command: 'unlink'; readonly a: NamedIdentifier; readonly b: NamedIdentifier }
  /** Holds for the events behind it: the whole rule set, types of before included. */
  | {
      readonly command: 'rules';
      readonly version: number;
      readonly rules: Readonly<Record<string, unknown>>;
    };

type Fields = Readonly<Record<string, unknown>>;

/** @throws TRIBUTARY_IDENTITY_COMMAND_INVALID, TRIBUTARY_IDENTITY_RULES_INVALID */
export function parseIdentityCommand(value: unknown): IdentityCommand {
  const fields = objectOf(value, 'a command');
  switch (fields['command']) {
    case 'undo': {
      const merge = fields['merge'];
      if (!Number.isInteger(merge) || (merge as number) < 1) refuse('merge is a number from 1');
      return { command: 'undo', merge: merge as number };
    }
    case 'split': {
      const { profile, identifiers } = fields;
      if (typeof profile !== 'string') refuse('profile is a profile id');
      if (!Array.isArray(identifiers) || identifiers.length === 0) {
        return refuse('identifiers is a list of identifiers');
      }
      if (identifiers.length > LIMITS.profileIdentifiersMax) {
        refuse(
          `there are ${identifiers.length} identifiers, limit ${LIMITS.profileIdentifiersMax}`,
        );
      }
      return {
        command: 'split',
        profile: profile as string,
        identifiers: identifiers.map((one) => identifierOf(one, 'one of identifiers')),
      };
    }
    case 'block':
      return {
        command: 'block',
        identifier: identifierOf(fields['identifier'], 'identifier'),
        retroactive: flagOf(fields['retroactive'], 'retroactive'),
      };
    case 'unblock':
      return { command: 'unblock', identifier: identifierOf(fields['identifier'], 'identifier') };
    case 'link':
      return { command: 'link', ...pairOf(fields), force: flagOf(fields['force'], 'force') };
    case 'unlink':
      return { command: 'unlink', ...pairOf(fields) };
    case 'rules': {
      const { version } = fields;
      if (!Number.isInteger(version)) refuse('version is a number');
      const rules = objectOf(fields['rules'], 'rules');
      parseRules(rules, version as number);
      return { command: 'rules', version: version as number, rules };
    }
    default:
      return refuse('command is undo, split, block, unblock, link, unlink or rules');
  }
}

function pairOf(fields: Fields): { a: NamedIdentifier; b: NamedIdentifier } {
  return { a: identifierOf(fields['a'], 'a'), b: identifierOf(fields['b'], 'b') };
}

function identifierOf(value: unknown, name: string): NamedIdentifier {
  const { type, value: text } = (value ?? {}) as Fields;
  if (typeof type === 'string' && typeof text === 'string') return { type, value: text };
  const state = value === undefined ? 'is missing' : 'is no identifier';
  return refuse(`${name} ${state}; one is {"type":"email","value":"ada@example.com"}`);
}

function flagOf(value: unknown, name: string): boolean {
  if (value === undefined || typeof value === 'boolean') return value ?? false;
  return refuse(`${name} is true or false`);
}

function objectOf(value: unknown, name: string): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  return refuse(`${name} is a JSON object`);
}

function refuse(reason: string): never {
  throw new TributaryError('TRIBUTARY_IDENTITY_COMMAND_INVALID', { reason });
}
