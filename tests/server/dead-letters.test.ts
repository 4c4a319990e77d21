import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ADMIN_KEY, ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';
import { type CommandRun, runCommand } from '../support/run-command.ts';

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start();
});
after(() => appliance.remove());

function tributary(args: readonly string[], key: string, input = ''): Promise<CommandRun> {
  const environment = {
    PATH: process.env['PATH'],
    TRIBUTARY_URL: appliance.url,
    TRIBUTARY_KEY: key,
    TRIBUTARY_WRITE_KEY: WRITE_KEY,
  };
  return runCommand(args, { environment, input });
}

test('rejected events are exported, repaired with any tool and sent again', async () => {
  const rejected = [
    { type: 'track', userId: 'ann', messageId: 'r1', properties: { big: 1, price: 2.5 } },
    { type: 'track', userId: 'bob' },
  ];
  const batch = [...rejected, 17, { type: 'page', userId: 'ann', messageId: 'ok' }];
  await appliance.send('/v1/batch', { batch });

  const exported = await tributary(['dead-letters', 'export'], ADMIN_KEY);
  assert.equal(exported.code, 0);
  assert.deepEqual(
    exported.stdout
      .trimEnd()
      .split('\n')
      .map((line) => ({ ...(JSON.parse(line) as object), timestamp: undefined })),
    [rejected[0], { messageId: 'dead-letter-2', ...rejected[1] }].map((event) => ({
      ...event,
      timestamp: undefined,
    })),
  );
  assert.match(exported.stderr, /1 dead letters are no JSON objects/);

  const repaired = exported.stdout.replaceAll(
    '"type":"track"',
    '"type":"track","event":"Repaired"',
  );
  for (const duplicates of [0, 2]) {
    const sent = await tributary(['send', '-'], WRITE_KEY, repaired);
    assert.match(sent.stdout, new RegExp(`${2 - duplicates} accepted, ${duplicates} duplicates`));
  }
  const { rows } = await appliance.sql(
    `SELECT message_id, user_id FROM events WHERE event = 'Repaired' ORDER BY sequence`,
  );
  assert.deepEqual(rows, [
    ['r1', 'ann'],
    ['dead-letter-2', 'bob'],
  ]);
});

test('replay sends what a condition chooses, and what is still wrong is rejected again', async () => {
  const where = `message_id = 'r1'`;
  const replayed = await tributary(['dead-letters', 'replay', '--where', where], ADMIN_KEY);
  assert.equal(replayed.code, 1);
  assert.match(replayed.stdout, /1 events.*0 accepted, 0 duplicates, 1 rejected/);
  assert.match(replayed.stderr, /TRIBUTARY_INGEST_FIELD_MISSING at event/);
});

test('a condition that is not SQL, a wrong action and a wrong flag say so', async () => {
  const broken = await tributary(['dead-letters', 'export', '--where', 'code =='], ADMIN_KEY);
  assert.equal(broken.code, 1);
  assert.match(broken.stderr, /TRIBUTARY_QUERY_/);
  assert.equal((await tributary(['dead-letters', 'burn'], ADMIN_KEY)).code, 2);
  const misspelt = await tributary(['dead-letters', 'export', '--wher', 'true'], ADMIN_KEY);
  assert.match(misspelt.stderr, /did you mean --where/);
});

interface Page {
  readonly deadLetters: readonly Record<string, unknown>[];
  readonly next: number | null;
}

async function page(query: string): Promise<Page> {
  const headers = { Authorization: `Bearer ${ADMIN_KEY}` };
  const response = await fetch(`${appliance.url}/v1/dead-letters?${query}`, { headers });
  assert.equal(response.status, 200, query);
  return (await response.json()) as Page;
}

async function replay(body: unknown): Promise<Record<string, unknown>> {
  const response = await fetch(`${appliance.url}/v1/dead-letters/replay`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${ADMIN_KEY}` },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  return (await response.json()) as Record<string, unknown>;
}

test('dead letters are listed by code, source and time, page by page', async () => {
  const batch = Array.from({ length: 5 }, (_, index) => ({ type: 'none', userId: 'p', n: index }));
  await appliance.send('/v1/batch', { batch });
  const code = 'TRIBUTARY_INGEST_TYPE_UNKNOWN';
  const first = await page(`code=${code}&limit=3`);
  assert.deepEqual(
    first.deadLetters.map(({ payload }) => payload),
    batch.slice(0, 3),
  );
  const second = await page(`code=${code}&limit=3&after=${first.next}`);
  assert.deepEqual(
    second.deadLetters.map(({ payload }) => payload),
    batch.slice(3),
  );
  assert.equal(second.next, null);
  const [letter] = second.deadLetters;
  assert.deepEqual(
    [letter?.['code'], letter?.['path'], letter?.['source'], letter?.['replayed']],
    [code, 'type', 'default', false],
  );
  assert.equal((await page(`code=${code}&source=other`)).deadLetters.length, 0);
  assert.equal((await page(`code=${code}&until=2020-01-01`)).deadLetters.length, 0);
  assert.equal((await page(`code=${code}&since=2020-01-01`)).deadLetters.length, 5);
});

test('a patch repairs all that a filter chooses, once', async () => {
  const sentAt = new Date(Date.now() - 3_600_000).toISOString();
  const batch = [
    { type: 'purchase', userId: 'q', messageId: 'q1', sentAt, timestamp: sentAt, big: 1, junk: 2 },
    { type: 'purchase', userId: 'q' },
    17,
  ];
  const text = JSON.stringify({ batch }).replace('"big":1', '"big":12345678901234567890');
  await appliance.send('/v1/batch', batch[1]!);
  const response = await fetch(`${appliance.url}/v1/batch`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${WRITE_KEY}` },
    body: text,
  });
  assert.equal(response.status, 200);
  const { deadLetters: letters } = await page('limit=1000');
  const [newest] = letters.slice(-3);
  const patch = { type: 'track', event: 'Bought', junk: null };
  const after = Number(newest?.['sequence']) - 2;
  const since = new Date(Date.now() - 600_000).toISOString();
  const request = { since, after, patch, limit: 1000 };

  const dry = await replay({ ...request, dry_run: true });
  assert.equal(dry['sent'], 0);
  const [planned] = dry['events'] as Record<string, unknown>[];
  assert.deepEqual(
    [planned?.['event'], 'sentAt' in planned!, typeof planned?.['timestamp']],
    ['Bought', false, 'string'],
  );

  const outcome = await replay(request);
  const { accepted, duplicates, sent, replayedBefore, rejected } = outcome;
  assert.deepEqual(
    { accepted, duplicates, sent, replayedBefore, rejected },
    { accepted: 3, duplicates: 0, sent: 3, replayedBefore: 0, rejected: [] },
  );
  assert.equal((outcome['skipped'] as unknown[]).length, 1);
  const { rows } = await appliance.sql(
    `SELECT message_id, extra::VARCHAR, source,
       "timestamp" = $1::TIMESTAMPTZ FROM events WHERE user_id = 'q' AND message_id = 'q1'`,
    [sentAt],
  );
  assert.deepEqual(rows, [['q1', '{"big":12345678901234567890}', 'default', true]]);

  const again = await replay(request);
  assert.deepEqual([again['sent'], again['replayedBefore']], [0, 3]);
  const listed = (await page(`after=${after}&limit=1000`)).deadLetters;
  assert.deepEqual(
    listed.map(({ replayed }) => replayed),
    [true, true, true, false],
  );
});

test('repaired events replace what was sent, under the same message id', async () => {
  await appliance.send('/v1/batch', {
    batch: [{ type: 'page' }, { type: 'page', messageId: 'z' }],
  });
  const { deadLetters } = await page('code=TRIBUTARY_INGEST_NOT_IDENTIFIABLE&limit=1000');
  const sequences = deadLetters.map(({ sequence }) => Number(sequence));
  const events = sequences.map((sequence) => ({
    sequence,
    event: { type: 'page', userId: 'zoe' },
  }));
  for (const expected of [2, 0]) {
    const { accepted } = await replay({ events });
    assert.equal(accepted, expected);
  }
  const { rows } = await appliance.sql(
    `SELECT message_id FROM events WHERE user_id = 'zoe' ORDER BY sequence`,
  );
  assert.deepEqual(rows, [[`dead-letter-${sequences[0]}`], ['z']]);
});

test('what is still wrong is rejected again, by the sequence it had', async () => {
  await appliance.send('/v1/track', { userId: 'still' });
  const { deadLetters } = await page('limit=1000');
  const sequence = Number(deadLetters.at(-1)!['sequence']);
  const { rejected } = await replay({ sequences: [sequence] });
  const [rejection] = rejected as { sequence: number; code: string; path: string }[];
  assert.deepEqual(
    [rejection?.sequence, rejection?.code, rejection?.path],
    [sequence, 'TRIBUTARY_INGEST_FIELD_MISSING', 'event'],
  );
});

test('replays that fail again do not grow: of the letters of one id the newest is sent', async () => {
  await appliance.send('/v1/track', { userId: 'again' });
  const where = `payload->>'$.userId' = 'again'`;
  const letters = async (): Promise<number> => {
    const { rows } = await appliance.sql(`SELECT count(*) FROM dead_letters WHERE ${where}`);
    return Number(rows[0]![0]);
  };
  for (const expected of [2, 3, 4]) {
    await tributary(['dead-letters', 'replay', '--where', where], ADMIN_KEY);
    assert.equal(await letters(), expected);
  }
  const { deadLetters } = await page('limit=1000');
  const own = deadLetters.filter(({ payload }) => Object(payload)['userId'] === 'again');
  const after = Number(own[0]!['sequence']) - 1;
  const outcome = await replay({ code: own[0]!['code'], after });
  assert.deepEqual([outcome['selected'], outcome['sent']], [1, 1]);
  assert.equal(await letters(), 5);
});

test('a replay that chooses nothing, or says what is not understood, is refused', async () => {
  for (const body of [
    {},
    { patch: { type: 'page' } },
    { sequences: [] },
    { sequences: ['x'] },
    { code: 'x', unknown: 1 },
    { code: 'x', patch: [] },
    { code: 'x', patch: { messageId: 'one' } },
    { code: 'x', limit: 1001 },
    { code: 'x', since: 'yesterday' },
    { events: [{ sequence: 1 }] },
    { events: [{ sequence: 1, event: {} }], patch: {} },
    [],
  ]) {
    const { error } = await replay(body);
    const { code } = error as { code: string };
    assert.equal(code, 'TRIBUTARY_INGEST_REQUEST_INVALID', JSON.stringify(body));
  }
  const malformed = (await replay('{')) as { error: { code: string } };
  assert.equal(malformed.error.code, 'TRIBUTARY_INGEST_JSON_MALFORMED');
  const nobody = await fetch(`${appliance.url}/v1/dead-letters`);
  assert.equal(nobody.status, 401);
});
