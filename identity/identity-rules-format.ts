/**
 * The JSON form of a rule set: what the API and the command line take, and what the log keeps.
 *
 *     {"types":[{"type":"email","priority":2,"strength":"strong","unique":false,
 *        "limit":{"max":5,"per":"365d"},"max_strong_neighbours":3,"normalize":["trim","lower"],
 *        "from":["traits.email"],"block":["null",{"regex":"^[0-]*$"}]}],
 *      "identifiers_max":200,"merges_max":100,"logout_events":["Logged Out"]}
 *
 * The log's form has `version` besides. Everything is checked, patterns included, before it is used.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import {
  ACCOUNT_TYPE_NAME,
  type BlockedValue,
  type IdentifierRule,
  type IdentityRules,
  NORMALIZE_STEPS,
  type NormalizeStep,
} from './identity-rules.ts';
import { compilePattern } from './regular-expression.ts';

const FIELDS = ['types', 'identifiers_max', 'merges_max', 'logout_events'];
const TYPE_FIELDS = [
  ...['type', 'priority', 'strength', 'unique', 'limit', 'max_strong_neighbours'],
  ...['normalize', 'from', 'block'],
];
const TYPE_NAME = /^[a-z][a-z0-9_]{0,62}$/;
/** Up to eight keys; a list of external ids, all of them or those of one type, may end the path. */
const PATH = /^(properties|traits|context)(\.[\w$-]{1,64}){1,7}(\[[\w$-]{0,64}\])?$/;
const OWN_FIELDS: Readonly<Record<string, string>> = {
  userId: 'user_id',
  anonymousId: 'anonymous_id',
};
const MINUTE_SECONDS = 60;
const UNIT_SECONDS: Readonly<Record<string, number>> = {
  ...{ s: 1, m: MINUTE_SECONDS },
  ...{ h: 3600, d: 86_400 },
};

type Fields = Readonly<Record<string, unknown>>;

/** @throws TRIBUTARY_IDENTITY_RULES_INVALID */
export function parseRules(value: unknown, version: number): IdentityRules {
  const fields = objectOf(value, 'the rule set', FIELDS);
  const types = listOf(fields['types'], 'types', LIMITS.identifierTypesMax).map(parseType);
  const names = types.map((rule) => rule.type);
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) !== index) refuse(`type ${name} is there twice`);
  }
  return {
    version,
    types,
    identifiersMax: countOf(
      fields['identifiers_max'],
      'identifiers_max',
      LIMITS.profileIdentifiersMax,
    ),
    mergesMax: countOf(fields['merges_max'], 'merges_max', LIMITS.profileMergesMax),
    logoutEvents: listOf(fields['logout_events'], 'logout_events', 100).map((name) =>
      textOf(name, 'logout_events'),
    ),
  };
}

/**
 * The next version: types keep their places, those that `next` leaves out are no longer looked for. Nothing is
 * blocked that nobody looks for, so a rule set does not grow with the lists of types that are gone.
 * @throws TRIBUTARY_IDENTITY_RULES_INVALID when they are too many, or user_id or anonymous_id is missing.
 */
export function reviseRules(current: IdentityRules, next: IdentityRules): IdentityRules {
  for (const [field, type] of Object.entries(OWN_FIELDS)) {
    const rule = next.types.find((candidate) => candidate.type === type);
    if (!rule?.from.includes(field)) refuse(`${type} is needed, and read from ${field}`);
  }
  next.types.forEach(requireWindow);
  const kept = current.types.map(
    (rule) => next.types.find(({ type }) => type === rule.type) ?? { ...rule, from: [], block: [] },
  );
  const known = new Set(kept.map((rule) => rule.type));
  const types = [...kept, ...next.types.filter((rule) => !known.has(rule.type))];
  if (types.length > LIMITS.identifierTypesMax) {
    refuse(
      `there are ${types.length} types with those of before, limit ${LIMITS.identifierTypesMax}`,
    );
  }
  return { ...next, types, version: current.version + 1 };
}

/** A window shorter than the minute it is counted in holds nothing. Asked of new rules alone: those of the log hold. */
function requireWindow({ type, limit }: IdentifierRule): void {
  if (limit?.perSeconds != null && limit.perSeconds < MINUTE_SECONDS) {
    refuse(`${type}: limit.per is at least a minute, "1m"`);
  }
}

/** The JSON form of a rule set, without its version. */
export function rulesToJson(rules: IdentityRules): Record<string, unknown> {
  return {
    types: rules.types.map((rule) => ({
      type: rule.type,
      priority: rule.priority,
      strength: rule.strength,
      unique: rule.unique,
      limit: rule.limit && { max: rule.limit.max, per: durationText(rule.limit.perSeconds) },
      max_strong_neighbours: rule.strongNeighboursMax,
      normalize: rule.normalize,
      from: rule.from,
      block: rule.block,
    })),
    identifiers_max: rules.identifiersMax,
    merges_max: rules.mergesMax,
    logout_events: rules.logoutEvents,
  };
}

function parseType(value: unknown): IdentifierRule {
  const name = (value as Fields | null)?.['type'];
  const fields = objectOf(
    value,
    `the type ${JSON.stringify(name) ?? 'without a name'}`,
    TYPE_FIELDS,
  );
  const type = textOf(fields['type'], 'the name of a type');
  if (type === ACCOUNT_TYPE_NAME) refuse(`${type} cannot name a type: it is the account's`);
  if (!TYPE_NAME.test(type)) {
    refuse(`${type} cannot name a type: a name is a lower-case letter, then such, digits and _`);
  }
  const { strength, unique, max_strong_neighbours: neighbours } = fields;
  if (strength !== 'strong' && strength !== 'weak') refuse(`${type}: strength is strong or weak`);
  if (typeof unique !== 'boolean') refuse(`${type}: unique is true or false`);
  return {
    type,
    priority: countOf(fields['priority'], `${type}: priority`, 1000),
    strength: strength as 'strong' | 'weak',
    unique: unique as boolean,
    limit: parseLimit(fields['limit'] ?? null, type),
    strongNeighboursMax:
      neighbours == null ? null : countOf(neighbours, `${type}: max_strong_neighbours`, 64),
    normalize: listOf(fields['normalize'] ?? [], `${type}: normalize`, NORMALIZE_STEPS.length).map(
      (step) =>
        NORMALIZE_STEPS.includes(step as NormalizeStep)
          ? (step as NormalizeStep)
          : refuse(
              `${type}: ${JSON.stringify(step)} is no step; there are ${NORMALIZE_STEPS.join(', ')}`,
            ),
    ),
    from: listOf(fields['from'] ?? [], `${type}: from`, 16).map((path) => parsePath(path, type)),
    block: listOf(fields['block'] ?? [], `${type}: block`, LIMITS.blockedValuesMax).map((blocked) =>
      parseBlocked(blocked, type),
    ),
  };
}

function parsePath(value: unknown, type: string): string {
  const path = textOf(value, `${type}: from`);
  if (OWN_FIELDS[path] === type || PATH.test(path)) return path;
  return refuse(
    `${type}: ${path} is no path below properties, traits or context: up to 8 keys of letters, digits, _, $ and -, with dots between`,
  );
}

function parseBlocked(value: unknown, type: string): BlockedValue {
  if (typeof value === 'string') return value;
  const what = `${type}: a blocked value that is not a text`;
  const { regex } = objectOf(value, what, ['regex']);
  const pattern = textOf(regex, `${type}: regex`);
  const test = compilePattern(pattern);
  if (typeof test !== 'function') refuse(`${type}: ${pattern} is no RE2 pattern (${test.reason})`);
  return { regex: pattern };
}

function parseLimit(value: unknown, type: string): IdentifierRule['limit'] {
  if (value === null) return null;
  const { max, per } = objectOf(value, `${type}: limit`, ['max', 'per']);
  const count = countOf(max, `${type}: limit.max`, LIMITS.profileIdentifiersMax);
  if (per === 'ever' || per === undefined) return { max: count, perSeconds: null };
  const [, digits, unit] = /^(\d{1,6})([smhd])$/.exec(String(per)) ?? [];
  if (digits === undefined) return refuse(`${type}: limit.per is "ever" or like "30d"`);
  return { max: count, perSeconds: Number(digits) * UNIT_SECONDS[unit!]! };
}

function durationText(seconds: number | null): string {
  if (seconds === null) return 'ever';
  return seconds % 86_400 === 0 ? `${seconds / 86_400}d` : `${seconds}s`;
}

function objectOf(value: unknown, what: string, known: readonly string[]): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refuse(`${what} is a JSON object`);
  }
  const stray = Object.keys(value).find((key) => !known.includes(key));
  if (stray !== undefined) refuse(`${what} has no ${stray}; it has ${known.join(', ')}`);
  return value as Fields;
}

function listOf(value: unknown, what: string, max: number): readonly unknown[] {
  if (!Array.isArray(value)) return refuse(`${what} is a list`);
  if (value.length > max) refuse(`${what} has ${value.length} entries, limit ${max}`);
  return value;
}

function textOf(value: unknown, what: string): string {
  if (typeof value === 'string' && value !== '' && value.length <= 1024) return value;
  return refuse(`${what} is a text of 1 to 1024 characters`);
}

function countOf(value: unknown, what: string, max: number): number {
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= max) {
    return value as number;
  }
  return refuse(`${what} is a whole number from 1 to ${max}`);
}

function refuse(reason: string): never {
  throw new TributaryError('TRIBUTARY_IDENTITY_RULES_INVALID', { reason });
}
