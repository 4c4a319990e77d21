import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { LIMITS } from '../../base/limits.ts';
import { ADMIN_KEY, ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';
import { StreamClient } from '../support/stream-client.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;
const ADMIN = { Authorization: `Bearer ${ADMIN_KEY}` };
let appliance: ApplianceProcess;

before(async () => {
  appliance = await ApplianceProcess.start();
  const events = [
    { type: 'identify', userId: 'ada', anonymousId: 'x', traits: { email: 'ada@example.com' } },
    { type: 'page', userId: 'bob', anonymousId: 'y' },
  ];
  const response = await fetch(`${appliance.url}/v1/batch`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${WRITE_KEY}` },
    body: JSON.stringify({ batch: events }),
  });
  assert.equal(response.status, 200);
});
after(() => appliance.remove());

async function get(query: string, headers: Record<string, string> = ADMIN): Promise<unknown> {
  const response = await fetch(`${appliance.url}/v1/identity/resolve?${query}`, { headers });
  return (await response.json()) as unknown;
}

async function post(body: string): Promise<Record<string, unknown>> {
  const url = `${appliance.url}/v1/identity/resolve`;
  const response = await fetch(url, { method: 'POST', headers: ADMIN, body });
  return (await response.json()) as Record<string, unknown>;
}

const codeOf = (body: unknown): string => (body as { error: { code: string } }).error.code;

test('one look-up, one batch and one frame tell the same profile of three identifiers', async () => {
  const { profile } = (await get('type=user_id&value=ada')) as { profile: string };
  assert.match(profile, UUID);
  const asked = [
    { type: 'anonymous_id', value: 'x' },
    { type: 'email', value: ' ADA@example.com' },
    { type: 'user_id', value: 'nobody' },
  ];
  assert.deepEqual(await post(JSON.stringify(asked)), { profiles: [profile, profile, null] });
  // A member more: taken by the slow way, with the same answer.
  const other = asked.map((identifier) => ({ ...identifier, note: 1 }));
  assert.deepEqual(await post(JSON.stringify(other)), { profiles: [profile, profile, null] });
  const client = await StreamClient.open(appliance.port, ADMIN);
  await client.next();
  client.sendText(JSON.stringify({ resolve: { type: 'user_id', values: ['ada', '?'] }, id: 9 }));
  assert.deepEqual(await client.next(), { resolved: [profile, null], id: 9 });
  client.sendText(JSON.stringify({ id: 10, resolve: { type: 'user_id', values: ['ada'] } }));
  assert.deepEqual(await client.next(), { resolved: [profile], id: 10 });
  client.destroy();
});

test('a value with percent signs is decoded', async () => {
  const { profile } = (await get('type=email&value=ada%40example.com')) as { profile: string };
  assert.match(profile, UUID);
});

test('a look-up is answered as all are, and HEAD as GET without the body', async () => {
  const url = `${appliance.url}/v1/identity/resolve?type=user_id&value=nobody`;
  const [answer, head] = await Promise.all(
    ['GET', 'HEAD'].map((method) => fetch(url, { method, headers: ADMIN })),
  );
  assert.equal(await answer!.text(), '{"profile":null}\n');
  assert.equal(await head!.text(), '');
  for (const { status, headers } of [answer!, head!]) {
    assert.equal(status, 200);
    assert.equal(headers.get('content-type'), 'application/json');
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('content-length'), '17');
  }
});

test('a write key does not look up', async () => {
  const headers = { Authorization: `Bearer ${WRITE_KEY}` };
  assert.equal(
    codeOf(await get('type=user_id&value=ada', headers)),
    'TRIBUTARY_ACCESS_KEY_UNKNOWN',
  );
});

test('wrong requests are refused by name', async () => {
  assert.equal(codeOf(await get('type=user_id')), 'TRIBUTARY_INGEST_REQUEST_INVALID');
  assert.equal(codeOf(await get('type=shoe&value=1')), 'TRIBUTARY_IDENTITY_TYPE_UNKNOWN');
  assert.equal(codeOf(await post('{')), 'TRIBUTARY_INGEST_JSON_MALFORMED');
  assert.equal(codeOf(await post('\ufeff[]')), 'TRIBUTARY_INGEST_JSON_MALFORMED');
  assert.equal(codeOf(await post('{"type":"user_id"}')), 'TRIBUTARY_INGEST_REQUEST_INVALID');
  const values = Array.from({ length: LIMITS.resolveIdentifiersMax + 1 }, () => 'a');
  const beyond = await post(JSON.stringify({ type: 'user_id', values }));
  assert.equal(codeOf(beyond), 'TRIBUTARY_INGEST_REQUEST_INVALID');
});
