import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { NOW, TestEngine, type TestEvent } from '../support/engine-fixture.ts';
import { readRows } from '../support/read-rows.ts';

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
  assert.deepEqual([edge!['state'], edge!['reason']], ['demoted', 'two_values']);
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
    profilesOf(engine).map((profile) => engine.tenant.identity.profiles.idOf(profile));
  const ids = idsOf(first);
  assert.equal(new Set(ids).size, 50);
  for (const id of ids)
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  await first.engine.close();
  assert.deepEqual(idsOf(await TestEngine.open(context, fileSystem)), ids);
});

const track = (event: string, ids: TestEvent): TestEvent => ({ type: 'track', event, ...ids });
const identify = (traits: TestEvent, ids: TestEvent = {}): TestEvent => ({
  type: 'identify',
  traits,
  ...ids,
});

test('an email joins what a visitor and a user did, whatever its case', async (context) => {
  const engine = await open(context);
  await engine.send([
    identify({ email: 'Ann@Mail.example' }, { anonymousId: 'x' }),
    identify({ email: ' ann@mail.example ' }, { userId: 'ann' }),
  ]);
  assert.equal(new Set(profilesOf(engine)).size, 1);
  const { identity } = engine.tenant;
  assert.equal(identity.profileOf('email', 'ANN@mail.example'), profilesOf(engine)[0]);
  assert.deepEqual(
    engine.edges().map((edge) => [edge['a_value'], edge['b_value'], edge['reason']]),
    [
      ['ann@mail.example', 'x', 'claimed'],
      ['ann', 'ann@mail.example', 'attached'],
    ],
  );
});

test('an email of another user is demoted with all behind it, once', async (context) => {
  const engine = await open(context);
  const intruder = identify({ email: 'ann@mail.example' }, { userId: 'bob', anonymousId: 'b' });
  await engine.send([
    identify({ email: 'ann@mail.example' }, { userId: 'ann' }),
    intruder,
    intruder,
    page({ userId: 'bob', anonymousId: 'b' }),
  ]);
  const [ann, bob] = profilesOf(engine);
  assert.notEqual(ann, bob);
  assert.equal(engine.tenant.identity.profileOf('email', 'ann@mail.example'), ann);
  assert.deepEqual(
    engine.edges().map((edge) => [edge['b_value'], edge['state'], edge['reason']]),
    [
      ['ann@mail.example', 'active', 'attached'],
      ['ann@mail.example', 'demoted', 'two_values'],
      ['b', 'demoted', 'two_values'],
      ['b', 'active', 'claimed'],
    ],
  );
});

test('values that name nobody are dropped, and told once', async (context) => {
  const engine = await open(context);
  await engine.send([
    page({ anonymousId: '0000-0000' }),
    page({ anonymousId: '0000-0000', userId: 'ann' }),
    page({ userId: 'NULL' }),
  ]);
  const { profiles } = engine.tenant.identity;
  assert.deepEqual(
    [profiles.profileCount, profilesOf(engine).map(Boolean)],
    [1, [false, true, false]],
  );
  const warnings = engine.tenant.hot.warnings.segments.flatMap((segment) => readRows(segment));
  assert.deepEqual(
    warnings.map((row) => [row['code'], row['path'], row['sequence']]),
    [
      ['identifier_blocked', 'anonymous_id', 1n],
      ['identifier_blocked', 'user_id', 3n],
    ],
  );
});

test('an email that many users send is quarantined: it joins nobody any more', async (context) => {
  const engine = await open(context);
  const users = Array.from({ length: 8 }, (_, index) =>
    identify({ email: 'till@shop.example' }, { userId: `u${index}`, anonymousId: `d${index}` }),
  );
  await engine.send([...users, identify({ email: 'till@shop.example' }, { anonymousId: 'new' })]);
  assert.equal(new Set(profilesOf(engine).slice(0, 8)).size, 8);
  const quarantined = engine.edges().filter((edge) => edge['state'] === 'quarantined');
  assert.deepEqual(
    quarantined.map((edge) => [edge['sequence'], edge['b_value']]),
    [[4n, 'till@shop.example']],
  );
  // Once it is out of the way, devices are joined as ever.
  const { identity } = engine.tenant;
  assert.equal(identity.profileOf('anonymous_id', 'd7'), identity.profileOf('user_id', 'u7'));
  assert.equal(identity.profileOf('anonymous_id', 'new'), 0);
});

test('after a logout the device begins anew, and its owner goes on where they were', async (context) => {
  const engine = await open(context);
  const { identity } = engine.tenant;
  await engine.send([
    page({ userId: 'ann', anonymousId: 'x' }),
    track('Logged Out', { userId: 'ann', anonymousId: 'x' }),
  ]);
  assert.equal(identity.profileOf('anonymous_id', 'x'), 0, 'a device without an owner');
  await engine.send([page({ anonymousId: 'x' }), page({ userId: 'bob', anonymousId: 'x' })]);
  await engine.send([page({ userId: 'ann', anonymousId: 'x' }), page({ anonymousId: 'x' })]);
  const ann = identity.profileOf('user_id', 'ann');
  const bob = identity.profileOf('user_id', 'bob');
  assert.deepEqual(profilesOf(engine), [ann, ann, bob, bob, ann, ann]);
});

test('a kiosk with 10,000 users keeps people apart and every profile small', async (context) => {
  const engine = await open(context);
  const users = 10_000;
  const visits = Array.from({ length: users }, (_, index) => [
    page({ anonymousId: 'kiosk', userId: `u${index}` }),
    page({ anonymousId: 'kiosk' }),
  ]).flat();
  for (let at = 0; at < visits.length; at += 5000) await engine.send(visits.slice(at, at + 5000));
  const { profiles } = engine.tenant.identity;
  const found = profilesOf(engine);
  assert.equal(new Set(found).size, users);
  for (let index = 0; index < users; index += 1) {
    assert.equal(found[2 * index], found[2 * index + 1], 'what a user did stays theirs');
    assert.equal(profiles.sizeOf(found[2 * index]!), 2);
  }
});

test('the account of a group call joins nobody, and its traits are not the person', async (context) => {
  const engine = await open(context);
  const group = { type: 'group', groupId: 'acme', traits: { email: 'office@acme.example' } };
  await engine.send([
    { ...group, userId: 'ann' },
    { ...group, userId: 'bob' },
  ]);
  assert.equal(new Set(profilesOf(engine)).size, 2);
  assert.equal(engine.tenant.identity.profileOf('email', 'office@acme.example'), 0);
});

test('at its limit of devices a profile takes no more, and their events stay apart', async (context) => {
  const engine = await open(context);
  const { identity } = engine.tenant;
  await engine.send(
    Array.from({ length: 6 }, (_, index) => page({ userId: 'ann', anonymousId: `d${index}` })),
  );
  const ann = identity.profileOf('user_id', 'ann');
  assert.equal(identity.profileOf('anonymous_id', 'd4'), ann);
  assert.equal(identity.profileOf('anonymous_id', 'd5'), 0);
  const month = 31 * 86_400 * 1_000_000;
  await engine.send([page({ userId: 'ann', anonymousId: 'd5' })], NOW + month);
  assert.equal(identity.profileOf('anonymous_id', 'd5'), ann, 'the window has moved on');
});
