/** Rule sets tried on the past, against really applying them; over random events and commands. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { TENANT_CAPACITIES } from '../../engine/capacities.ts';
import { PairCounts } from '../../engine/what-if/pair-counts.ts';
import { foldHistory } from '../../engine/what-if/past.ts';
import { WhatIfReplay } from '../../engine/what-if/replay.ts';
import { reportOf } from '../../engine/what-if/report.ts';
import type { WhatIfReport } from '../../engine/what-if/report-format.ts';
import { DEFAULT_RULES } from '../../identity/identity-rules.ts';
import { rulesToJson } from '../../identity/identity-rules-format.ts';
import { RECORD_WORDS } from '../../identity/profile-store.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { NOW, TestEngine, type TestEvent } from '../support/engine-fixture.ts';
import { temporaryHotDirectory } from '../support/hot-fixture.ts';
import { HotHistory } from '../support/hot-history.ts';

type Rules = Record<string, unknown> & { types: Record<string, unknown>[] };

const DAY_MICROS = 86_400 * 1_000_000;
const SMALL = { ...TENANT_CAPACITIES, segmentRows: 64, identityNodes: 1_000_000 };

const rulesOf = (change: (type: Record<string, unknown>) => object): Rules => {
  const rules = rulesToJson(DEFAULT_RULES) as Rules;
  return { ...rules, types: rules.types.map((type) => ({ ...type, ...change(type) })) };
};
const TODAY = rulesOf(() => ({}));
/** Each reads, joins or refuses otherwise than the rules there are from the start. */
const OTHERS: readonly Rules[] = [
  rulesOf(({ type }) => (type === 'email' ? { unique: true } : {})),
  rulesOf(({ type }) => (type === 'email' ? { max_strong_neighbours: 1 } : {})),
  rulesOf(({ type }) => (type === 'user_id' ? { unique: false, limit: null } : {})),
  rulesOf(({ type }) => (type === 'anonymous_id' ? { strength: 'strong', priority: 3 } : {})),
  rulesOf(({ type }) => (type === 'phone' ? { block: ['0', '2'] } : {})),
  { ...TODAY, identifiers_max: 3 },
  { ...TODAY, types: TODAY.types.filter(({ type }) => type !== 'email') },
  {
    ...TODAY,
    types: [
      ...TODAY.types,
      {
        ...{ type: 'card', priority: 2, strength: 'strong', unique: false },
        from: ['properties.card'],
      },
    ],
  },
];

const id = (prefix: string, count: number): fc.Arbitrary<string> =>
  fc.nat(count - 1).map((number) => `${prefix}${number}`);
const anyEvent: fc.Arbitrary<TestEvent> = fc
  .tuple(
    fc.record(
      {
        userId: id('u', 5),
        traits: fc.record({ email: id('e', 4), phone: id('', 3) }, { requiredKeys: [] }),
        properties: fc.record({ card: id('c', 3) }),
      },
      { requiredKeys: [] },
    ),
    id('d', 5),
    fc.constantFrom('identify', 'identify', 'track', 'alias'),
    id('u', 5),
  )
  .map(([ids, anonymousId, type, previousId]) => ({
    ...{ type, anonymousId, ...ids },
    ...(type === 'alias' && { previousId }),
    ...(type === 'track' && { event: previousId === 'u0' ? 'Logged Out' : 'Seen' }),
  }));
const anyIdentifier = fc.oneof(
  id('u', 5).map((value) => ({ type: 'user_id', value })),
  id('e', 4).map((value) => ({ type: 'email', value })),
  id('d', 5).map((value) => ({ type: 'anonymous_id', value })),
);
const anyCommand = fc.oneof(
  fc.record({ command: fc.constant('undo'), merge: fc.integer({ min: 1, max: 6 }) }),
  fc.record({
    command: fc.constantFrom('link', 'unlink'),
    a: anyIdentifier,
    b: anyIdentifier,
    force: fc.boolean(),
  }),
  fc.record({
    command: fc.constant('block'),
    identifier: anyIdentifier,
    retroactive: fc.boolean(),
  }),
  fc.record({ command: fc.constant('unblock'), identifier: anyIdentifier }),
  fc.record({ command: fc.constant('split'), identifiers: fc.tuple(anyIdentifier) }),
);
const anyBatch = fc.array(anyEvent, { minLength: 1, maxLength: 25 });

/** Folds what an engine has by `rules`, without touching it. */
async function replayOf(
  context: TestContext,
  engine: TestEngine,
  rules: Rules,
): Promise<{ replay: WhatIfReplay; report: WhatIfReport }> {
  const { identity, appliedSequence: sequence } = engine.tenant;
  const command = identity.rulesCommand(rules);
  assert(command.command === 'rules');
  const replay = new WhatIfReplay({
    directory: temporaryHotDirectory(context),
    capacities: SMALL,
    rules: command,
  });
  const history = new HotHistory(engine);
  await foldHistory(history, replay, sequence, async () => {});
  const { profiles } = identity;
  const profileOf = profiles.profileOf.slice(0, profiles.anchorCount + 1);
  const today = { version: identity.rules.version, identifiers: identity.nodeCount };
  const frame = { sequence, today, examples: 5 };
  return { replay, report: await reportOf(frame, { replay, history, profileOf }) };
}

/** All that identity decided, ordinal for ordinal. */
function decisions(identity: TestEngine['tenant']['identity']): unknown {
  const { profiles } = identity;
  const anchors = profiles.anchorCount + 1;
  return {
    nodes: Array.from({ length: identity.nodeCount }, (_, index) => [
      identity.typeOf(index + 1),
      identity.valueOf(index + 1),
    ]),
    profileOf: [...profiles.profileOf.subarray(0, anchors)],
    records: [...profiles.records.subarray(0, anchors * RECORD_WORDS)],
    heads: [...profiles.heads.subarray(0, profiles.profileCount + 1)],
  };
}

test('a rule set that is tried decides as it does where it is really in force', async (context) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyBatch, { minLength: 1, maxLength: 4 }),
      fc.constantFrom(...OTHERS),
      async (batches, rules) => {
        const live = await TestEngine.open(context, new MemoryFileSystem());
        const applied = await TestEngine.open(context, new MemoryFileSystem());
        await applied.tenant.commands.changeIdentity(
          applied.tenant.identity.rulesCommand(rules),
          NOW,
        );
        for (const [index, batch] of batches.entries()) {
          for (const engine of [live, applied])
            await engine.send(batch, NOW + index * 9 * DAY_MICROS);
        }
        const { replay, report } = await replayOf(context, live, rules);
        assert.deepEqual(decisions(replay.identity), decisions(applied.tenant.identity));
        const { profiles } = applied.tenant.identity;
        const ordinals = Array.from({ length: profiles.profileCount }, (_, index) => index + 1);
        const people = ordinals.filter((profile) => profiles.isLive(profile));
        assert.equal(report.profiles.after, people.length);
        replay.close();
        await live.engine.close();
        await applied.engine.close();
      },
    ),
    { numRuns: 6 },
  );
});

test('the rules of today change nothing, whatever an operator said meanwhile', async (context) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(anyBatch, fc.array(anyCommand, { maxLength: 3 })), {
        minLength: 1,
        maxLength: 3,
      }),
      async (turns) => {
        const engine = await TestEngine.open(context, new MemoryFileSystem());
        for (const [batch, commands] of turns) {
          await engine.send(batch);
          for (const command of commands) await obey(engine, command);
        }
        const { replay, report } = await replayOf(context, engine, TODAY);
        const { before, after, unchanged, ...changed } = report.profiles;
        assert.deepEqual(changed, { split: 0, merged: 0, moved: 0 });
        assert.equal(after, before);
        assert(unchanged <= before);
        assert.deepEqual([report.split, report.merged], [[], []]);
        assert.equal(report.events_moved, 0);
        assert.equal(report.identifiers.after, report.identifiers.before);
        replay.close();
        await engine.engine.close();
      },
    ),
    { numRuns: 10 },
  );
});

/** A command of the generator: a split is of whoever has the identifier. */
async function obey(engine: TestEngine, command: object): Promise<void> {
  const { identity } = engine.tenant;
  const { identifiers } = command as { identifiers?: [{ type: string; value: string }] };
  if (identifiers === undefined) {
    await engine.tenant.commands.changeIdentity(command as never, NOW);
    return;
  }
  const [{ type, value }] = identifiers;
  const profile = identity.resolveProfileId(type, value);
  if (profile !== null)
    await engine.tenant.commands.changeIdentity({ ...command, profile } as never, NOW);
}

const signIn = (userId: string, email: string): TestEvent => ({
  type: 'identify',
  ...{ userId, traits: { email } },
});

test('a profile that would be split is told with the edge that would be refused', async (context) => {
  const engine = await TestEngine.open(context, new MemoryFileSystem());
  await engine.send([signIn('ann', 'ann@x.io'), signIn('ann', 'ann@work.io')]);
  await engine.send([{ type: 'identify', anonymousId: 'd1', traits: { email: 'ann@work.io' } }]);
  const { report } = await replayOf(context, engine, OTHERS[0]!);
  assert.deepEqual(
    [report.profiles.before, report.profiles.after, report.profiles.split],
    [1, 2, 1],
  );
  assert.equal(report.events_moved, 1);
  const [split] = report.split;
  assert.equal(split!.profile, engine.tenant.identity.resolveProfileId('user_id', 'ann'));
  assert.deepEqual(
    split!.parts.map(({ events, identifiers }) => [events, identifiers.map(({ value }) => value)]),
    [
      [2, ['ann', 'ann@x.io']],
      [1, ['ann@work.io', 'd1']],
    ],
  );
  assert.deepEqual(split!.because, [
    {
      a: { type: 'user_id', value: 'ann' },
      b: { type: 'email', value: 'ann@work.io' },
      before: 'active: attached',
      after: 'none',
    },
  ]);
});

test('profiles that would become one are told with the edge that would join them', async (context) => {
  const engine = await TestEngine.open(context, new MemoryFileSystem());
  await engine.send([signIn('bob', 'x@x.io'), signIn('eve', 'x@x.io'), signIn('dan', 'd@x.io')]);
  const { report } = await replayOf(context, engine, OTHERS[2]!);
  const { unchanged, merged } = report.profiles;
  assert.deepEqual(
    [report.profiles.before, report.profiles.after, merged, unchanged],
    [3, 2, 2, 1],
  );
  const [joined] = report.merged;
  assert.deepEqual([joined!.profile_count, joined!.events], [2, 2]);
  assert.deepEqual(joined!.because, [
    {
      a: { type: 'user_id', value: 'eve' },
      b: { type: 'email', value: 'x@x.io' },
      before: 'demoted: two_values',
      after: 'active: attached',
    },
  ]);
  assert.equal(report.demoted.before, 1);
  assert.equal(report.demoted.after, 0);
  assert.deepEqual(report.largest.before[0], {
    profile: engine.tenant.identity.resolveProfileId('user_id', 'bob'),
    anchors: 2,
  });
});

test('counts of pairs are those of a map, through every growth', () => {
  const pairs = new PairCounts();
  const model = new Map<string, number>();
  for (let index = 0; index < 20_000; index += 1) {
    const pair = [index % 97, 1 + ((index * 7919) % 211)] as const;
    pairs.add(...pair);
    model.set(pair.join(), (model.get(pair.join()) ?? 0) + 1);
  }
  const found = new Map<string, number>();
  pairs.each((first, second, count) => found.set(`${first},${second}`, count));
  assert.equal(pairs.size, model.size);
  assert.deepEqual([...found].sort(), [...model].sort());
});
