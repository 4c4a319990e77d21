import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ADMIN_KEY, type FrontDoor, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';
import { StreamClient } from '../support/stream-client.ts';

let door: FrontDoor;
before(async () => {
  door = await openFrontDoor();
});
after(() => door.server.close());

interface Refusal {
  readonly status: number;
  readonly code: string | undefined;
  readonly message: string | undefined;
}

async function ask(path: string, method = 'GET', key = ADMIN_KEY): Promise<Refusal> {
  const headers = { Authorization: `Bearer ${key}` };
  const body = method === 'GET' || method === 'HEAD' ? {} : { body: '{}' };
  const response = await fetch(door.url + path, { method, headers, ...body });
  const text = await response.text();
  const { code, message } = (text.startsWith('{') ? JSON.parse(text).error : undefined) ?? {};
  return { status: response.status, code, message };
}

const UNKNOWN = 'TRIBUTARY_INGEST_PARAMETER_UNKNOWN';

test('a parameter that a route does not take is refused by name, with the nearest it takes', async () => {
  const mistyped = await ask('/v1/dead-letters?limit=3&sinse=2026-03-01T02:00:00Z');
  assert.deepEqual(mistyped, {
    status: 400,
    code: UNKNOWN,
    message:
      '/v1/dead-letters takes no query parameter sinse (did you mean since?); ' +
      'it takes code, source, since, until, after, limit.',
  });
  const other = await ask('/v1/dead-letters?nosuch=1');
  assert.match(other.message ?? '', /takes no query parameter nosuch; it takes code, /);
  const none = await ask('/v1/erasures?limit=3');
  assert.match(none.message ?? '', /takes no query parameter limit; it takes none\.$/);
});

test('every route of ours keeps the rule, whatever its method', async () => {
  const id = '00000000-0000-4000-8000-000000000000';
  const routes: readonly (readonly [method: string, path: string, key?: string])[] = [
    ['GET', '/v1/identity/resolve?type=user_id&value=ada&nosuch=1'],
    ['GET', `/v1/profiles/${id}/graph?nosuch=1`],
    ['GET', '/v1/identity/explain?a=user_id:a&b=user_id:b&nosuch=1'],
    ['GET', '/v1/identity/rules?nosuch=1'],
    ['GET', '/v1/profiles?type=user_id&value=ada&nosuch=1'],
    ['GET', `/v1/profiles/${id}?nosuch=1`],
    ['GET', '/v1/accounts?group_id=acme&nosuch=1'],
    ['GET', '/v1/trace/m1?nosuch=1'],
    ['GET', '/v1/import/i1?nosuch=1', WRITE_KEY],
    ['GET', '/v1/identity/what-if?nosuch=1'],
    ['GET', '/v1/lake/files?nosuch=1'],
    ['POST', '/v1/import?format=ndjson&import_id=i1&from_rows=7', WRITE_KEY],
    ['POST', '/v1/sql?nosuch=1'],
    ['POST', '/v1/identity/resolve?nosuch=1'],
    ['POST', '/v1/dead-letters/replay?dry_run=true'],
    ['POST', '/v1/identity/link?dry_run=true'],
    ['POST', '/v1/erasures?dry_run=true'],
    ['PUT', '/v1/identity/rules?dry_run=true'],
    ['DELETE', '/v1/lake/tokens/t1?nosuch=1'],
  ];
  for (const [method, path, key] of routes) {
    assert.equal((await ask(path, method, key)).code, UNKNOWN, `${method} ${path}`);
  }
  assert.equal((await ask('/v1/dead-letters?nosuch=1', 'HEAD')).status, 400);
});

test('a parameter that is given twice is refused', async () => {
  const twice = await ask('/v1/dead-letters?limit=3&code=x&limit=4');
  assert.deepEqual(twice, {
    status: 400,
    code: 'TRIBUTARY_INGEST_PARAMETER_REPEATED',
    message: 'The query parameter limit is given more than once.',
  });
});

test('known parameters, empty ones and stray separators pass', async () => {
  for (const query of ['', '?', '?&', '?limit=3&&since=', '?limit=3&code=a%26b%3Dc']) {
    const { code } = await ask(`/v1/dead-letters${query}`);
    assert.doesNotMatch(code ?? '', /PARAMETER/, query);
  }
});

test('a stream whose parameter is mistyped is not opened', async () => {
  const headers = { Authorization: `Bearer ${WRITE_KEY}` };
  const wrong = StreamClient.open(door.server.port, headers, '/v1/stream?stream=s&acknowleged=7');
  await assert.rejects(wrong, /400/);
});

test('what SDKs, probes and scrapers call takes anything', async () => {
  for (const path of [
    '/healthz?_=1',
    '/metrics?a=1&a=2',
    `/v1/projects/${WRITE_KEY}/settings?v=5`,
    `/pixel/v1/track?writeKey=${WRITE_KEY}&userId=u1&event=Opened&x=1&x=2`,
  ]) {
    assert.equal((await ask(path)).status, 200, path);
  }
  const sent = await fetch(`${door.url}/v1/track?utm=1&utm=2`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${WRITE_KEY}` },
    body: JSON.stringify({ type: 'track', event: 'Seen', userId: 'u1' }),
  });
  assert.equal(sent.status, 200);
});
