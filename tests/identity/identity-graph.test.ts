import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import fc from 'fast-check';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { TestEngine, type TestEvent } from '../support/engine-fixture.ts';
import { ReferenceIdentity } from '../support/reference-identity.ts';

const open = (context: TestContext): Promise<TestEngine> =>
  TestEngine.open(context, new MemoryFileSystem());

const page = (ids: TestEvent): TestEvent => ({ type: 'page', ...ids });
const alias = (ids: TestEvent): TestEvent => ({ type: 'alias', ...ids });

function profilesOf(engine: TestEngine): number[] {
  const { profiles } = engine.tenant.identity;
  return engine.rows().map((row) => profiles.profileOf[Number(row['anchor'])]!);
}

test('what a visitor did before logging in belongs to the user afterwards', async (context) => {
  const engine = await open(context);
  await engine.send([page({ anonymousId: 'x' })]);
  assert.deepEqual(profilesOf(engine), [1]);
  await engine.send([page({ anonymousId: 'x', userId: 'ann' }), page({ anonymousId: 'x' })]);
  const profiles = profilesOf(engine);
  assert.equal(new Set(profiles).size, 1);
  assert.equal(engine.tenant.identity.profileOf('user_id', 'ann'), profiles[0]);
});

test('two users of one device stay two people, and each keeps what the device did for them', async (context) => {
  const engine = await open(context);
  await engine.send([
    page({ anonymousId: 'kiosk' }),
    page({ anonymousId: 'kiosk', userId: 'ann' }),
    page({ anonymousId: 'kiosk' }),
    page({ anonymousId: 'kiosk', userId: 'bob' }),
    page({ anonymousId: 'kiosk' }),
    page({ anonymousId: 'kiosk', userId: 'ann' }),
    page({ anonymousId: 'kiosk' }),
  ]);
  const ann = engine.tenant.identity.profileOf('user_id', 'ann');
  const bob = engine.tenant.identity.profileOf('user_id', 'bob');
  assert.deepEqual(profilesOf(engine), [ann, ann, ann, bob, bob, ann, ann]);
  assert.deepEqual(
    engine.edges().map((edge) => [edge['a_value'], edge['reason']]),
    [
      ['ann', 'claimed'],
      ['bob', 'interval'],
      ['ann', 'interval'],
    ],
  );
});

test('an alias of two known users is refused, logged, and changes nothing', async (context) => {
  const engine = await open(context);
  await engine.send([
    page({ userId: 'ann' }),
    page({ userId: 'bob' }),
    alias({ userId: 'ann', previousId: 'bob' }),
  ]);
  const [ann, bob, aliased] = profilesOf(engine);
  assert.notEqual(ann, bob);
  assert.equal(aliased, ann);
  const [edge] = engine.edges();
  assert.deepEqual([edge!['state'], edge!['reason']], ['refused', 'two_user_ids']);
});

test('an alias to oneself is a no-op', async (context) => {
  const engine = await open(context);
  await engine.send([alias({ userId: 'ann', previousId: 'ann' })]);
  assert.equal(engine.tenant.identity.profiles.profileCount, 1);
  assert.deepEqual(engine.edges(), []);
});

test('an identifier resolves to the public id of its profile as of now', async (context) => {
  const engine = await open(context);
  const { identity } = engine.tenant;
  await engine.send([page({ anonymousId: 'x' }), page({ userId: 'ann' })]);
  const visitor = identity.resolveProfileId('anonymous_id', 'x');
  const ann = identity.resolveProfileId('user_id', 'ann');
  assert.notEqual(visitor, ann);
  await engine.send([page({ anonymousId: 'x', userId: 'ann' })]);
  assert.equal(identity.resolveProfileId('anonymous_id', 'x'), ann);
  assert.equal(identity.resolveProfileId('user_id', 'nobody'), null);
  assert.throws(() => identity.resolveProfileId('shoe_size', '44'), {
    code: 'TRIBUTARY_IDENTITY_TYPE_UNKNOWN',
  });
});

test('identifiers of different types never meet, whatever their text', async (context) => {
  const engine = await open(context);
  await engine.send([page({ userId: 'same' }), page({ anonymousId: 'same' })]);
  assert.equal(new Set(profilesOf(engine)).size, 2);
});

test('public profile ids are unique, look like UUIDs and come out the same after a restart', async (context) => {
  const fileSystem = new MemoryFileSystem();
  const first = await TestEngine.open(context, fileSystem);
  await first.send(Array.from({ length: 50 }, (_, index) => page({ userId: `u${index}` })));
  const idsOf = (engine: TestEngine): string[] =>
    profilesOf(engine).map((profile) => engine.tenant.identity.profiles.profileId(profile));
  const ids = idsOf(first);
  assert.equal(new Set(ids).size, 50);
  for (const id of ids)
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  await first.engine.close();
  assert.deepEqual(idsOf(await TestEngine.open(context, fileSystem)), ids);
});

const id = (prefix: string, count: number): fc.Arbitrary<string> =>
  fc.nat(count - 1).map((number) => `${prefix}${number}`);
const anyEvent: fc.Arbitrary<TestEvent> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ type: fc.constant('page'), anonymousId: id('d', 6) }) },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('page'), userId: id('u', 5) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('page'),
      userId: id('u', 5),
      anonymousId: id('d', 6),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record(
      {
        type: fc.constant('alias'),
        previousId: fc.oneof(id('u', 5), id('d', 6)),
        userId: id('u', 5),
        anonymousId: id('d', 6),
      },
      { requiredKeys: ['type', 'previousId'] },
    ),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('group'), groupId: id('g', 2) }) },
);
const anyBatches = fc.array(fc.array(anyEvent, { minLength: 1, maxLength: 12 }), { maxLength: 6 });

test('live identity, the model and the replayed log agree', async (context) => {
  await fc.assert(
    fc.asyncProperty(anyBatches, async (batches) => {
      const fileSystem = new MemoryFileSystem();
      const live = await TestEngine.open(context, fileSystem);
      const model = new ReferenceIdentity();
      for (const batch of batches) {
        await live.send(batch);
        for (const event of batch) model.add(event);
      }
      compareWithModel(live, model);
      const liveState = stateOf(live);
      await live.engine.close();
      const replayed = await TestEngine.open(context, fileSystem);
      assert.deepEqual(stateOf(replayed), liveState, 'the replayed log gives the same state');
      await replayed.engine.close();
    }),
    { numRuns: 40 },
  );
});

/** Same events together, same edges, same counts. */
function compareWithModel(engine: TestEngine, model: ReferenceIdentity): void {
  const profiles = profilesOf(engine);
  const matched = new Map<object, number>();
  const counts = new Map<number, number>();
  model.attributed.forEach((anchor, index) => {
    const profile = profiles[index]!;
    if (anchor === undefined) {
      assert.equal(profile, 0);
      return;
    }
    counts.set(profile, (counts.get(profile) ?? 0) + 1);
    const known = matched.get(anchor.profile);
    if (known === undefined) matched.set(anchor.profile, profile);
    else assert.equal(profile, known, `event ${index} belongs with the others of its person`);
  });
  assert.equal(new Set(matched.values()).size, matched.size, 'two people have two profiles');
  for (const [profile, count] of counts) {
    assert.equal(engine.tenant.identity.profiles.eventCounts[profile], count);
  }
  const edges = engine.edges().map((edge) => ({
    a: edge['a_value'],
    b: edge['b_value'],
    kind: edge['kind'],
    state: edge['state'],
    reason: edge['reason'],
  }));
  assert.deepEqual(edges, model.edges);
}

/** Everything identity holds, as plain numbers. */
function stateOf(engine: TestEngine): unknown {
  const { identity } = engine.tenant;
  const { profiles } = identity;
  const anchors = profiles.anchorCount + 1;
  const count = profiles.profileCount + 1;
  return {
    nodes: Array.from({ length: identity.nodeCount }, (_, index) => identity.valueOf(index + 1)),
    profileOf: [...profiles.profileOf.subarray(0, anchors)],
    anchorNodes: [...profiles.anchorNodes.subarray(0, anchors)],
    users: [...profiles.users.subarray(0, count)],
    sizes: [...profiles.sizes.subarray(0, count)],
    events: [...profiles.eventCounts.subarray(0, count)],
    firstSeen: [...profiles.firstSeen.subarray(0, 2 * count)],
    lastSeen: [...profiles.lastSeen.subarray(0, 2 * count)],
    rows: engine.rows(),
    edges: engine.edges(),
  };
}
