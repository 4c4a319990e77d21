/** The real appliance, told by the command line to compact while analysts ask. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { ADMIN_KEY, ApplianceProcess } from '../support/appliance.ts';
import { type CommandRun, runCommand } from '../support/run-command.ts';

const FLUSHES = 9;
const BATCH_EVENTS = 1500;
const PEOPLE = 41;

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start({
    flags: ['--flush-age-seconds', '1', '--flush-bytes', '1MiB'],
  });
});
after(() => appliance.remove());

interface Lake {
  readonly [table: string]: {
    readonly snapshots: number;
    readonly days: readonly { readonly files: number; readonly rows: number }[];
  };
}

async function lake(): Promise<Lake> {
  const response = await fetch(`${appliance.url}/v1/lake/files`, {
    headers: { Authorization: `Bearer ${ADMIN_KEY}` },
  });
  return (await response.json()) as Lake;
}

async function eventFiles(): Promise<{ files: number; rows: number }> {
  const days = (await lake())['events']!.days;
  const sum = (read: (day: (typeof days)[number]) => number): number =>
    days.reduce((total, day) => total + read(day), 0);
  return { files: sum(({ files }) => files), rows: sum(({ rows }) => rows) };
}

function command(...args: string[]): Promise<CommandRun> {
  const environment = { TRIBUTARY_URL: appliance.url, TRIBUTARY_KEY: ADMIN_KEY };
  return runCommand(['lake', ...args], { environment });
}

function batch(first: number): object {
  const events = Array.from({ length: BATCH_EVENTS }, (_, index) => ({
    type: 'track',
    event: `Counted ${(first + index) % 5}`,
    userId: `user-${(first + index) % PEOPLE}`,
    properties: { number: first + index, text: 'x'.repeat(200) },
    messageId: `m-${first + index}`,
  }));
  return { batch: events };
}

async function answers(): Promise<unknown> {
  const statements = [
    `SELECT count(*)::INTEGER, count(DISTINCT sequence)::INTEGER,
       sum((properties->>'$.number')::BIGINT)::BIGINT, max(timestamp), min(received_at) FROM events`,
    'SELECT event, count(*)::INTEGER, bit_xor(hash(message_id))::VARCHAR FROM events GROUP BY ALL ORDER BY ALL',
    'SELECT count(*)::INTEGER, sum(event_count)::INTEGER FROM profiles',
    `SELECT message_id FROM events WHERE properties->>'$.number' = '4711'`,
  ];
  return Promise.all(statements.map(async (sql) => (await appliance.sql(sql)).rows));
}

test('files are compacted while queries run, and every answer stays the same', async () => {
  for (let flush = 0; flush < FLUSHES; flush += 1) {
    const sent = await appliance.send('/v1/batch', batch(flush * BATCH_EVENTS));
    assert.equal(sent.status, 200);
    while ((await eventFiles()).rows < (flush + 1) * BATCH_EVENTS) await delay(50);
  }
  const before = await eventFiles();
  const expected = await answers();
  const planned = JSON.parse((await command('compact', '--dry-run')).stdout);
  assert.ok(
    before.files < FLUSHES || planned.events.jobs.length === 1,
    'unless it is done already',
  );
  const compaction = command('compact');
  let isOver = false;
  void compaction.finally(() => {
    isOver = true;
  });
  while (!isOver) assert.deepEqual(await answers(), expected);
  const { code, stdout } = await compaction;
  assert.equal(code, 0, stdout);
  assert.deepEqual(await answers(), expected);
  const { files, rows } = await eventFiles();
  assert.ok(files <= 2, `${before.files} files became ${files}`);
  assert.equal(rows, before.rows);
  assert.match((await command('files')).stdout, /events .*20\d\d-\d\d-\d\d/);
});

test('people are written for other engines when asked, once for what is flushed', async () => {
  const [[people]] = (await appliance.sql('SELECT count(*)::INTEGER FROM profiles')).rows as [
    [number],
  ];
  const dry = JSON.parse((await command('profiles', '--dry-run')).stdout);
  assert.equal(dry.sequence_before, 0);
  assert.ok(dry.sequence > 0);
  const { code, stdout } = await command('profiles');
  assert.equal(code, 0, stdout);
  const first = JSON.parse(stdout);
  assert.equal(first.sequence, dry.sequence);
  // One identifier each.
  assert.equal(first.rows, 2 * people);
  const { profiles, identifiers } = await lake();
  assert.equal(profiles!.days[0]!.rows, people);
  assert.equal(identifiers!.days[0]!.rows, people);
  const again = JSON.parse((await command('profiles')).stdout);
  assert.deepEqual([again.sequence_before, again.rows], [first.sequence, 0]);
  const metrics = await (await fetch(`${appliance.url}/metrics`)).text();
  assert.match(metrics, /^tributary_lake_profiles_writes_total 1$/m);
});

test('after a kill the compacted rows are there, and orphans and snapshots are told of', async () => {
  const expected = await answers();
  await appliance.kill();
  await appliance.restart();
  assert.deepEqual(await answers(), expected);
  for (const task of ['orphans', 'expire', 'retain']) {
    const { code, stdout } = await command(task, '--dry-run');
    assert.equal(code, 0, stdout);
    assert.ok('events' in JSON.parse(stdout), stdout);
  }
  assert.equal((await command('vacuum')).code, 2);
});

test('a task that is none, and a key that is none, are refused', async () => {
  const post = (body: string, key = ADMIN_KEY): Promise<Response> =>
    fetch(`${appliance.url}/v1/lake/tasks`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${key}` },
      body,
    });
  assert.equal((await post('{"task":"vacuum"}')).status, 400);
  assert.equal((await post('{"task":"compact","dry_run":1}')).status, 400);
  assert.equal((await post('{')).status, 400);
  assert.equal((await post('{"task":"expire","dry_run":true}', 'wrong')).status, 401);
  const response = await fetch(`${appliance.url}/v1/lake/files`);
  assert.equal(response.status, 401);
});
