/** Declared traits as typed columns of profiles, asked of the real process. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ADMIN_KEY, ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';

const PATH = '/v1/traits';

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start();
});
after(() => appliance.remove());

interface Answer {
  readonly version: number;
  readonly traits: readonly object[];
  readonly dry_run: boolean;
  readonly error?: { readonly code: string; readonly message: string };
}

async function ask(
  method: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<[number, Answer, string | null]> {
  const response = await fetch(appliance.url + PATH, {
    method,
    headers: { Authorization: `Bearer ${ADMIN_KEY}`, ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return [response.status, (await response.json()) as Answer, response.headers.get('etag')];
}

async function declare(...traits: object[]): Promise<void> {
  const [status, answer] = await ask('PUT', { traits });
  assert.equal(status, 200, JSON.stringify(answer));
}

const identify = (userId: string, traits: object, timestamp = '2026-03-01T00:00:00Z'): object => ({
  ...{ type: 'identify', userId, traits, timestamp },
});

async function column(name: string): Promise<unknown[]> {
  const { rows } = await appliance.sql(
    `SELECT ${name} FROM profiles WHERE user_id IS NOT NULL ORDER BY user_id`,
  );
  return rows.map(([value]) => value);
}

test('a declared trait is a typed column at once, for what was said before it', async () => {
  await appliance.send('/v1/batch', {
    batch: [
      identify('ann', { plan: 'pro', score: 7, address: { city: 'Bern' } }),
      identify('ann', { plan: 'free', score: '8' }, '2026-02-01T00:00:00Z'),
      identify('bob', { plan: 5, score: '1x', address: 'Rome' }),
      identify('cyd', { plan: ['a'], score: null }),
      { type: 'track', event: 'Seen', userId: 'dan' },
    ],
  });
  const [, none] = await ask('GET');
  assert.deepEqual(none, { version: 1, traits: [] });
  await declare(
    { name: 'plan', type: 'string' },
    { name: 'score', path: 'score', type: 'long' },
    { name: 'city', path: 'address.city', type: 'string' },
  );
  const { rows, columns } = await appliance.sql('SELECT * FROM profiles ORDER BY user_id');
  assert.deepEqual(
    columns.slice(5).map(({ name, type }) => [name, type]),
    [
      ['plan', 'VARCHAR'],
      ['score', 'BIGINT'],
      ['city', 'VARCHAR'],
    ],
  );
  assert.deepEqual(
    rows.map((row) => [row[1], ...row.slice(4)]),
    [
      ['ann', 2, 'pro', 7, 'Bern'],
      ['bob', 1, '5', null, null],
      ['cyd', 1, null, null, null],
      ['dan', 1, null, null, null],
    ],
  );
  const { rows: told } = await appliance.sql('SELECT * FROM declared_traits ORDER BY name');
  assert.deepEqual(told, [
    ['city', 'address.city', 'string', 1, 0],
    ['plan', 'plan', 'string', 2, 1],
    ['score', 'score', 'long', 1, 1],
  ]);
});

test('every type takes what is of it and nothing else', async () => {
  const values = ['1', 1.5, true, 'TRUE', '2026-03-01T10:00:00Z', '2026-03-01', 'nan', -0, {}, []];
  const users = values.map((_, index) => `type-${index}`);
  await appliance.send('/v1/batch', {
    batch: users.map((user, index) => identify(user, { any: values[index] })),
  });
  const types = ['string', 'long', 'double', 'boolean', 'timestamp', 'date'];
  await declare(...types.map((type) => ({ name: `as_${type}`, path: 'any', type })));
  const of = async (type: string): Promise<unknown[]> =>
    (await column(`CASE WHEN starts_with(user_id, 'type-') THEN as_${type} END`)).slice(-10);
  assert.deepEqual(await of('long'), [1, null, null, null, null, null, null, 0, null, null]);
  assert.deepEqual(await of('double'), [1, 1.5, null, null, null, null, null, 0, null, null]);
  assert.deepEqual(await of('boolean'), [
    ...[null, null, true, true],
    ...[null, null, null, null, null, null],
  ]);
  assert.deepEqual(await of('date'), [
    ...[null, null, null, null],
    ...['2026-03-01', '2026-03-01', null, null, null, null],
  ]);
  assert.deepEqual((await of('timestamp')).slice(4, 7), [
    '2026-03-01T10:00:00Z',
    '2026-03-01T00:00:00Z',
    null,
  ]);
  assert.equal((await of('string'))[2], 'true');
});

test('declared values follow a merge and its undo, and the column goes when it is not declared', async () => {
  await appliance.send('/v1/batch', {
    batch: [
      identify('eva', { plan: 'new' }, '2026-03-05T00:00:00Z'),
      identify('eve', { plan: 'old' }, '2026-03-04T00:00:00Z'),
    ],
  });
  await declare({ name: 'plan', type: 'string' });
  const plans = async (): Promise<unknown> =>
    (
      await appliance.sql(
        `SELECT p.plan FROM profiles p WHERE p.user_id IN ('eva', 'eve') ORDER BY 1`,
      )
    ).rows;
  const command = async (path: string, body: object): Promise<void> => {
    const headers = { Authorization: `Bearer ${ADMIN_KEY}` };
    await fetch(`${appliance.url}/v1/identity/${path}`, {
      ...{ method: 'POST', headers, body: JSON.stringify(body) },
    });
  };
  assert.deepEqual(await plans(), [['new'], ['old']]);
  const named = (value: string): object => ({ type: 'user_id', value });
  await command('link', { a: named('eva'), b: named('eve'), force: true });
  assert.deepEqual(await plans(), [['new']]);
  const { rows } = await appliance.sql('SELECT max(merge)::INTEGER FROM merges');
  await command(`merges/${String(rows[0]![0])}/undo`, {});
  assert.deepEqual(await plans(), [['new'], ['old']]);
  await declare();
  await assert.rejects(column('plan'), /TRIBUTARY_QUERY_COLUMN_UNKNOWN/);
});

test('what was said of a trait before it was declared is kept soon, and no event is read for it then', async () => {
  await declare(
    { name: 'plan', type: 'string' },
    { name: 'nick', path: 'nick_name', type: 'string' },
  );
  const before = await column('plan');
  const readsEvents = async (): Promise<boolean> => {
    const { rows } = await appliance.sql('EXPLAIN SELECT plan, nick FROM profiles');
    return JSON.stringify(rows).includes('HOT_SCAN');
  };
  while (await readsEvents()) await sleep(100);
  assert.deepEqual(await column('plan'), before);
  await appliance.send('/v1/batch', { batch: [identify('zed', { plan: 'kept', nick_name: 'z' })] });
  assert.deepEqual(await column('plan'), [...before, 'kept']);
});

test('bounds on events do not narrow what declared traits are read from', async () => {
  const { rows } = await appliance.sql(
    `SELECT p.plan FROM profiles p JOIN events e USING (profile_id)
     WHERE p.user_id = 'ann' AND e.timestamp < TIMESTAMPTZ '2026-02-15'`,
  );
  assert.deepEqual(rows, [['pro']]);
});

test('declarations survive a restart, and are changed only over the version they were made from', async () => {
  const [, declared, etag] = await ask('GET');
  assert.equal(etag, `"${declared.version}"`);
  await appliance.kill();
  await appliance.restart();
  assert.deepEqual((await ask('GET'))[1], declared);
  assert.equal((await column('plan'))[0], 'pro');
  const [, shown] = await ask('PUT', { ...declared, dry_run: true });
  assert.deepEqual(shown, { dry_run: true, version: declared.version + 1 });
  assert.equal((await ask('PUT', declared))[0], 200);
  for (const request of [
    ask('PUT', declared),
    ask('PUT', { ...declared, dry_run: true }),
    ask('PUT', { traits: [] }, { 'If-Match': etag! }),
  ]) {
    const [status, { error }] = await request;
    assert.deepEqual([status, error!.code], [412, 'TRIBUTARY_IDENTITY_TRAITS_OUTDATED']);
  }
});

test('what cannot be declared is refused by name, at the limit and beyond it', async () => {
  const many = (count: number): object[] =>
    Array.from({ length: count }, (_, index) => ({ name: `t${index}`, type: 'long' }));
  const valid = { name: 'plan', type: 'string' };
  for (const traits of [
    ...['none', [1], [{ ...valid, name: 'Plan' }], [{ ...valid, name: 'user_id' }]],
    ...[[valid, valid], [{ ...valid, type: 'text' }], [{ ...valid, path: 'a..b' }]],
    ...[[{ ...valid, path: 'a"b' }], [{ ...valid, kind: 1 }], [{ type: 'long' }], many(101)],
  ]) {
    const [status, { error }] = await ask('PUT', { traits });
    assert.deepEqual(
      [status, error?.code],
      [400, 'TRIBUTARY_IDENTITY_TRAITS_INVALID'],
      `${traits}`,
    );
  }
  assert.equal((await ask('PUT', { traits: [], trait: 1 }))[0], 400);
  await declare(...many(100));
  assert.equal((await appliance.sql('SELECT t99 FROM profiles LIMIT 1')).rows[0]![0], null);
  const response = await fetch(appliance.url + PATH, {
    headers: { Authorization: `Bearer ${WRITE_KEY}` },
  });
  assert.equal(response.status, 401);
  assert.equal((await ask('DELETE'))[0], 405);
});
