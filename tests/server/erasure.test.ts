/** Erasing a person over HTTP and from a shell, asked of the real process. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ADMIN_KEY, ApplianceProcess, runCommand } from '../support/appliance.ts';

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start();
});
after(() => appliance.remove());

type Body = Readonly<Record<string, unknown>> & {
  readonly error?: { readonly code: string };
};

async function ask(method: string, path: string, body?: object): Promise<[number, Body]> {
  const response = await fetch(appliance.url + path, {
    method,
    headers: { Authorization: `Bearer ${ADMIN_KEY}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return [response.status, (await response.json()) as Body];
}

function run(args: readonly string[], input = ''): ReturnType<typeof runCommand> {
  return runCommand(appliance.url, args, input);
}

async function visit(userId: string, rest: object = {}): Promise<void> {
  const traits = { email: `${userId}@mail.example` };
  await appliance.send('/v1/identify', { userId, anonymousId: `of-${userId}`, traits, ...rest });
}

/** How many rows of each relation mention a person. */
async function traces(userId: string): Promise<unknown[]> {
  const text = `'%${userId}%'`;
  const counts = [
    `SELECT count(*) FROM events WHERE user_id = '${userId}' OR traits::VARCHAR LIKE ${text}`,
    `SELECT count(*) FROM profiles WHERE user_id = '${userId}'`,
    `SELECT count(*) FROM identities WHERE value LIKE ${text}`,
    `SELECT count(*) FROM edges WHERE a_value LIKE ${text} OR b_value LIKE ${text}`,
    `SELECT count(*) FROM profile_traits WHERE value::VARCHAR LIKE ${text}`,
    `SELECT count(*) FROM dead_letters WHERE payload::VARCHAR LIKE ${text}`,
    `SELECT count(*) FROM warnings WHERE message_id LIKE ${text}`,
  ];
  const numbers: unknown[] = [];
  for (const sql of counts) numbers.push((await appliance.sql(sql)).rows[0]?.[0]);
  return numbers;
}

const NONE = [0, 0, 0, 0, 0, 0, 0];

test('a person is erased from every relation at once, and stays so after a restart', async () => {
  for (const user of ['ada', 'bob']) {
    await visit(user, { messageId: `message-of-${user}` });
    // The same id with another content is a duplicate with a warning.
    await visit(user, {
      messageId: `message-of-${user}`,
      traits: { email: `${user}@example.org` },
    });
    await appliance.send('/v1/track', { userId: user, properties: { without: 'a name' } });
  }
  const before = await traces('bob');
  assert.deepEqual(await traces('ada'), before);
  assert.ok(
    before.every((count) => Number(count) > 0),
    JSON.stringify(before),
  );

  const identifier = { type: 'email', value: 'ADA@mail.example' };
  const [, preview] = await ask('POST', '/v1/erasures', { identifier, dry_run: true });
  assert.equal(preview['dry_run'], true);
  assert.deepEqual(await traces('ada'), before, 'a dry run does nothing');

  const [status, erased] = await ask('POST', '/v1/erasures', { identifier, reason: 'ticket 7' });
  assert.equal(status, 200);
  assert.equal(erased['state'], 'hidden');
  assert.equal(erased['reason'], 'ticket 7');
  const { profile } = preview;
  assert.equal(erased['profile'], profile);
  assert.deepEqual(await traces('ada'), NONE);
  assert.deepEqual(await traces('bob'), before);
  const [lookup] = await ask('GET', `/v1/profiles/${String(profile)}`);
  assert.equal(lookup, 404);
  const [, trace] = await ask('GET', '/v1/trace/message-of-ada');
  const states = (trace['occurrences'] as readonly Body[]).map(({ state }) => state);
  assert.deepEqual(states, ['hidden'], 'the duplicate, which was attributed to nobody');

  await appliance.stop();
  await appliance.restart();
  assert.deepEqual(await traces('ada'), NONE);
  assert.deepEqual(await traces('bob'), before);
  const [, list] = await ask('GET', '/v1/erasures');
  // Upkeep may have got on with it by now.
  const request = ({ state, rewritten, gone_at, ...asked }: Body): object => asked;
  assert.deepEqual((list['erasures'] as readonly Body[]).map(request), [request(erased)]);
  const [found, one] = await ask('GET', `/v1/erasures/${String(erased['erasure'])}`);
  assert.deepEqual([found, request(one)], [200, request(erased)]);
  const metrics = await (await fetch(`${appliance.url}/metrics`)).text();
  const counts = [
    ...metrics.matchAll(/^tributary_erasures\{state="(?:hidden|rewritten|gone)"\} (\d)$/gm),
  ];
  assert.deepEqual(counts.map(([, count]) => count).sort(), ['0', '0', '1']);
  assert.match(metrics, /^tributary_erasure_lag_seconds [\d.]+$/m);
});

test('what cannot be read, and nobody, are refused, and nothing happens', async () => {
  const code = async (body: object): Promise<unknown[]> => {
    const [status, answer] = await ask('POST', '/v1/erasures', body);
    return [status, answer.error?.code];
  };
  const invalid = [400, 'TRIBUTARY_ERASURE_INVALID'];
  const identifier = { type: 'user_id', value: 'nobody' };
  assert.deepEqual(await code({}), invalid);
  assert.deepEqual(await code({ identifier, dryrun: true }), invalid);
  assert.deepEqual(await code({ identifier, profile: 'x' }), invalid);
  assert.deepEqual(await code({ identifier, reason: 'x'.repeat(501) }), invalid);
  assert.deepEqual(await code({ identifier }), [404, 'TRIBUTARY_ERASURE_PERSON_UNKNOWN']);
  assert.deepEqual(await code({ profile: 'none' }), [404, 'TRIBUTARY_ERASURE_PERSON_UNKNOWN']);
  const [status, answer] = await ask('GET', '/v1/erasures/none');
  assert.deepEqual([status, answer.error?.code], [404, 'TRIBUTARY_ERASURE_UNKNOWN']);
});

test('a shell erases, shows and lists', async () => {
  await visit('eve');
  const [dry, shown] = await run(['erase', 'user_id=eve', '--dry-run']);
  assert.equal(dry, 0);
  assert.equal((JSON.parse(shown) as Body)['dry_run'], true);
  const [code, stdout, stderr] = await run(['erase', 'user_id=eve', '--reason', 'asked for']);
  assert.deepEqual([code, stderr], [0, '']);
  const { erasure } = JSON.parse(stdout) as Body;
  assert.deepEqual(await traces('eve'), NONE);
  assert.equal((await run(['erasures', 'show', String(erasure)]))[0], 0);
  const [, list] = await run(['erasures', 'list']);
  assert.ok(list.includes(String(erasure)));
  const [failed, , reason] = await run(['erase', 'user_id=eve']);
  assert.equal(failed, 1);
  assert.match(reason, /TRIBUTARY_ERASURE_PERSON_UNKNOWN/);
  assert.equal((await run(['erase']))[0], 2);
});

test('a backup that is older than an erasure is restored without the person, given the list', async () => {
  const place = mkdtempSync(join(tmpdir(), 'tributary-erased-'));
  try {
    await visit('ida');
    await visit('joe');
    const kept = await traces('joe');
    const backup = ['backup', '--to', join(place, 'backups'), '--data-dir', appliance.directory];
    assert.equal((await run(backup))[0], 0);
    assert.equal((await run(['erase', 'user_id=ida']))[0], 0);
    const [, list] = await run(['erasures', 'export']);
    assert.ok(!list.includes('ida'), 'no identifier is in the list');
    const listed = join(place, 'erasures.json');
    writeFileSync(listed, list);
    await appliance.stop();
    rmSync(appliance.directory, { recursive: true });
    const restore = ['restore', '--from', join(place, 'backups'), '--to', appliance.directory];
    const [code, , stderr] = await run([...restore, '--erasures', listed]);
    assert.equal(code, 0, stderr);
    await appliance.restart();
    assert.deepEqual(await traces('ida'), NONE);
    assert.deepEqual(await traces('joe'), kept);
    const [, again] = await run(['erasures', 'export']);
    assert.deepEqual(JSON.parse(again), JSON.parse(list), 'and the list goes on');
    await appliance.stop();
    await appliance.restart();
    assert.deepEqual(await traces('ida'), NONE);
  } finally {
    rmSync(place, { recursive: true });
  }
});
