/** Accounts: what group calls say of them, and whose events name them; asked of the real process. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ADMIN_KEY, ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start();
});
after(() => appliance.remove());

interface Account {
  readonly group_id: string;
  readonly first_seen: string;
  readonly last_seen: string;
  readonly event_count: number;
  readonly member_count: number;
  readonly members: readonly { readonly profile: string; readonly event_count: number }[];
  readonly traits: readonly { trait: string; value: unknown; timestamp: string; source: string }[];
  readonly error?: { readonly code: string };
}

async function get(query: string, key = ADMIN_KEY): Promise<[number, Account]> {
  const headers = { Authorization: `Bearer ${key}` };
  const response = await fetch(`${appliance.url}/v1/accounts${query}`, { headers });
  return [response.status, (await response.json()) as Account];
}

async function profileOf(userId: string): Promise<string> {
  const path = `/v1/identity/resolve?type=user_id&value=${userId}`;
  const headers = { Authorization: `Bearer ${ADMIN_KEY}` };
  const response = await fetch(appliance.url + path, { headers });
  return ((await response.json()) as { profile: string }).profile;
}

const group = (userId: string, groupId: string, timestamp: string, traits: object): object => ({
  ...{ type: 'group', userId, groupId, timestamp, traits },
});

test('an account has the newest traits by event time, and the people whose events name it', async () => {
  await appliance.send('/v1/batch', {
    batch: [
      group('ada', 'acme', '2026-03-02T00:00:00Z', { plan: 'pro', seats: 9, city: 'Rome' }),
      group('ada', 'acme', '2026-03-01T00:00:00Z', { plan: 'free', since: 2020 }),
      group('bob', 'acme', '2026-03-03T00:00:00Z', { city: null }),
      group('bob', 'other', '2026-03-03T00:00:00Z', { plan: 'none' }),
      {
        type: 'identify',
        userId: 'bob',
        timestamp: '2026-03-03T00:00:00Z',
        traits: { plan: 'own' },
      },
    ],
  });
  const [status, account] = await get('?group_id=acme');
  assert.equal(status, 200);
  assert.deepEqual(
    account.traits.map(({ trait, value, timestamp, source }) => [trait, value, timestamp, source]),
    [
      ['plan', 'pro', '2026-03-02T00:00:00Z', 'default'],
      ['seats', 9, '2026-03-02T00:00:00Z', 'default'],
      ['since', 2020, '2026-03-01T00:00:00Z', 'default'],
    ],
  );
  const { first_seen, last_seen, event_count, member_count } = account;
  assert.deepEqual(
    { first_seen, last_seen, event_count, member_count },
    {
      ...{ first_seen: '2026-03-01T00:00:00Z', last_seen: '2026-03-03T00:00:00Z' },
      ...{ event_count: 3, member_count: 2 },
    },
  );
  assert.deepEqual(
    account.members.map(({ profile, event_count: events }) => [profile, events]),
    [
      [await profileOf('ada'), 2],
      [await profileOf('bob'), 1],
    ],
  );
});

test('as of a time an account is what it was then', async () => {
  const [, account] = await get('?group_id=acme&as_of=2026-03-01T12:00:00Z');
  assert.deepEqual(
    account.traits.map(({ trait, value }) => [trait, value]),
    [
      ['plan', 'free'],
      ['since', 2020],
    ],
  );
  assert.deepEqual([account.event_count, account.member_count], [1, 1]);
  assert.equal((await get('?group_id=acme&as_of=2026-02-01T00:00:00Z'))[0], 404);
});

test('the tables tell the same, and follow a merge at once', async () => {
  const accounts = await appliance.sql(
    'SELECT group_id, event_count, member_count FROM accounts ORDER BY group_id',
  );
  assert.deepEqual(accounts.rows, [
    ['acme', 3, 2],
    ['other', 1, 1],
  ]);
  const traits = await appliance.sql(
    'SELECT trait, value, source FROM account_traits WHERE group_id = $1 ORDER BY trait',
    ['acme'],
  );
  assert.deepEqual(traits.rows, [
    ['plan', 'pro', 'default'],
    ['seats', 9, 'default'],
    ['since', 2020, 'default'],
  ]);
  await fetch(`${appliance.url}/v1/identity/link`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${ADMIN_KEY}` },
    body: JSON.stringify({
      a: { type: 'user_id', value: 'ada' },
      b: { type: 'user_id', value: 'bob' },
      force: true,
    }),
  });
  const members = await appliance.sql(
    `SELECT profile_id, event_count FROM account_members WHERE group_id = 'acme'`,
  );
  assert.deepEqual(members.rows, [[await profileOf('bob'), 3]]);
  assert.equal((await get('?group_id=acme'))[1].member_count, 1);
});

test('an account that nobody names, none at all, and no admin are refused by name', async () => {
  const [missing, { error }] = await get('?group_id=nobody');
  assert.deepEqual([missing, error!.code], [404, 'TRIBUTARY_IDENTITY_ACCOUNT_UNKNOWN']);
  for (const query of ['', '?group_id=', `?group_id=${'x'.repeat(1025)}`]) {
    const [status, answer] = await get(query);
    assert.deepEqual([status, answer.error!.code], [400, 'TRIBUTARY_INGEST_REQUEST_INVALID']);
  }
  assert.equal((await get(`?group_id=${'x'.repeat(1024)}`))[0], 404);
  assert.equal((await get('?group_id=acme', WRITE_KEY))[0], 401);
});
