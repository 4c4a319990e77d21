/** Rule sets tried on the past of the real appliance, over HTTP and from a shell, with rows hot and cold. */
import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ADMIN_KEY, ApplianceProcess, runCommand, WRITE_KEY } from '../support/appliance.ts';

const PATH = '/v1/identity/what-if';

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start({ flags: ['--flush-age-seconds', '1'] });
});
after(() => appliance.remove());

interface Job {
  readonly id: string;
  readonly state: string;
  readonly progress: { readonly events: number; readonly share: number };
  readonly error?: { readonly code: string };
  readonly report?: {
    readonly events: number;
    readonly profiles: Readonly<Record<string, number>>;
    readonly split: readonly { readonly profile: string; readonly part_count: number }[];
    readonly merged: readonly object[];
  };
}
type Rules = { version: number; types: { type: string; from: string[]; block: unknown[] }[] };

async function ask<Answer>(
  method: string,
  path: string,
  body?: object,
  key = ADMIN_KEY,
): Promise<{ status: number; body: Answer }> {
  const response = await fetch(appliance.url + path, {
    method,
    headers: { Authorization: `Bearer ${key}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: (await response.json()) as Answer };
}

const rulesOfToday = async (): Promise<Rules> =>
  (await ask<Rules>('GET', '/v1/identity/rules')).body;

async function finished(id: string): Promise<Job> {
  for (;;) {
    const { body } = await ask<Job>('GET', `${PATH}/${id}`);
    if (body.state !== 'running') return body;
    await delay(20);
  }
}

async function tryOut(rules: object): Promise<Job> {
  const started = await ask<Job>('POST', PATH, rules);
  assert.equal(started.status, 202, JSON.stringify(started.body));
  return finished(started.body.id);
}

const identify = (userId: string, email: string): object => ({
  ...{ type: 'identify', userId, traits: { email } },
});

test('over cold rows and hot ones the rules of today change nothing', async () => {
  await appliance.send('/v1/batch', {
    batch: Array.from({ length: 200 }, (_, index) =>
      identify(`u${index % 50}`, `e${index % 100}@x.io`),
    ),
  });
  const isFlushed = (): boolean =>
    readdirSync(join(appliance.directory, 'lake'), { recursive: true, encoding: 'utf8' }).some(
      (name) => /events-.*\.parquet$/.test(name),
    );
  while (!isFlushed()) await delay(50);
  await appliance.send('/v1/batch', {
    batch: [identify('u0', 'e0@x.io'), identify('z', 'z@x.io')],
  });

  const { report, state } = await tryOut(await rulesOfToday());
  assert.equal(state, 'done');
  assert.equal(report!.events, 202);
  assert.deepEqual(report!.profiles, {
    ...{ before: 51, after: 51, unchanged: 51 },
    ...{ split: 0, merged: 0, moved: 0 },
  });
});

test('a type that is no longer read splits who was known by it alone, and nothing is touched', async () => {
  const rules = await rulesOfToday();
  const visitor = (anonymousId: string): object => ({
    ...{ type: 'identify', anonymousId, traits: { email: 'two@x.io' } },
  });
  await appliance.send('/v1/batch', { batch: [visitor('one'), visitor('two')] });
  const before = await appliance.sql('SELECT profile_id, event_count FROM profiles ORDER BY ALL');
  const types = rules.types.filter(({ type }) => type !== 'email');
  const { report } = await tryOut({ ...rules, types, examples: 1 });
  assert.equal(report!.profiles['split'], 1);
  assert.equal(report!.split[0]!.part_count, 2);
  const afterwards = await appliance.sql(
    'SELECT profile_id, event_count FROM profiles ORDER BY ALL',
  );
  assert.deepEqual(afterwards.rows, before.rows);
  assert.equal((await rulesOfToday()).version, rules.version);
});

test('one runs at a time, can be cancelled, and leaves no file', async () => {
  const rules = await rulesOfToday();
  const [first, second] = await Promise.all([
    ask<Job>('POST', PATH, rules),
    ask<{ error: { code: string } }>('POST', PATH, rules),
  ]);
  const statuses = [first.status, second.status].sort();
  assert.deepEqual(statuses, [202, 429]);
  const { body: listed } = await ask<{ jobs: Job[] }>('GET', PATH);
  const running = listed.jobs.find(({ state }) => state === 'running')!;
  const { body: cancelled } = await ask<Job>('DELETE', `${PATH}/${running.id}`);
  assert.equal(cancelled.state, 'cancelled');
  assert.equal((await finished(running.id)).report, undefined);
  const temporary = join(appliance.directory, 'temporary');
  const left = readdirSync(temporary, { recursive: true, encoding: 'utf8' });
  assert.deepEqual(
    left.filter((name) => name.includes('-what-if/')),
    [],
  );
  assert.equal((await tryOut(rules)).state, 'done');
});

test('what is no rule set, no job or no admin is refused by name', async () => {
  const rules = await rulesOfToday();
  const codeOf = async (...request: Parameters<typeof ask>): Promise<string> =>
    (await ask<{ error: { code: string } }>(...request)).body.error.code;
  assert.equal(await codeOf('POST', PATH, { types: [] }), 'TRIBUTARY_IDENTITY_RULES_INVALID');
  for (const examples of [0, 101, 'all']) {
    const body = { ...rules, examples };
    assert.equal(await codeOf('POST', PATH, body), 'TRIBUTARY_IDENTITY_COMMAND_INVALID');
  }
  assert.equal((await tryOut({ ...rules, examples: 100 })).state, 'done');
  const unknown = 'TRIBUTARY_IDENTITY_WHAT_IF_UNKNOWN';
  assert.equal(await codeOf('GET', `${PATH}/none`), unknown);
  assert.equal(await codeOf('DELETE', `${PATH}/none`), unknown);
  assert.equal((await ask('POST', PATH, rules, WRITE_KEY)).status, 401);
  assert.equal((await ask('PUT', PATH, rules)).status, 405);
});

test('as many as the limit are remembered, and the oldest is forgotten', async () => {
  const rules = await rulesOfToday();
  const first = await tryOut(rules);
  for (let count = 0; count < 7; count += 1) await tryOut(rules);
  assert.equal((await ask(`GET`, `${PATH}/${first.id}`)).status, 200);
  await tryOut(rules);
  assert.equal((await ask(`GET`, `${PATH}/${first.id}`)).status, 404);
  assert.equal((await ask<{ jobs: Job[] }>('GET', PATH)).body.jobs.length, 8);
});

test('the same from a shell, and a file that is not there is told', async () => {
  const path = join(appliance.directory, 'rules.json');
  writeFileSync(path, JSON.stringify(await rulesOfToday()));
  const [code, text] = await run(['identity', 'what-if', path, '--examples', '3']);
  assert.equal(code, 0);
  const report = JSON.parse(text) as NonNullable<Job['report']>;
  assert.equal(report.profiles['split'], 0);
  for (const words of [['what-if'], ['rules', 'set']]) {
    const [missing, , why] = await run(['identity', ...words, `${path}.missing`]);
    assert.equal(missing, 1);
    assert.match(why, /^TRIBUTARY_CONFIG_FILE_UNREADABLE: .*rules\.json\.missing.*no such file/);
  }
});

function run(args: readonly string[], input = ''): ReturnType<typeof runCommand> {
  return runCommand(appliance.url, args, input);
}
