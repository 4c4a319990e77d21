/** Where a message is, asked of the real process. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ADMIN_KEY, ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start();
});
after(() => appliance.remove());

interface Trace {
  readonly messageId: string;
  readonly occurrences: readonly Record<string, unknown>[];
  readonly error?: { readonly code: string };
}

async function trace(
  messageId: string,
  query = '',
  key = ADMIN_KEY,
): Promise<{ status: number; body: Trace }> {
  const url = `${appliance.url}/v1/trace/${encodeURIComponent(messageId)}${query}`;
  const response = await fetch(url, { headers: { Authorization: `Bearer ${key}` } });
  return { status: response.status, body: (await response.json()) as Trace };
}

async function send(...batch: object[]): Promise<number> {
  const response = await appliance.send('/v1/batch', { batch });
  assert.equal(response.status, 200);
  const { rows } = await appliance.sql(`SELECT max(sequence) FROM
    (SELECT sequence FROM events UNION ALL SELECT sequence FROM dead_letters)`);
  return Number(rows[0]![0]);
}

/** What is the same in every run. */
function told({ body }: { body: Trace }): Record<string, unknown>[] {
  return body.occurrences.map(({ receivedAt, sequence, anchor, profileId, timestamp, ...rest }) => {
    assert.match(String(receivedAt), /^2\d{3}-.*Z$/);
    return rest;
  });
}

const page = (messageId: string, more: object = {}): object => ({
  type: 'page',
  userId: 'ada',
  messageId,
  ...more,
});

test('an accepted message has its row and its profile', async () => {
  const sequence = await send(page('once/é ?'));
  const answer = await trace('once/é ?');
  const [occurrence] = answer.body.occurrences;
  const { rows } = await appliance.sql(
    'SELECT profile_id, anchor FROM events WHERE message_id = $1',
    ['once/é ?'],
  );
  assert.deepEqual(
    [occurrence?.['sequence'], occurrence?.['profileId'], occurrence?.['anchor']],
    [sequence, ...rows[0]!],
  );
  assert.deepEqual(told(answer), [
    { state: 'accepted', source: 'default', type: 'page', event: null, segment: 1 },
  ]);
});

test('a duplicate names the first, and says whether it differs', async () => {
  const first = await send(page('twice'));
  await send(page('twice'), page('twice', { properties: { a: 1 } }));
  const common = { source: 'default', segment: 1 };
  assert.deepEqual(told(await trace('twice')), [
    { ...common, state: 'accepted', type: 'page', event: null },
    { ...common, state: 'duplicate', duplicateOf: first, differs: false },
    {
      ...common,
      state: 'duplicate',
      duplicateOf: first,
      differs: true,
      warnings: [{ code: 'duplicate_differs', path: '' }],
    },
  ]);
});

test('a rejected message has its reason, and is found once it was repaired', async () => {
  await send({ type: 'track', userId: 'ada', messageId: 'wrong' });
  const rejected = {
    state: 'rejected',
    source: 'default',
    code: 'TRIBUTARY_INGEST_FIELD_MISSING',
    path: 'event',
    segment: 1,
  };
  assert.deepEqual(told(await trace('wrong')), [rejected]);
  await send({ type: 'track', event: 'Bought', userId: 'ada', messageId: 'wrong' });
  const states = (await trace('wrong')).body.occurrences.map(({ state }) => state);
  assert.deepEqual(states, ['rejected', 'accepted']);
});

test('a message without an id is found by the one it was given', async () => {
  const rejected = await send({ type: 'track', userId: 'ada' });
  assert.equal((await trace(`seq-${rejected}`)).body.occurrences[0]?.['state'], 'rejected');
  const accepted = await send({ type: 'page', userId: 'ada' });
  assert.equal((await trace(`seq-${accepted}`)).body.occurrences[0]?.['state'], 'accepted');
});

test('an altered message has its warning', async () => {
  await send(page('future', { timestamp: '2999-01-01T00:00:00Z' }));
  const [occurrence] = (await trace('future')).body.occurrences;
  assert.equal(occurrence?.['state'], 'accepted');
  assert.deepEqual(occurrence?.['warnings'], [{ code: 'timestamp_in_future', path: 'timestamp' }]);
});

test('what is unknown, older than asked for, malformed or not allowed says so', async () => {
  assert.equal((await trace('never')).body.error?.code, 'TRIBUTARY_INGEST_MESSAGE_UNKNOWN');
  await send(page('dated'));
  assert.equal((await trace('dated', '?since=2020-01-01')).body.occurrences.length, 1);
  const since = await trace('dated', '?since=yesterday');
  assert.equal(since.body.error?.code, 'TRIBUTARY_INGEST_REQUEST_INVALID');
  assert.equal((await trace('x'.repeat(101))).status, 400);
  assert.equal((await trace('dated', '', WRITE_KEY)).status, 401);
});

test('a trace is the same after a restart', async () => {
  await send(page('kept'), page('kept'), page('kept', { name: 'other' }));
  const earlier = (await trace('kept')).body;
  assert.deepEqual(
    earlier.occurrences.map(({ state }) => state),
    ['accepted', 'duplicate', 'duplicate'],
  );
  await appliance.kill();
  await appliance.restart();
  assert.deepEqual((await trace('kept')).body, earlier);
});
