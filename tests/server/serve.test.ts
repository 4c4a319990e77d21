import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { ADMIN_KEY, ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';
import { StreamClient } from '../support/stream-client.ts';

let appliance: ApplianceProcess;
before(async () => {
  appliance = await ApplianceProcess.start();
});
after(() => appliance.remove());

const event = (messageId: string, userId = 'u1') => ({
  type: 'track',
  event: 'Seen',
  userId,
  messageId,
});

async function countOf(like: string): Promise<unknown> {
  const statement = 'SELECT count(*) FROM events WHERE message_id LIKE $1';
  return (await appliance.sql(statement, [like])).rows[0]?.[0];
}

test('an acknowledged event is in the next query, and each person once in profiles', async () => {
  const batch = [event('http-1'), event('http-2', 'u2'), event('http-3', 'u2')];
  const response = await appliance.send('/v1/batch', { batch });
  assert.equal(response.status, 200);
  assert.equal(await countOf('http-%'), 3);
  const people = await appliance.sql("SELECT user_id FROM profiles WHERE user_id IN ('u1', 'u2')");
  assert.equal(people.rows.length, 2);
});

test('an event acknowledged over the stream is in the next query', async () => {
  const client = await StreamClient.open(appliance.port, { Authorization: `Bearer ${WRITE_KEY}` });
  await client.next();
  client.sendBatch(1, [event('ws-1'), event('ws-2'), event('ws-1')]);
  const { received, accepted, duplicates } = await client.next();
  assert.deepEqual({ received, accepted, duplicates }, { received: 3, accepted: 2, duplicates: 1 });
  assert.equal(await countOf('ws-%'), 2);
  client.destroy();
});

test('an admin key watches what is stored and resolves who it belongs to', async () => {
  const watcher = await StreamClient.open(appliance.port, { Authorization: `Bearer ${ADMIN_KEY}` });
  await watcher.next();
  watcher.sendText('{"subscribe":"tail","id":1,"filters":{"userId":"tailed"}}');
  assert.deepEqual(await watcher.next(), { subscribed: 1 });
  const batch = [event('tail-1', 'other'), event('tail-2', 'tailed'), event('tail-2', 'tailed')];
  await appliance.send('/v1/batch', { batch });
  const { tail, event: seen, sequence } = await watcher.next();
  assert.deepEqual({ tail, seen }, { tail: 1, seen: event('tail-2', 'tailed') });
  const { rows } = await appliance.sql(
    `SELECT sequence, profile_id FROM events WHERE message_id = 'tail-2'`,
  );
  assert.equal(rows[0]?.[0], sequence);
  watcher.sendText(
    '{"resolve":[{"type":"user_id","value":"tailed"},{"type":"user_id","value":"nobody"}],"id":2}',
  );
  assert.deepEqual(await watcher.next(), { resolved: [rows[0]?.[1], null], id: 2 });
  watcher.destroy();
});

test('NDJSON is chosen by the Accept header', async () => {
  const response = await fetch(`${appliance.url}/v1/sql`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${ADMIN_KEY}`, Accept: 'application/x-ndjson' },
    body: JSON.stringify({ sql: 'SELECT 1 AS one' }),
  });
  assert.match(response.headers.get('content-type') ?? '', /ndjson/);
  assert.match(response.headers.get('x-query-id') ?? '', /^[0-9a-f-]{36}$/);
  assert.deepEqual(JSON.parse(await response.text()), { one: 1 });
});

test('a query needs an admin key', async () => {
  const init = { method: 'POST', body: JSON.stringify({ sql: 'SELECT 1' }) };
  assert.equal((await fetch(`${appliance.url}/v1/sql`, init)).status, 401);
  const headers = { Authorization: `Bearer ${WRITE_KEY}` };
  assert.equal((await fetch(`${appliance.url}/v1/sql`, { ...init, headers })).status, 401);
});

test('a query whose client goes away leaves its worker to the next', async () => {
  const controller = new AbortController();
  const sql = 'SELECT count(*) FROM range(1000000000) a, range(1000) b';
  const slow = fetch(`${appliance.url}/v1/sql`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${ADMIN_KEY}` },
    body: JSON.stringify({ sql }),
    signal: controller.signal,
  });
  setTimeout(() => controller.abort(), 100);
  await assert.rejects(slow);
  for (let round = 0; round < 4; round += 1) {
    assert.equal((await appliance.sql('SELECT 1')).rows[0]?.[0], 1);
  }
});

test('metrics count what was taken', async () => {
  const text = await (await fetch(`${appliance.url}/metrics`)).text();
  assert.match(text, /^tributary_ingest_events_total\{outcome="accepted"\} [1-9]/m);
  assert.match(text, /^tributary_query_queries_total\{outcome="finished"\} [1-9]/m);
});

test('the keys are stored as hashes only', () => {
  const control = readFileSync(join(appliance.directory, 'control.json'), 'utf8');
  assert.ok(!control.includes(WRITE_KEY) && !control.includes(ADMIN_KEY));
});

test('a second appliance may not open the same data', async () => {
  const { directory } = appliance;
  const flags = ['--data-dir', directory];
  await assert.rejects(ApplianceProcess.start({ flags }), /TRIBUTARY_STORAGE_DIRECTORY_LOCKED/);
});

test('stopping answers what is under way, exits with 0, and the data is there after a restart', async () => {
  const client = await StreamClient.open(appliance.port, { Authorization: `Bearer ${WRITE_KEY}` });
  await client.next();
  client.sendBatch(1, [event('stop-1')]);
  assert.equal((await client.next())['ack'], 1);
  const stopped = appliance.stop();
  assert.equal(await client.closed, 1001);
  assert.equal(await stopped, 0);
  await appliance.restart();
  assert.equal(await countOf('stop-%'), 1);
});

test('a killed appliance starts with all that it acknowledged', async () => {
  assert.equal((await appliance.send('/v1/track', event('kill-1'))).status, 200);
  await appliance.kill();
  await appliance.restart();
  assert.equal(await countOf('kill-%'), 1);
  const again = await appliance.send('/v1/track', event('kill-1'));
  assert.equal(((await again.json()) as { duplicates: number }).duplicates, 1);
});

test('the hot directory does not outlive an orderly stop', async () => {
  const hot = /^hot data +(\S+)$/m.exec(appliance.output)?.[1];
  assert.ok(hot !== undefined && existsSync(hot));
  assert.equal(await appliance.stop(), 0);
  assert.ok(!existsSync(hot));
});
