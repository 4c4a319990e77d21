/** Rules that a tenant sets: what they may say, that they hold from their place in the log on, and replay. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { DEFAULT_RULES } from '../../identity/identity-rules.ts';
import { parseRules, reviseRules, rulesToJson } from '../../identity/identity-rules-format.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { NOW, TestEngine } from '../support/engine-fixture.ts';
import { identityState } from '../support/identity-state.ts';

interface RulesJson {
  types: Record<string, unknown>[];
  [key: string]: unknown;
}

const CRM = {
  type: 'crm_id',
  priority: 2,
  strength: 'strong',
  unique: true,
  limit: null,
  max_strong_neighbours: null,
  normalize: ['digits'],
  from: ['context.externalIds[crm]', 'properties.customer.number'],
  block: [{ regex: '^9+$' }],
};

/** The default rules in JSON, changed by `change`. */
function rulesWith(change: (rules: RulesJson) => void): RulesJson {
  const rules = structuredClone(rulesToJson(DEFAULT_RULES)) as RulesJson;
  change(rules);
  return rules;
}

async function setRules(engine: TestEngine, rules: unknown): Promise<void> {
  const { identity } = engine.tenant;
  const outcome = await engine.tenant.commands.changeIdentity(identity.rulesCommand(rules), NOW);
  assert.equal(outcome.isChanged, true);
}

const open = (context: TestContext, fileSystem: MemoryFileSystem): Promise<TestEngine> =>
  TestEngine.open(context, fileSystem);

test('rules are the same after JSON and back', () => {
  assert.deepEqual(parseRules(rulesToJson(DEFAULT_RULES), 1), DEFAULT_RULES);
});

test('rules that make no sense are refused with the reason', () => {
  const wrong: [RegExp, (rules: RulesJson) => void][] = [
    [/has no colour/, (rules) => Object.assign(rules, { colour: 'red' })],
    [
      /strength is strong or weak/,
      (rules) => Object.assign(rules.types[2]!, { strength: 'so-so' }),
    ],
    [/is there twice/, (rules) => rules.types.push({ ...CRM }, { ...CRM })],
    [/no RE2 pattern/, (rules) => rules.types.push({ ...CRM, block: [{ regex: '(a' }] })],
    [/no path below/, (rules) => rules.types.push({ ...CRM, from: ['integrations.x'] })],
    [/group_id cannot name/, (rules) => rules.types.push({ ...CRM, type: 'group_id' })],
    [/limit.per/, (rules) => rules.types.push({ ...CRM, limit: { max: 2, per: 'monthly' } })],
    [/the type "crm_id" has no colour/, (rules) => rules.types.push({ ...CRM, colour: 'red' })],
    [/crm_id: from is a list/, (rules) => rules.types.push({ ...CRM, from: 'traits.x' })],
    [/crm_id: {} is no step/, (rules) => rules.types.push({ ...CRM, normalize: [{}] })],
    [/the type without a name is a JSON/, (rules) => rules.types.push(null as never)],
  ];
  for (const [reason, change] of wrong) {
    assert.throws(() => parseRules(rulesWith(change), 1), { message: reason });
  }
  const withoutUser = rulesWith((rules) => rules.types.shift());
  assert.throws(() => reviseRules(DEFAULT_RULES, parseRules(withoutUser, 2)), {
    message: /user_id is needed/,
  });
});

test('a window shorter than a minute is refused in new rules alone', () => {
  const rulesPer = (per: string) =>
    parseRules(
      rulesWith((rules) => rules.types.push({ ...CRM, limit: { max: 2, per } })),
      1,
    );
  for (const per of ['0d', '59s']) {
    assert.throws(() => reviseRules(DEFAULT_RULES, rulesPer(per)), {
      message: /crm_id: limit.per is at least a minute/,
    });
  }
  assert.equal(reviseRules(DEFAULT_RULES, rulesPer('1m')).version, 2);
  // A log that has such rules is read.
  assert.equal(rulesPer('0d').types.at(-1)!.limit!.perSeconds, 0);
});

test('of two types with one priority the one that is listed first counts first', async (context) => {
  const engine = await open(context, new MemoryFileSystem());
  await setRules(
    engine,
    rulesWith((rules) => rules.types.push({ ...CRM, priority: 2 })),
  );
  await engine.send([
    {
      type: 'identify',
      anonymousId: 'x',
      context: { externalIds: [{ type: 'crm', id: '7' }] },
      traits: { email: 'ada@example.com' },
    },
  ]);
  const { identity } = engine.tenant;
  const { profiles } = identity;
  const [first] = profiles.anchorsOf(identity.profileOf('email', 'ada@example.com'));
  assert.equal(profiles.typeOf(first!), DEFAULT_RULES.types.findIndex(isEmail) + 1);
});

test('an identifier is found wherever its key lies in a text, written with an escape or not', async (context) => {
  const engine = await open(context, new MemoryFileSystem());
  // The filter before the search looks at blocks of 16 and of 64 bytes, and meets keys that only begin alike.
  const shifts = Array.from({ length: 200 }, (_, shift) => shift);
  const traitsOf = (key: string, shift: number): string =>
    `{"e":1,"emai":"a","pad":"${'x'.repeat(shift)}","${key}":"${key.length}-${shift}@example.com","z":0}`;
  for (const key of ['email', '\\u0065mail', 'emails']) {
    const events = shifts.map(
      (shift) => `{"type":"identify","userId":"u-${shift}","traits":${traitsOf(key, shift)}}`,
    );
    await engine.sendBytes(Buffer.from(`{"batch":[${events.join(',')}]}`));
  }
  const { identity } = engine.tenant;
  for (const shift of shifts) {
    const person = identity.profileOf('user_id', `u-${shift}`);
    assert.notEqual(person, 0);
    assert.equal(identity.profileOf('email', `5-${shift}@example.com`), person, `${shift}`);
    assert.equal(identity.profileOf('email', `10-${shift}@example.com`), person, `${shift}`);
    assert.equal(identity.profileOf('email', `6-${shift}@example.com`), 0);
  }
});

const isEmail = ({ type }: { readonly type: string }): boolean => type === 'email';

test('a type that is left out keeps its number and is no longer looked for', () => {
  const next = parseRules(
    rulesWith((rules) => {
      rules.types = [CRM, ...rules.types.filter(({ type }) => type !== 'phone')];
    }),
    1,
  );
  const revised = reviseRules(DEFAULT_RULES, next);
  assert.deepEqual(
    revised.types.map(({ type }) => type),
    [...DEFAULT_RULES.types.map(({ type }) => type), 'crm_id'],
  );
  const phone = revised.types.find(({ type }) => type === 'phone')!;
  assert.deepEqual([phone.from, phone.block], [[], []]);
  assert.equal(revised.version, 2);
});

test('new rules hold for the events behind them, and a restart comes to the same', async (context) => {
  const fileSystem = new MemoryFileSystem();
  const engine = await open(context, fileSystem);
  const { identity } = engine.tenant;
  const crm = (id: string, ids: object) => ({
    type: 'page',
    context: { externalIds: [{ id, type: 'crm' }] },
    ...ids,
  });
  // Another external id, but the same digits.
  await engine.send([crm('k17', { anonymousId: 'before' })]);
  const rules = rulesWith((changed) => changed.types.push(CRM));
  await setRules(engine, rules);
  await engine.send([
    crm('K-17', { anonymousId: 'x' }),
    { type: 'track', event: 'a', userId: 'ann', properties: { customer: { number: 17 } } },
    crm('999', { anonymousId: 'y' }),
  ]);
  assert.equal(identity.profileOf('crm_id', '17'), identity.profileOf('user_id', 'ann'));
  assert.equal(identity.profileOf('anonymous_id', 'x'), identity.profileOf('user_id', 'ann'));
  assert.notEqual(identity.profileOf('anonymous_id', 'before'), identity.profileOf('crm_id', '17'));
  assert.equal(identity.profileOf('crm_id', '999'), 0, 'blocked by a pattern');
  assert.deepEqual(
    engine.edges().map((edge) => edge['rule_version']),
    [1, 2, 2, 2, 2],
  );
  // A value that was fine is blocked from now on, and one that was blocked is let in.
  await setRules(
    engine,
    rulesWith((changed) => changed.types.push({ ...CRM, block: ['17'] })),
  );
  await engine.send([crm('17', { anonymousId: 'z' }), crm('999', { anonymousId: 'z' })]);
  assert.equal(identity.profileOf('crm_id', '17'), 0);
  assert.equal(identity.profileOf('crm_id', '999'), identity.profileOf('anonymous_id', 'z'));
  const state = identityState(engine);
  await engine.engine.close();
  const replayed = await open(context, fileSystem);
  assert.deepEqual(identityState(replayed), state);
  assert.equal(replayed.tenant.identity.rules.version, 3);
});

test('rules that change while batches are under way split them cleanly', async (context) => {
  const fileSystem = new MemoryFileSystem();
  const engine = await open(context, fileSystem);
  const pending: Promise<unknown>[] = [];
  for (let number = 0; number < 40; number += 1) {
    if (number === 20) {
      pending.push(
        setRules(
          engine,
          rulesWith((changed) => changed.types.push(CRM)),
        ),
      );
    }
    const properties = { customer: { number } };
    pending.push(
      engine.send([{ type: 'track', event: 'a', anonymousId: `d${number}`, properties }]),
    );
  }
  await Promise.all(pending);
  const state = identityState(engine);
  await engine.engine.close();
  assert.deepEqual(identityState(await open(context, fileSystem)), state);
});
