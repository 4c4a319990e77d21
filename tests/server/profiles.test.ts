/** One person in one read, asked of the real process. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ADMIN_KEY, ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start();
});
after(() => appliance.remove());

interface Trait {
  readonly trait: string;
  readonly value: unknown;
  readonly timestamp: string;
  readonly sequence: number;
  readonly source: string;
}

interface Profile {
  readonly profile: string;
  readonly former_ids: readonly string[];
  readonly identifiers: readonly { readonly type: string; readonly value: string }[];
  readonly anchors: readonly number[];
  readonly first_seen: string | null;
  readonly last_seen: string | null;
  readonly event_count: number;
  readonly accounts: readonly Record<string, unknown>[];
  readonly traits: readonly Trait[];
  readonly error?: { readonly code: string };
}

async function get(path: string, key = ADMIN_KEY): Promise<[number, Profile, string]> {
  const headers = { Authorization: `Bearer ${key}` };
  const response = await fetch(`${appliance.url}/v1/profiles${path}`, { headers });
  const text = await response.text();
  return [response.status, JSON.parse(text) as Profile, text];
}

async function profileOf(type: string, value: string, more = ''): Promise<Profile> {
  const [status, profile] = await get(`?${new URLSearchParams({ type, value })}${more}`);
  assert.equal(status, 200);
  return profile;
}

async function send(...batch: object[]): Promise<void> {
  const response = await appliance.send('/v1/batch', { batch });
  assert.equal(response.status, 200);
}

async function command(path: string, body: object): Promise<void> {
  const response = await fetch(appliance.url + path, {
    method: 'POST',
    headers: { Authorization: `Bearer ${ADMIN_KEY}` },
    body: JSON.stringify(body),
  });
  assert.equal(((await response.json()) as { changed: boolean }).changed, true);
}

async function dryRun(path: string, body: object): Promise<Record<'before' | 'after', Profile[]>> {
  const response = await fetch(appliance.url + path, {
    method: 'POST',
    headers: { Authorization: `Bearer ${ADMIN_KEY}` },
    body: JSON.stringify({ ...body, dry_run: true }),
  });
  return (await response.json()) as Record<'before' | 'after', Profile[]>;
}

const identify = (userId: string, timestamp: string, traits: object): object => ({
  ...{ type: 'identify', userId, timestamp, traits },
});
const traitsOf = ({ traits }: Profile): Record<string, unknown> =>
  Object.fromEntries(traits.map(({ trait, value }) => [trait, value]));
const named = (type: string, value: string): { type: string; value: string } => ({ type, value });

test('a profile has identifiers, times, accounts and the newest traits by event time', async () => {
  await send(
    identify('ada', '2026-03-02T00:00:00Z', { plan: 'pro', city: 'Rome', email: 'ada@x.io' }),
    identify('ada', '2026-03-01T00:00:00Z', { plan: 'free', since: 2020 }),
    identify('ada', '2026-03-03T00:00:00Z', { city: null }),
    { type: 'group', userId: 'ada', groupId: 'acme', traits: { plan: 'of the account' } },
    { type: 'page', anonymousId: 'tab', userId: 'ada', timestamp: '2026-02-01T00:00:00.250Z' },
  );
  const profile = await profileOf('email', ' ADA@x.io');
  assert.deepEqual(profile.identifiers, [
    named('user_id', 'ada'),
    named('email', 'ada@x.io'),
    named('anonymous_id', 'tab'),
  ]);
  assert.deepEqual([profile.event_count, profile.first_seen], [5, '2026-02-01T00:00:00.250Z']);
  assert.equal(profile.last_seen, profile.accounts[0]!['last_seen']);
  assert.deepEqual(
    profile.accounts.map(({ group_id: id, event_count: count }) => [id, count]),
    [['acme', 1]],
  );
  assert.deepEqual(traitsOf(profile), { email: 'ada@x.io', plan: 'pro', since: 2020 });
  const { rows } = await appliance.sql(
    `SELECT trait, value, timestamp, sequence, 'default' FROM profile_traits
      WHERE profile_id = $1::UUID ORDER BY trait`,
    [profile.profile],
  );
  assert.deepEqual(
    profile.traits.map((one) => [one.trait, one.value, one.timestamp, one.sequence, one.source]),
    rows,
  );
  assert.deepEqual((await get(`/${profile.profile}`))[1], profile);
});

test('as of a time, only what had happened by then is told', async () => {
  const early = await profileOf('user_id', 'ada', '&as_of=2026-03-02T00:00:00Z');
  assert.deepEqual(traitsOf(early), { ...traitsOf(early), plan: 'pro', city: 'Rome' });
  assert.deepEqual([early.event_count, early.accounts], [3, []]);
  const before = await profileOf('user_id', 'ada', '&as_of=2020-01-01');
  assert.deepEqual(
    [before.event_count, before.first_seen, before.last_seen, before.traits],
    [0, null, null, []],
  );
});

test('a merge brings the traits of both and a former id; undone, each has its own again', async () => {
  await send(
    identify('bob', '2026-01-02T00:00:00Z', { name: 'Bob', size: 1 }),
    identify('rob', '2026-01-01T00:00:00Z', { name: 'Rob', hat: true }),
  );
  const [bob, rob] = [await profileOf('user_id', 'bob'), await profileOf('user_id', 'rob')];
  const pair = { a: named('user_id', 'bob'), b: named('user_id', 'rob') };
  await command('/v1/identity/link', { ...pair, force: true });
  const both = await profileOf('user_id', 'rob');
  assert.deepEqual(traitsOf(both), { name: 'Bob', size: 1, hat: true });
  const gone = both.profile === bob.profile ? rob : bob;
  assert.deepEqual(both.former_ids, [gone.profile]);
  assert.deepEqual((await get(`/${gone.profile}`))[1], both);

  await command('/v1/identity/unlink', pair);
  for (const earlier of [bob, rob]) {
    const { profile, former_ids: former, ...own } = (await get(`/${earlier.profile}`))[1];
    const { profile: id, former_ids: _, ...expected } = earlier;
    assert.deepEqual(own, expected);
    assert.deepEqual(former, profile === id ? [] : [id]);
  }
});

test('a dry run shows the traits that each profile would have, and then has', async () => {
  await send(
    identify('sue', '2026-01-01T00:00:00Z', { name: 'Sue', old: 1 }),
    identify('sam', '2026-01-02T00:00:00Z', { name: 'Sam', old: null }),
  );
  const pair = { a: named('user_id', 'sue'), b: named('user_id', 'sam') };
  const body = { ...pair, force: true };
  const shown = await dryRun('/v1/identity/link', body);
  assert.deepEqual(shown.before.map(traitsOf), [{ name: 'Sue', old: 1 }, { name: 'Sam' }]);
  assert.deepEqual(shown.after.map(traitsOf), [{ name: 'Sam' }]);
  await command('/v1/identity/link', body);
  assert.deepEqual(traitsOf(await profileOf('user_id', 'sue')), { name: 'Sam' });
  const undone = await dryRun('/v1/identity/unlink', pair);
  assert.deepEqual(undone.after.map(traitsOf), [{ name: 'Sue', old: 1 }, { name: 'Sam' }]);
});

test('integers keep their digits, and names are data whatever they are', async () => {
  const traits = '{"__proto__":"text","rate":1.5,"id":9007199254740993,"list":[1.0,{"a":null}]}';
  const response = await fetch(`${appliance.url}/v1/identify`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${WRITE_KEY}` },
    body: `{"userId":"dot","traits":${traits}}`,
  });
  assert.equal(response.status, 200);
  const [, profile, text] = await get('?type=user_id&value=dot');
  for (const value of ['"text"', '1.5', '9007199254740993', '[1.0,{"a":null}]']) {
    assert.ok(text.includes(`"value":${value},`), `${value} in ${text}`);
  }
  assert.deepEqual(
    profile.traits.map(({ trait }) => trait),
    ['__proto__', 'id', 'list', 'rate'],
  );
});

test('a profile is the same after a restart', async () => {
  const early = await profileOf('user_id', 'ada');
  await appliance.kill();
  await appliance.restart();
  assert.deepEqual(await profileOf('user_id', 'ada'), early);
});

test('what is unknown, malformed or not allowed says so', async () => {
  const refusals: [string, number, string][] = [
    ['?type=user_id&value=nobody', 404, 'TRIBUTARY_IDENTITY_PROFILE_UNKNOWN'],
    ['/6b6e0f5e-1d2c-8a4b-9c3d-0123456789ab', 404, 'TRIBUTARY_IDENTITY_PROFILE_UNKNOWN'],
    ['/ada', 404, 'TRIBUTARY_IDENTITY_PROFILE_UNKNOWN'],
    ['?type=shoe&value=42', 400, 'TRIBUTARY_IDENTITY_TYPE_UNKNOWN'],
    ['?type=user_id', 400, 'TRIBUTARY_INGEST_REQUEST_INVALID'],
    [`?type=user_id&value=${'x'.repeat(1025)}`, 400, 'TRIBUTARY_INGEST_REQUEST_INVALID'],
    ['?type=user_id&value=ada&as_of=soon', 400, 'TRIBUTARY_INGEST_REQUEST_INVALID'],
  ];
  for (const [path, status, code] of refusals) {
    const [got, body] = await get(path);
    assert.deepEqual([got, body.error?.code], [status, code], path);
  }
  assert.equal((await get('?type=user_id&value=ada', WRITE_KEY))[0], 401);
});
