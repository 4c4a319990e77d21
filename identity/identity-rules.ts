/**
 * Which identifiers a tenant knows and how they join: the rule set, as plain data.
 *
 * - The position of a type in `types` gives its number, which nodes carry for ever: a type keeps its
 *   place in every later version, and new ones come behind (identity-rules-format.ts sees to it).
 * - `user_id` is number 1 and `anonymous_id` number 2; the events columns of that name feed them.
 * - A rule set is a record of the log: from its sequence on it decides, never before.
 */

/** The numbers that native/src/node_values.h knows by itself. */
export const USER_ID = 1;
export const ANONYMOUS_ID = 2;
/** Accounts (group ids) are nodes too, of a type that no rule names: they join nobody. */
export const ACCOUNT = 255;
export const ACCOUNT_TYPE_NAME = 'group_id';

export const NORMALIZE_STEPS = ['trim', 'lower', 'digits', 'phone'] as const;
export type NormalizeStep = (typeof NORMALIZE_STEPS)[number];

/** A value that names nobody: exact without regard to ASCII case, or an RE2 pattern found in it. */
export type BlockedValue = string | { readonly regex: string };

export interface IdentifierRule {
  readonly type: string;
  /** Lower speaks first: it names the event, and is dropped last when rules are in the way. */
  readonly priority: number;
  /** `strong` names one person for good; `weak` names a device, which is owned by intervals. */
  readonly strength: 'strong' | 'weak';
  /** A profile has one value at most; two that differ never meet but by force. */
  readonly unique: boolean;
  /** Values a profile takes within `per` seconds, by the time of arrival; `per` null is ever. */
  readonly limit: { readonly max: number; readonly perSeconds: number | null } | null;
  /** With more strong neighbours than these within the limit's window, a value joins nobody any more. */
  readonly strongNeighboursMax: number | null;
  readonly normalize: readonly NormalizeStep[];
  /** `userId`, `anonymousId`, or a path below `properties`, `traits` or `context`. */
  readonly from: readonly string[];
  readonly block: readonly BlockedValue[];
}

export interface IdentityRules {
  /** Counts up with every change; 1 is what holds until the log says otherwise. */
  readonly version: number;
  readonly types: readonly IdentifierRule[];
  /** Anchors a profile can have, and profiles that can become one; at the limit events still resolve. */
  readonly identifiersMax: number;
  readonly mergesMax: number;
  /** Names of track events after which a device belongs to nobody. */
  readonly logoutEvents: readonly string[];
}

const YEAR_SECONDS = 365 * 86_400;
const MONTH_SECONDS = 30 * 86_400;

/** Values that SDKs and forms send for want of one; collected from Segment's and PostHog's lists. */
const MEANINGLESS: readonly BlockedValue[] = [
  { regex: '^[0-]*$' },
  ...['-1', 'null', 'undefined', 'none', 'nan', 'true', 'false', 'anonymous', 'guest', 'unknown'],
  ...['void', 'id', 'distinct_id', 'not_authenticated', '[object object]'],
];

function strong(
  type: string,
  priority: number,
  normalize: readonly NormalizeStep[],
  from: readonly string[],
  block: readonly BlockedValue[] = MEANINGLESS,
): IdentifierRule {
  const limit = { max: 5, perSeconds: YEAR_SECONDS };
  const strength = 'strong';
  const strongNeighboursMax = 3;
  return {
    type,
    priority,
    strength,
    unique: false,
    limit,
    strongNeighboursMax,
    normalize,
    from,
    block,
  };
}

export const DEFAULT_RULES: IdentityRules = Object.freeze({
  version: 1,
  types: [
    {
      ...strong('user_id', 1, [], ['userId']),
      unique: true,
      limit: { max: 1, perSeconds: null },
      strongNeighboursMax: null,
    },
    {
      ...strong('anonymous_id', 9, [], ['anonymousId']),
      strength: 'weak',
      limit: { max: 5, perSeconds: MONTH_SECONDS },
      strongNeighboursMax: null,
    },
    strong(
      'email',
      2,
      ['trim', 'lower'],
      ['traits.email', 'context.traits.email'],
      [...MEANINGLESS, 'test@test.com', 'test@example.com', 'noreply@example.com'],
    ),
    strong('phone', 3, ['phone'], ['traits.phone', 'context.traits.phone']),
    strong('external_id', 4, ['trim'], ['context.externalIds[]']),
    {
      ...strong('device_id', 8, [], ['context.device.id']),
      strength: 'weak',
      limit: { max: 5, perSeconds: MONTH_SECONDS },
      strongNeighboursMax: null,
    },
  ],
  identifiersMax: 200,
  mergesMax: 100,
  logoutEvents: ['Logged Out', 'Signed Out'],
} satisfies IdentityRules);

/** The number of a type's nodes, or 0 when there is no such type. */
export function typeNumber(rules: IdentityRules, name: string): number {
  if (name === ACCOUNT_TYPE_NAME) return ACCOUNT;
  return rules.types.findIndex((rule) => rule.type === name) + 1;
}

/** The name of a type's number. */
export function typeName(rules: IdentityRules, number: number): string {
  return number === ACCOUNT ? ACCOUNT_TYPE_NAME : rules.types[number - 1]!.type;
}
