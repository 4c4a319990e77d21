/** What an operator tells identity: undo, split, block, link, unlink; each shown before it is done. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { type IdentityCommand, parseIdentityCommand } from '../../identity/identity-command.ts';
import type { CommandOutcome } from '../../identity/identity-operator.ts';
import { DEFAULT_RULES } from '../../identity/identity-rules.ts';
import { rulesToJson } from '../../identity/identity-rules-format.ts';
import { RECORD_WORDS } from '../../identity/profile-store.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { NOW, TestEngine, type TestEvent } from '../support/engine-fixture.ts';
import { identityState } from '../support/identity-state.ts';
import { readRows } from '../support/read-rows.ts';

const open = (context: TestContext, fileSystem = new MemoryFileSystem()): Promise<TestEngine> =>
  TestEngine.open(context, fileSystem);
const page = (ids: TestEvent): TestEvent => ({ type: 'page', ...ids });
const identify = (email: string, ids: TestEvent): TestEvent => ({
  type: 'identify',
  traits: { email },
  ...ids,
});
const user = (value: string) => ({ type: 'user_id', value });
const email = (value: string) => ({ type: 'email', value });
const device = (value: string) => ({ type: 'anonymous_id', value });

/** Carries a command out, and proves that its preview told the truth. */
async function tell(engine: TestEngine, command: IdentityCommand): Promise<CommandOutcome> {
  const preview = engine.tenant.identity.preview(command);
  const outcome = await engine.tenant.commands.changeIdentity(command, NOW);
  const withoutIds = ({ before, after, ...rest }: CommandOutcome) => ({
    ...rest,
    before: before.map(({ profile: _, ...summary }) => summary),
    after: after.map(({ profile: _, ...summary }) => summary).sort(byAnchor),
  });
  assert.deepEqual(withoutIds(outcome), withoutIds(preview));
  return outcome;
}

function byAnchor(a: { anchors: readonly number[] }, b: { anchors: readonly number[] }): number {
  return a.anchors[0]! - b.anchors[0]!;
}

/** Which anchors are together, and how many events they have: all that a profile is. */
function people(engine: TestEngine): string[] {
  const { profiles } = engine.tenant.identity;
  const found = new Map<number, string[]>();
  for (let anchor = 1; anchor <= profiles.anchorCount; anchor += 1) {
    const profile = profiles.profileOf[anchor]!;
    const members = found.get(profile) ?? [];
    members.push(`${anchor}×${profiles.records[anchor * RECORD_WORDS]!}`);
    found.set(profile, members);
  }
  return [...found.values()].map((members) => members.join(' ')).sort();
}

test('a merge that is undone leaves two people with what each of them did', async (context) => {
  const engine = await open(context);
  await engine.send([
    identify('ann@mail.example', { anonymousId: 'x' }),
    page({ userId: 'ann' }),
    page({ userId: 'ann' }),
  ]);
  const before = people(engine);
  const ann = engine.tenant.identity.resolveProfileId('user_id', 'ann');
  await engine.send([identify('ann@mail.example', { userId: 'ann' })]);
  assert.equal(people(engine).length, 1);
  const outcome = await tell(engine, { command: 'undo', merge: 1 });
  assert.equal(outcome.isChanged, true);
  assert.deepEqual(
    outcome.after.map(({ identifiers, events }) => [identifiers.map(({ value }) => value), events]),
    [
      [['ann'], 3],
      [['ann@mail.example', 'x'], 1],
    ],
  );
  assert.equal(outcome.after[0]!.profile, ann, 'who survived keeps the id');
  assert.equal(people(engine).length, before.length);
  // The same evidence does not join them again; nor is there anything left to undo.
  await engine.send([identify('ann@mail.example', { userId: 'ann' })]);
  assert.equal(people(engine).length, 2);
  assert.equal((await tell(engine, { command: 'undo', merge: 1 })).obstacle, 'undone_already');
  assert.equal((await tell(engine, { command: 'undo', merge: 9 })).obstacle, 'unknown');
});

test('identifiers split off become a person of their own, with a new id', async (context) => {
  const engine = await open(context);
  const { identity } = engine.tenant;
  await engine.send([
    identify('ann@mail.example', { userId: 'ann', anonymousId: 'x' }),
    page({ userId: 'ann', anonymousId: 'y' }),
    page({ anonymousId: 'y' }),
  ]);
  const profile = identity.resolveProfileId('user_id', 'ann')!;
  const outcome = await tell(engine, { command: 'split', profile, identifiers: [device('y')] });
  assert.deepEqual(
    outcome.after.map(({ events }) => events),
    [2, 1],
  );
  assert.equal(identity.resolveProfileId('user_id', 'ann'), profile);
  assert.equal(identity.resolveProfileId('anonymous_id', 'y'), outcome.after[1]!.profile);
  await engine.send([page({ userId: 'ann', anonymousId: 'y' })]);
  assert.notEqual(identity.resolveProfileId('anonymous_id', 'y'), profile, 'they stay apart');
  const again = await tell(engine, { command: 'split', profile, identifiers: [device('y')] });
  assert.equal(again.obstacle, 'nothing_to_split');
});

test('a value blocked in retrospect no longer holds people together', async (context) => {
  const engine = await open(context);
  const shared = 'till@shop.example';
  await engine.send([
    identify(shared, { anonymousId: 'x' }),
    identify(shared, { anonymousId: 'y' }),
    page({ anonymousId: 'x' }),
  ]);
  assert.equal(people(engine).length, 1);
  const command = { command: 'block', identifier: email(shared), retroactive: true } as const;
  const outcome = await tell(engine, command);
  assert.deepEqual(outcome.after.map(({ events }) => events).sort(), [0, 1, 2]);
  assert.equal(engine.tenant.identity.profileOf('email', shared), 0);
  await engine.send([
    identify(shared, { anonymousId: 'x' }),
    identify(shared, { anonymousId: 'y' }),
  ]);
  assert.equal(people(engine).length, 3);
});

test('a value that is blocked is not blocked again, in retrospect either, nor linked', async (context) => {
  const engine = await open(context);
  await engine.send([identify('till@shop.example', { userId: 'ann' }), page({ userId: 'bob' })]);
  const block = { command: 'block', identifier: email('till@shop.example') } as const;
  const obstacles: (string | null)[] = [];
  for (const retroactive of [false, false, true, true, false]) {
    obstacles.push((await tell(engine, { ...block, retroactive })).obstacle);
  }
  // The first in retrospect takes apart what the one before left together.
  const again = 'blocked_already';
  assert.deepEqual(obstacles, [null, again, null, again, again]);
  const forbidden = engine.tenant.hot.edges.segments
    .flatMap((segment) => readRows(segment))
    .filter(({ state }) => state === 'forbidden');
  assert.equal(forbidden.length, 2);
  const link = { command: 'link', a: user('bob'), b: block.identifier, force: true } as const;
  assert.equal((await tell(engine, link)).obstacle, 'blocked');
});

test('a block that was a mistake is taken back, and outlives a change of the rules until then', async (context) => {
  const fileSystem = new MemoryFileSystem();
  let engine = await open(context, fileSystem);
  const shared = 'ann@shop.example';
  const identifier = email(shared);
  await engine.send([identify(shared, { userId: 'ann' })]);
  assert.equal((await tell(engine, { command: 'unblock', identifier })).obstacle, 'not_blocked');
  await tell(engine, { command: 'block', identifier, retroactive: true });
  await engine.send([identify(shared, { userId: 'ann' })]);
  const rules = engine.tenant.identity.rulesCommand(rulesToJson(DEFAULT_RULES));
  await engine.tenant.commands.changeIdentity(rules, NOW);
  // New rules had let it name somebody until its next event.
  assert.equal(engine.tenant.identity.profileOf('email', shared), 0);
  assert.equal((await tell(engine, { command: 'unblock', identifier })).isChanged, true);
  assert.equal((await tell(engine, { command: 'unblock', identifier })).obstacle, 'not_blocked');
  await engine.send([identify(shared, { userId: 'ann' })]);
  assert.equal(people(engine).length, 1);
  const state = identityState(engine);
  await engine.engine.close();
  engine = await open(context, fileSystem);
  assert.deepEqual(identityState(engine), state);
});

test('two known users become one by force alone, and part again', async (context) => {
  const engine = await open(context);
  await engine.send([page({ userId: 'ann' }), page({ userId: 'bob' })]);
  const before = people(engine);
  const link = { command: 'link', a: user('ann'), b: user('bob') } as const;
  assert.equal((await tell(engine, { ...link, force: false })).obstacle, 'two_values');
  assert.equal((await tell(engine, { ...link, force: true })).after.length, 1);
  assert.equal((await tell(engine, { ...link, force: true })).obstacle, 'linked_already');
  await tell(engine, { command: 'undo', merge: 1 });
  assert.deepEqual(people(engine), before);
});

test('what is unlinked stays apart until it is linked', async (context) => {
  const engine = await open(context);
  const pair = { a: user('ann'), b: email('a@mail.example') };
  const both = identify('a@mail.example', { userId: 'ann' });
  await engine.send([both]);
  assert.equal((await tell(engine, { command: 'unlink', ...pair })).after.length, 2);
  await engine.send([both]);
  assert.equal(people(engine).length, 2);
  assert.deepEqual(
    engine
      .edges()
      .map(({ state }) => state)
      .slice(1),
    ['retracted', 'forbidden', 'demoted'],
  );
  await tell(engine, { command: 'link', ...pair, force: false });
  assert.equal(people(engine).length, 1);
});

test('a former profile leads to what became of it', async (context) => {
  const engine = await open(context);
  await engine.send([page({ anonymousId: 'x' }), page({ userId: 'ann' })]);
  const { profiles } = engine.tenant.identity;
  const visitor = engine.tenant.identity.resolveProfileId('anonymous_id', 'x')!;
  await engine.send([page({ userId: 'ann', anonymousId: 'x' })]);
  const former = profiles.profileWithId(visitor);
  assert.equal(profiles.currentOf(former), engine.tenant.identity.profileOf('user_id', 'ann'));
  assert.equal(profiles.profileWithId('00000000-0000-8000-8000-000000000000'), 0);
});

test('a command that is none is refused by name', () => {
  for (const wrong of [
    null,
    { command: 'merge' },
    { command: 'undo', merge: 0 },
    { command: 'split', profile: 'p', identifiers: [] },
    { command: 'link', a: user('ann'), b: { type: 'email' } },
    { command: 'block', identifier: user('ann'), retroactive: 'yes' },
  ]) {
    assert.throws(() => parseIdentityCommand(wrong), {
      code: 'TRIBUTARY_IDENTITY_COMMAND_INVALID',
    });
  }
  assert.throws(() => parseIdentityCommand({ command: 'link', a: user('ann') }), {
    message: /b is missing; one is {"type":/,
  });
});

const name = (prefix: string, count: number) => fc.nat(count - 1).map((n) => `${prefix}${n}`);
const anyIdentifier = fc.oneof(
  name('u', 4).map(user),
  name('e', 4).map(email),
  name('d', 5).map(device),
);
const anyStep = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      event: fc.record(
        { userId: name('u', 4), anonymousId: name('d', 5), email: name('e', 4) },
        { requiredKeys: ['anonymousId'] },
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      command: fc.oneof(
        fc.record({ command: fc.constant('undo' as const), merge: fc.integer({ min: 1, max: 6 }) }),
        fc.record({ command: fc.constant('unlink' as const), a: anyIdentifier, b: anyIdentifier }),
        fc.record({
          command: fc.constant('block' as const),
          identifier: anyIdentifier,
          retroactive: fc.boolean(),
        }),
        fc.record({ command: fc.constant('unblock' as const), identifier: anyIdentifier }),
      ),
    }),
  },
);

test('link then undo changes nobody, commands replay, and whatever is told no event is lost', async (context) => {
  const fileSystem = new MemoryFileSystem();
  let engine = await open(context, fileSystem);
  let run = 0;
  let events = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(anyStep, { maxLength: 25 }),
      anyIdentifier,
      anyIdentifier,
      async (steps, a, b) => {
        run += 1;
        const own = (value: string | undefined) =>
          value === undefined ? value : `${value}.${run}`;
        const named = <Named extends { value: string }>(one: Named) => ({
          ...one,
          value: own(one.value)!,
        });
        const { hot } = engine.tenant;
        const mergesBefore = Number(mergeNumbers(engine).at(-1) ?? 0);
        for (const step of steps) {
          if ('event' in step) {
            const { userId, anonymousId, email: address } = step.event;
            const traits = address === undefined ? {} : { email: own(address) };
            await engine.send([
              { type: 'identify', traits, userId: own(userId), anonymousId: own(anonymousId) },
            ]);
            events += 1;
            continue;
          }
          const { command } = step;
          if (command.command === 'undo') {
            await tell(engine, { ...command, merge: command.merge + mergesBefore });
          } else if (command.command === 'unlink') {
            await tell(engine, { ...command, a: named(command.a), b: named(command.b) });
          } else {
            await tell(engine, { ...command, identifier: named(command.identifier) });
          }
        }
        const before = people(engine);
        const link = { command: 'link', a: named(a), b: named(b), force: true } as const;
        if ((await tell(engine, link)).isChanged) {
          const undone = await tell(engine, {
            command: 'undo',
            merge: mergeNumbers(engine).at(-1)!,
          });
          assert.equal(undone.isChanged, true);
          assert.deepEqual(people(engine), before);
        }
        const { profiles } = engine.tenant.identity;
        let counted = 0;
        for (let anchor = 1; anchor <= profiles.anchorCount; anchor += 1) {
          counted += profiles.records[anchor * RECORD_WORDS]!;
        }
        const nobody = hot.events.segments
          .flatMap((segment) => readRows(segment))
          .filter((row) => row['anchor'] === 0).length;
        assert.equal(counted + nobody, events);
      },
    ),
    { numRuns: 15 },
  );
  const state = identityState(engine);
  await engine.engine.close();
  engine = await open(context, fileSystem);
  assert.deepEqual(identityState(engine), state);
});

function mergeNumbers(engine: TestEngine): number[] {
  return engine.tenant.hot.merges.segments
    .flatMap((segment) => readRows(segment))
    .filter((row) => row['kind'] === 'merged')
    .map((row) => Number(row['merge']));
}
