import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ADMIN_KEY, ApplianceProcess, WRITE_KEY } from '../support/appliance.ts';

const ADMIN = { Authorization: `Bearer ${ADMIN_KEY}` };
let appliance: ApplianceProcess;

before(async () => {
  appliance = await ApplianceProcess.start();
  const events = [
    { type: 'page', messageId: 'm1', userId: 'ada', anonymousId: 'x' },
    { type: 'identify', messageId: 'm2', userId: 'ada', traits: { email: 'ada@example.com' } },
    { type: 'page', messageId: 'm3', userId: 'bob', anonymousId: 'y&<z>' },
    { type: 'alias', messageId: 'm4', userId: 'ada', previousId: 'bob' },
  ];
  const response = await fetch(`${appliance.url}/v1/batch`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${WRITE_KEY}` },
    body: JSON.stringify({ batch: events }),
  });
  assert.equal(response.status, 200);
});
after(() => appliance.remove());

interface Shown {
  readonly joined?: boolean;
  readonly isWhole: boolean;
  readonly path: readonly number[];
  readonly nodes: readonly { anchor: number; type: string; value: string; profile: string }[];
  readonly edges: readonly Record<string, unknown>[];
  readonly obstacles: readonly Record<string, unknown>[];
}

async function get(path: string): Promise<Shown> {
  const response = await fetch(appliance.url + path, { headers: ADMIN });
  return (await response.json()) as Shown;
}

async function profileOf(userId: string): Promise<string> {
  const answer = await get(`/v1/identity/resolve?type=user_id&value=${userId}`);
  return (answer as unknown as { profile: string }).profile;
}

const codeOf = (body: unknown): string => (body as { error: { code: string } }).error.code;

test('the path between an email and a device goes through the user, with the events that joined them', async () => {
  const shown = await get('/v1/identity/explain?a=email:ada%40example.com&b=anonymous_id:x');
  assert.equal(shown.joined, true);
  assert.deepEqual(
    shown.nodes.map(({ type, value }) => `${type}:${value}`),
    ['email:ada@example.com', 'user_id:ada', 'anonymous_id:x'],
  );
  assert.deepEqual(
    shown.path,
    shown.nodes.map(({ anchor }) => anchor),
  );
  assert.deepEqual(
    shown.edges.map((edge) => [edge['message_id'], edge['reason'], edge['state']]).sort(),
    [
      ['m1', 'claimed', 'active'],
      ['m2', 'attached', 'active'],
    ],
  );
});

test('two known users are apart because of the alias that a rule demoted', async () => {
  const shown = await get('/v1/identity/explain?a=user_id:ada&b=user_id:bob');
  assert.equal(shown.joined, false);
  assert.deepEqual(shown.path, []);
  const [edge] = shown.edges;
  assert.deepEqual(
    [edge!['state'], edge!['reason'], edge!['message_id']],
    ['demoted', 'two_values', 'm4'],
  );
  assert.deepEqual(
    shown.obstacles.map(({ kind, reason }) => [kind, reason]),
    [['alias', 'two_values']],
  );
});

test('the graph of a profile has its own anchors, and those it was kept from', async () => {
  const ada = await profileOf('ada');
  const graph = await get(`/v1/profiles/${ada}/graph`);
  assert.equal(graph.isWhole, true);
  const own = graph.nodes.filter(({ profile }) => profile === ada);
  assert.deepEqual(own.map(({ value }) => value).sort(), ['ada', 'ada@example.com', 'x']);
  assert.deepEqual(
    graph.nodes.filter(({ profile }) => profile !== ada).map(({ value }) => value),
    ['bob'],
  );
  assert.equal(graph.edges.length, 3);
});

test('a graph is written for other programs, with marks escaped', async () => {
  const bob = await profileOf('bob');
  for (const format of ['gexf', 'graphml']) {
    const url = `${appliance.url}/v1/profiles/${bob}/graph?format=${format}`;
    const response = await fetch(url, { headers: ADMIN });
    assert.equal(response.headers.get('content-type'), `application/${format}+xml`);
    const text = await response.text();
    // XML lets > stand as it is.
    assert.match(text, /y&amp;&lt;z(>|&gt;)/);
    assert.ok(!text.includes('y&<z'));
    assert.equal((text.match(/<edge /g) ?? []).length, 2);
  }
  const json = (await get(`/v1/profiles/${bob}/graph?format=json`)) as unknown as {
    nodes: { attributes: { label: string } }[];
  };
  assert.ok(json.nodes.some(({ attributes }) => attributes.label === 'user_id:bob'));
});

test('unknown profiles, identifiers and formats are refused by name', async () => {
  const none = '00000000-0000-8000-8000-000000000000';
  assert.equal(
    codeOf(await get(`/v1/profiles/${none}/graph`)),
    'TRIBUTARY_IDENTITY_PROFILE_UNKNOWN',
  );
  const bob = await profileOf('bob');
  const wrong = await get(`/v1/profiles/${bob}/graph?format=svg`);
  assert.equal(codeOf(wrong), 'TRIBUTARY_INGEST_REQUEST_INVALID');
  const stranger = await get('/v1/identity/explain?a=user_id:ada&b=user_id:eve');
  assert.equal(codeOf(stranger), 'TRIBUTARY_IDENTITY_IDENTIFIER_UNKNOWN');
  assert.match(JSON.stringify(stranger), /Nobody is known by user_id:eve\./);
  const strangers = await get('/v1/identity/explain?a=email:e@x&b=user_id:eve');
  assert.match(JSON.stringify(strangers), /Nobody is known by email:e@x nor user_id:eve\./);
  assert.equal(
    codeOf(await get('/v1/identity/explain?a=ada&b=bob')),
    'TRIBUTARY_INGEST_REQUEST_INVALID',
  );
});

test('a device is explained to its former owner by the interval that was theirs, and after a logout', async () => {
  const page = (userId: string, messageId: string): object => ({
    ...{ type: 'page', userId, anonymousId: 'shared', messageId },
  });
  await appliance.send('/v1/batch', { batch: [page('kim', 'k1'), page('lee', 'l1')] });
  const intervals = async (): Promise<unknown[]> => {
    const answers = ['kim', 'lee'].map(async (user) => {
      const path = `/v1/identity/explain?a=user_id:${user}&b=anonymous_id:shared`;
      const shown = (await get(path)) as Shown & { readonly interval: string };
      return [shown.joined, shown.interval, shown.edges[0]?.['message_id']];
    });
    return Promise.all(answers);
  };
  assert.deepEqual(await intervals(), [
    [true, 'former', 'k1'],
    [true, 'current', 'l1'],
  ]);
  const logout = { type: 'track', event: 'Logged Out', userId: 'lee', anonymousId: 'shared' };
  await appliance.send('/v1/batch', { batch: [logout] });
  assert.deepEqual(await intervals(), [
    [true, 'former', 'k1'],
    [true, 'former', 'l1'],
  ]);
});
