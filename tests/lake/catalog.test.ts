import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import type { PlainAnswer } from '../../base/plain-http.ts';
import {
  BUCKET,
  jsonOf,
  LakeFixture,
  METADATA,
  NAMESPACE,
  ORIGIN,
  TABLE_PREFIX,
  textOf,
} from './lake-fixture.ts';

const TABLES = `/iceberg/v1/${BUCKET}/namespaces/${NAMESPACE}/tables`;

let lake: LakeFixture;
before(async () => {
  lake = await LakeFixture.open();
});

function errorOf(answer: PlainAnswer): { type: string; code: number } {
  const { error } = jsonOf(answer) as { error: { message: string; type: string; code: number } };
  assert.equal(error.code, answer.status);
  assert.ok(error.message.length > 0);
  return { type: error.type, code: error.code };
}

test('the configuration has both maps, the prefix, and only endpoints that answer', async () => {
  const config = jsonOf(await lake.ask('GET', '/iceberg/v1/config')) as {
    defaults: object;
    overrides: object;
    endpoints: string[];
  };
  assert.deepEqual(config.defaults, {});
  assert.deepEqual(config.overrides, { prefix: BUCKET });
  for (const endpoint of config.endpoints) {
    const [method, template] = endpoint.split(' ') as [string, string];
    const path = template
      .replace('{prefix}', BUCKET)
      .replace('{namespace}', NAMESPACE)
      .replace('{table}', 'events');
    assert.ok((await lake.ask(method, `/iceberg${path}`)).status < 300, endpoint);
  }
});

test('a warehouse is known by the name of the bucket', async () => {
  for (const warehouse of ['', BUCKET, encodeURIComponent(`s3://${BUCKET}/`)]) {
    const answer = await lake.ask('GET', `/iceberg/v1/config?warehouse=${warehouse}`);
    assert.equal(answer.status, 200, warehouse);
  }
  const { type } = errorOf(await lake.ask('GET', '/iceberg/v1/config?warehouse=other'));
  assert.equal(type, 'NoSuchWarehouseException');
});

test('a path may come with the prefix or without, and with v1 or without', async () => {
  for (const path of [
    '/iceberg/v1/namespaces',
    `/iceberg/v1/${BUCKET}/namespaces`,
    `/iceberg/v1/${BUCKET}/namespaces/`,
    '/iceberg/namespaces',
  ]) {
    assert.deepEqual(jsonOf(await lake.ask('GET', path)), { namespaces: [[NAMESPACE]] }, path);
  }
});

test('a namespace has no namespaces below it', async () => {
  const below = (parent: string) => lake.ask('GET', `/iceberg/v1/namespaces?parent=${parent}`);
  assert.deepEqual(jsonOf(await below(NAMESPACE)), { namespaces: [] });
  assert.equal(errorOf(await below('other')).type, 'NoSuchNamespaceException');
});

test('namespaces, tables and what they are not', async () => {
  const namespaces = '/iceberg/v1/namespaces';
  assert.deepEqual(jsonOf(await lake.ask('GET', `${namespaces}/${NAMESPACE}`)), {
    namespace: [NAMESPACE],
    properties: {},
  });
  assert.equal((await lake.ask('HEAD', `${namespaces}/${NAMESPACE}`)).status, 204);
  assert.equal(
    errorOf(await lake.ask('GET', `${namespaces}/other`)).type,
    'NoSuchNamespaceException',
  );
  const nested = await lake.ask('GET', `${namespaces}/${NAMESPACE}%1Fbelow/tables`);
  assert.equal(errorOf(nested).type, 'NoSuchNamespaceException');
  assert.deepEqual(jsonOf(await lake.ask('GET', TABLES)), {
    identifiers: [{ namespace: [NAMESPACE], name: 'events' }],
  });
  assert.equal((await lake.ask('HEAD', `${TABLES}/events`)).status, 204);
  assert.equal((await lake.ask('HEAD', `${TABLES}/other`)).status, 404);
  assert.equal(errorOf(await lake.ask('GET', `${TABLES}/other`)).type, 'NoSuchTableException');
  assert.equal(errorOf(await lake.ask('GET', '/iceberg/v1/views')).type, 'NotFoundException');
  assert.equal((await lake.ask('GET', '/iceberg/v1/namespaces/%ff')).status, 400);
});

test('a loaded table carries its metadata to the last digit, and keys for its files', async () => {
  const answer = await lake.ask('GET', `${TABLES}/events?snapshots=refs`);
  assert.ok((await textOf(answer)).includes(`"metadata":${METADATA},`));
  const table = jsonOf(answer) as Record<string, unknown>;
  const location = `s3://${BUCKET}/${NAMESPACE}/events-0123abcd`;
  assert.equal(table['metadata-location'], `${location}/metadata/v1.metadata.json`);
  const config = table['config'] as Record<string, string>;
  assert.equal(config['s3.endpoint'], `${ORIGIN}/`, 'ClickHouse needs the slash');
  assert.equal(config['s3.region'], config['client.region']);
  assert.equal(config['s3.path-style-access'], 'true');
  assert.deepEqual(table['storage-credentials'], [{ prefix: `${location}/`, config }]);
  assert.deepEqual(jsonOf(await lake.ask('GET', `${TABLES}/events/credentials`)), {
    'storage-credentials': table['storage-credentials'],
  });
});

test('a client that refreshes its keys as the Java library does reads on when the first ones have ended', async () => {
  const path = `/${BUCKET}/${TABLE_PREFIX}data/a.parquet`;
  lake.put(`${TABLE_PREFIX}data/a.parquet`, 'rows');
  const loaded = await lake.vended();
  const read = async (config: Record<string, string>): Promise<number> =>
    (await lake.facade.answer(await lake.signed(path, { config }))).status;
  assert.equal(await read(loaded), 200);
  const startedMs = lake.nowMs;
  try {
    // It asks five minutes before the end, at a path below the catalog's address.
    const endsMs = Number(loaded['s3.session-token-expires-at-ms']);
    lake.nowMs = endsMs - 5 * 60_000;
    const endpoint = `/iceberg/${loaded['client.refresh-credentials-endpoint']}`;
    const answer = jsonOf(await lake.ask('GET', endpoint)) as {
      'storage-credentials': { prefix: string; config: Record<string, string> }[];
    };
    // It takes exactly one for S3, with all of these.
    const [credential, ...others] = answer['storage-credentials'];
    assert.ok(credential!.prefix.startsWith('s3'));
    assert.deepEqual(others, []);
    for (const name of ['access-key-id', 'secret-access-key', 'session-token']) {
      assert.notEqual(credential!.config[`s3.${name}`], loaded[`s3.${name}`], name);
    }
    assert.ok(Number(credential!.config['s3.session-token-expires-at-ms']) > endsMs);
    lake.nowMs = endsMs + 60_000;
    assert.equal(await read(loaded), 400, 'ExpiredToken');
    assert.equal(await read(credential!.config), 200);
  } finally {
    lake.nowMs = startedMs;
  }
});

test('a report of metrics is taken and dropped', async () => {
  assert.equal((await lake.ask('POST', `${TABLES}/events/metrics`)).status, 204);
});

test('whatever would change something is forbidden', async () => {
  for (const [method, path] of [
    ['POST', '/iceberg/v1/namespaces'],
    ['DELETE', `/iceberg/v1/namespaces/${NAMESPACE}`],
    ['POST', `/iceberg/v1/namespaces/${NAMESPACE}/properties`],
    ['POST', `/iceberg/v1/namespaces/${NAMESPACE}/register`],
    ['POST', TABLES],
    ['POST', `${TABLES}/events`],
    ['DELETE', `${TABLES}/events?purgeRequested=true`],
  ] as const) {
    const { type, code } = errorOf(await lake.ask(method, path));
    assert.deepEqual([type, code], ['ForbiddenException', 403], `${method} ${path}`);
  }
  for (const path of ['/iceberg/v1/tables/rename', '/iceberg/v1/transactions/commit']) {
    assert.equal(errorOf(await lake.ask('POST', path)).type, 'UnsupportedOperationException', path);
  }
});

test('without a known token nothing is told', async () => {
  for (const authorization of ['', 'Bearer', 'Bearer nonsense', `Basic ${lake.token}`]) {
    for (const path of ['/iceberg/v1/config', TABLES, '/iceberg/v1/anything']) {
      const answer = await lake.ask('GET', path, { headers: { authorization } });
      assert.deepEqual(errorOf(answer), { type: 'NotAuthorizedException', code: 401 });
      assert.equal(answer.headers['WWW-Authenticate'], 'Bearer');
    }
  }
});

function exchange(form: string, headers: Record<string, string> = {}): Promise<PlainAnswer> {
  const body = Buffer.from(form);
  return lake.ask('POST', '/iceberg/v1/oauth/tokens', { body, headers });
}

test('client credentials give a session for an hour', async () => {
  const form = `grant_type=client_credentials&client_id=any&client_secret=${lake.token}&scope=catalog`;
  const answer = jsonOf(await exchange(form)) as Record<string, unknown>;
  assert.equal(answer['token_type'], 'bearer');
  assert.equal(answer['expires_in'], 3600);
  const headers = { authorization: `Bearer ${answer['access_token']}` };
  const startMs = lake.nowMs;
  const statusAt = async (ms: number): Promise<number> => {
    lake.nowMs = startMs + ms;
    const { status } = await lake.ask('GET', TABLES, { headers });
    lake.nowMs = startMs;
    return status;
  };
  assert.equal(await statusAt(0), 200);
  assert.equal(await statusAt(3_599_000), 200);
  assert.equal(await statusAt(3_600_000), 401);
  const forged = `${answer['access_token']}`.replace(/_([0-9a-f]{8})_/, '_ffffffff_');
  const forgedHeaders = { authorization: `Bearer ${forged}` };
  assert.equal((await lake.ask('GET', TABLES, { headers: forgedHeaders })).status, 401);
});

test('the secret may come as the password of HTTP Basic', async () => {
  const authorization = `Basic ${Buffer.from(`any:${lake.token}`).toString('base64')}`;
  assert.equal((await exchange('grant_type=client_credentials', { authorization })).status, 200);
});

test('a wrong grant or secret is refused as OAuth has it', async () => {
  const refused = async (form: string) => {
    const answer = await exchange(form);
    return [answer.status, (jsonOf(answer) as { error: string }).error];
  };
  assert.deepEqual(await refused('grant_type=password'), [400, 'unsupported_grant_type']);
  assert.deepEqual(await refused(''), [400, 'unsupported_grant_type']);
  const secret = 'grant_type=client_credentials&client_secret=wrong';
  assert.deepEqual(await refused(secret), [401, 'invalid_client']);
});

test('a revoked token ends at once, with its sessions', async () => {
  const { tenantId } = lake;
  const issued = await lake.control.createLakeToken(tenantId, 'short');
  const form = `grant_type=client_credentials&client_secret=${issued.token}`;
  const { access_token } = jsonOf(await exchange(form)) as { access_token: string };
  const status = async (token: string) =>
    (await lake.ask('GET', TABLES, { headers: { authorization: `Bearer ${token}` } })).status;
  const both = async () => [await status(issued.token), await status(access_token)];
  assert.deepEqual(await both(), [200, 200]);
  await lake.control.revokeLakeToken(tenantId, issued.id);
  assert.deepEqual(await both(), [401, 401]);
});
