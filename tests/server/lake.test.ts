import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { IcebergRestCatalog } from 'iceberg-js';
import { ADMIN_KEY, ApplianceProcess } from '../support/appliance.ts';
import { S3_BUCKET, S3_KEY, S3Server } from '../support/s3-server.ts';

async function createToken(appliance: ApplianceProcess): Promise<string> {
  const response = await fetch(`${appliance.url}/v1/lake/tokens`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${ADMIN_KEY}` },
    body: JSON.stringify({ name: 'test' }),
  });
  return ((await response.json()) as { token: string }).token;
}

function catalogOf(appliance: ApplianceProcess, token: string): IcebergRestCatalog {
  const auth = { type: 'bearer', token } as const;
  return new IcebergRestCatalog({ baseUrl: `${appliance.url}/iceberg`, auth });
}

test('a running appliance has one namespace per tenant, and remembers its tokens', async () => {
  const appliance = await ApplianceProcess.start();
  try {
    const token = await createToken(appliance);
    const [namespace] = await catalogOf(appliance, token).listNamespaces();
    assert.match(namespace?.namespace[0] ?? '', /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/);
    assert.ok(existsSync(join(appliance.directory, 'lake')));
    await appliance.stop();
    await appliance.restart();
    assert.deepEqual(await catalogOf(appliance, token).listNamespaces(), [namespace]);
  } finally {
    await appliance.remove();
  }
});

test('what was just acknowledged is in the lake once a flush was asked for', async () => {
  const appliance = await ApplianceProcess.start();
  const ask = async (path: string, task?: object): Promise<Record<string, unknown>> => {
    const response = await fetch(`${appliance.url}/v1/lake/${path}`, {
      method: task === undefined ? 'GET' : 'POST',
      headers: { Authorization: `Bearer ${ADMIN_KEY}` },
      ...(task !== undefined && { body: JSON.stringify(task) }),
    });
    assert.equal(response.status, 200);
    return (await response.json()) as Record<string, unknown>;
  };
  try {
    await appliance.send('/v1/track', { event: 'Seen', userId: 'ann', messageId: 'f1' });
    const dry = await ask('tasks', { task: 'flush', dry_run: true });
    assert.deepEqual([Number(dry['waiting_bytes']) > 0, dry['sequence']], [true, 0]);
    const flushed = await ask('tasks', { task: 'flush' });
    assert.deepEqual([flushed['sequence_before'], flushed['sequence']], [0, 1]);
    const { events } = (await ask('files')) as { events: { days: { rows: number }[] } };
    assert.deepEqual(
      events.days.map(({ rows }) => rows),
      [1],
    );
    const again = await ask('tasks', { task: 'flush' });
    assert.deepEqual([again['waiting_bytes'], again['sequence']], [0, 1]);
    assert.deepEqual((await appliance.sql('SELECT count(*)::INTEGER FROM events')).rows, [[1]]);
  } finally {
    await appliance.remove();
  }
});

test('with a bucket on an S3 store the appliance probes it, and copies what it holds', async () => {
  const server = await S3Server.open();
  const settings = {
    flags: ['--lake-s3-endpoint', server.endpoint, '--lake-bucket', S3_BUCKET],
    environment: {
      TRIBUTARY_LAKE_S3_ACCESS_KEY_ID: S3_KEY.accessKeyId,
      TRIBUTARY_LAKE_S3_SECRET_ACCESS_KEY: S3_KEY.secretAccessKey,
    },
  };
  try {
    const object = { bytes: Buffer.from('x'), etag: '"x"', modifiedMs: 0, mark: '' };
    server.objects.set('namespace/table-0123abcd/data/x', object);
    const appliance = await ApplianceProcess.start(settings);
    assert.ok(existsSync(join(appliance.directory, 'lake/namespace/table-0123abcd/data/x')));
    assert.ok(server.log.some((line) => line.startsWith('PUT .tributary/probe-')));
    await appliance.remove();
    server.ignoresConditions = true;
    await assert.rejects(ApplianceProcess.start(settings), /TRIBUTARY_LAKE_STORE_UNCONDITIONAL/);
  } finally {
    await server.close();
  }
});

test('rows flushed to a lake on an S3 store are there, in the copy, and in queries', async () => {
  const server = await S3Server.open('tributary-lake');
  const appliance = await ApplianceProcess.start({
    flags: ['--lake-s3-endpoint', server.endpoint, '--flush-age-seconds', '1'],
    environment: {
      TRIBUTARY_LAKE_S3_ACCESS_KEY_ID: S3_KEY.accessKeyId,
      TRIBUTARY_LAKE_S3_SECRET_ACCESS_KEY: S3_KEY.secretAccessKey,
    },
  });
  const isEventFile = (key: string): boolean => /\/events-[0-9a-f]{8}\/data\/.*parquet$/.test(key);
  const count = async (): Promise<unknown> =>
    (await appliance.sql('SELECT count(*) FROM events')).rows[0]?.[0];
  try {
    const batch = Array.from({ length: 100 }, (_, index) => ({
      type: 'track',
      event: 'Viewed',
      userId: `user-${index}`,
    }));
    await appliance.send('/v1/batch', { batch });
    const deadline = performance.now() + 20_000;
    while (![...server.objects.keys()].some(isEventFile) && performance.now() < deadline) {
      await delay(50);
    }
    const keys = [...server.objects.keys()].filter(isEventFile);
    assert.equal(keys.length, 1, appliance.output);
    assert.equal(await count(), 100);
    await appliance.stop();
    await appliance.restart();
    assert.ok(existsSync(join(appliance.directory, 'lake', keys[0]!)));
    assert.equal(await count(), 100);
  } finally {
    await appliance.remove();
    await server.close();
  }
});

test('an S3 store without a key is an error that names the variables', async () => {
  const flags = ['--lake-s3-endpoint', 'http://127.0.0.1:9'];
  await assert.rejects(ApplianceProcess.start({ flags }), /TRIBUTARY_LAKE_S3_ACCESS_KEY_ID/);
});
