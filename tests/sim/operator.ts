/**
 * What an operator tells identity while producers send: merges undone, people split, values blocked, linked and
 * kept apart, rules changed. Each is a record of the log, in its place among the batches.
 */
import type { IdentityCommand, NamedIdentifier } from '../../identity/identity-command.ts';
import type { IdentityGraph } from '../../identity/identity-graph.ts';
import type { IdentityRules } from '../../identity/identity-rules.ts';
import { rulesToJson } from '../../identity/identity-rules-format.ts';
import type { Dice } from './dice.ts';
import { DEVICES, PEOPLE } from './workload.ts';

const MERGES = 4;

/** The next command; one that changes nothing is as good as another. */
export function nextCommand(dice: Dice, identity: IdentityGraph): IdentityCommand {
  switch (dice.below(8)) {
    case 0:
      return { command: 'undo', merge: dice.between(1, MERGES) };
    case 1: {
      const user = anyUser(dice);
      const profile = identity.resolveProfileId(user.type, user.value);
      if (profile === null) return { command: 'unlink', a: user, b: anyDevice(dice) };
      return { command: 'split', profile, identifiers: [dice.pick([user, anyDevice(dice)])] };
    }
    case 2:
      return { command: 'block', identifier: anyDevice(dice), retroactive: dice.chance(0.5) };
    case 3:
      return { command: 'unlink', a: anyUser(dice), b: anyDevice(dice) };
    case 4:
    case 5:
      return identity.rulesCommand(rulesToJson(otherRules(dice, identity.rules)));
    default: {
      const b = dice.chance(0.5) ? anyUser(dice) : anyDevice(dice);
      return { command: 'link', a: anyUser(dice), b, force: dice.chance(0.5) };
    }
  }
}

function anyUser(dice: Dice): NamedIdentifier {
  return { type: 'user_id', value: `u${dice.below(PEOPLE)}` };
}

function anyDevice(dice: Dice): NamedIdentifier {
  return { type: 'anonymous_id', value: `d${dice.below(DEVICES)}` };
}

function otherRules(dice: Dice, rules: IdentityRules): IdentityRules {
  switch (dice.below(3)) {
    case 0:
      return { ...rules, identifiersMax: dice.pick([2, 4, 200]) };
    case 1:
      return { ...rules, logoutEvents: dice.pick([[], ['Seen'], ['Logged Out']]) };
    default:
      return {
        ...rules,
        types: rules.types.map((rule) =>
          rule.type === 'anonymous_id' ? { ...rule, block: dice.pick([[], ['d1']]) } : rule,
        ),
      };
  }
}
