import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { IcebergRestCatalog } from 'iceberg-js';
import { LIMITS } from '../../base/limits.ts';
import { MIB } from '../../base/units.ts';
import type { LakeDoor } from '../../ingest/ports.ts';
import { ADMIN_KEY, type FrontDoor, openFrontDoor, WRITE_KEY } from '../support/front-door.ts';
import {
  BUCKET,
  LakeFixture,
  NAMESPACE,
  type SigningOptions,
  TABLE_PREFIX,
} from './lake-fixture.ts';

const OBJECT = `/${BUCKET}/${TABLE_PREFIX}data/large.parquet`;
const CONTENT = randomBytes(3.5 * MIB);

let lake: LakeFixture;
let door: FrontDoor;
before(async () => {
  lake = await LakeFixture.open();
  lake.put(OBJECT.slice(BUCKET.length + 2), CONTENT);
  const lakeDoor: LakeDoor = {
    catalog: (request) => lake.catalog.answer(request),
    objects: (request) => lake.facade.answer(request),
  };
  door = await openFrontDoor({ lake: lakeDoor });
});
after(() => door.server.close());

async function read(path: string, options: SigningOptions = {}): Promise<Response> {
  const request = await lake.signed(path, { ...options, origin: door.url });
  const { host: _, ...headers } = request.headers;
  return fetch(door.url + path, { method: request.method, headers });
}

async function metric(name: string): Promise<number> {
  const text = await (await fetch(`${door.url}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name} `));
  return Number(line?.split(' ')[1] ?? 0);
}

test('a REST client of another make lists and loads through the front door', async () => {
  const catalog = new IcebergRestCatalog({
    baseUrl: `${door.url}/iceberg`,
    catalogName: BUCKET,
    auth: { type: 'bearer', token: lake.token },
    accessDelegation: ['vended-credentials'],
  });
  assert.deepEqual(await catalog.listNamespaces(), [{ namespace: [NAMESPACE] }]);
  const tables = await catalog.listTables({ namespace: [NAMESPACE] });
  assert.deepEqual(tables, [{ namespace: [NAMESPACE], name: 'events' }]);
  assert.equal(await catalog.tableExists(tables[0]!), true);
  assert.equal((await catalog.loadTable(tables[0]!))['format-version'], 2);
  await assert.rejects(catalog.dropTable(tables[0]!), /written by the appliance alone/);
});

test('vended keys point to the address that the request was sent to', async () => {
  const path = `/iceberg/v1/namespaces/${NAMESPACE}/tables/events`;
  const headers = { Authorization: `Bearer ${lake.token}` };
  const table = (await (await fetch(door.url + path, { headers })).json()) as {
    config: Record<string, string>;
  };
  assert.equal(table.config['s3.endpoint'], `${door.url}/`);
});

test('an object of several pieces arrives whole, with its length', async () => {
  const before = await metric('tributary_lake_sent_bytes_total');
  const response = await read(OBJECT);
  assert.equal(response.status, 200);
  assert.equal(response.headers.get('content-length'), String(CONTENT.length));
  assert.ok(CONTENT.equals(Buffer.from(await response.arrayBuffer())));
  assert.equal((await metric('tributary_lake_sent_bytes_total')) - before, CONTENT.length);
});

test('a range of several pieces arrives', async () => {
  const range = `bytes=1000000-${3 * MIB}`;
  const response = await read(OBJECT, { headers: { range } });
  assert.equal(response.status, 206);
  const expected = CONTENT.subarray(1_000_000, 3 * MIB + 1);
  assert.ok(expected.equals(Buffer.from(await response.arrayBuffer())));
});

test('HEAD tells the length and sends nothing', async () => {
  const response = await read(OBJECT, { method: 'HEAD' });
  assert.equal(response.headers.get('content-length'), String(CONTENT.length));
  assert.equal((await response.arrayBuffer()).byteLength, 0);
});

test('answers that have no body have no length', async () => {
  const etag = (await read(OBJECT, { method: 'HEAD' })).headers.get('etag') ?? '';
  const same = await read(OBJECT, { headers: { 'if-none-match': etag } });
  assert.equal(same.status, 304);
  assert.equal(same.headers.get('content-length'), null);
  const path = `/iceberg/v1/namespaces/${NAMESPACE}/tables/events`;
  const headers = { Authorization: `Bearer ${lake.token}` };
  const exists = await fetch(door.url + path, { method: 'HEAD', headers });
  assert.equal(exists.status, 204);
  assert.equal(exists.headers.get('content-length'), null);
});

test('readers that vanish give back what they held', async () => {
  const request = await lake.signed(OBJECT, { origin: door.url });
  const lines = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `GET ${OBJECT} HTTP/1.1\r\n${lines.join('')}\r\n`;
  const rounds = 2 * (LIMITS.lakeReadBytesMax / MIB);
  for (let round = 0; round < rounds; round += 1) {
    await new Promise<void>((resolve, reject) => {
      const socket = connect(door.server.port, '127.0.0.1', () => socket.write(head));
      socket.once('data', () => socket.destroy());
      socket.once('close', () => resolve());
      socket.once('error', reject);
    });
  }
  await delay(20);
  assert.equal((await read(OBJECT)).status, 200);
});

test('a reader that pauses gets everything in the end', async () => {
  const request = await lake.signed(OBJECT, { origin: door.url });
  const lines = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `GET ${OBJECT} HTTP/1.1\r\n${lines.join('')}Connection: close\r\n\r\n`;
  const pieces: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    const socket = connect(door.server.port, '127.0.0.1', () => socket.write(head));
    socket.on('data', (piece) => {
      pieces.push(piece);
      if (pieces.length % 16 === 1) {
        socket.pause();
        setTimeout(() => socket.resume(), 5);
      }
      if (Buffer.concat(pieces).length > CONTENT.length + 200) socket.end();
    });
    socket.on('close', () => resolve());
    socket.on('error', reject);
  });
  const all = Buffer.concat(pieces);
  assert.ok(all.subarray(all.indexOf('\r\n\r\n') + 4).equals(CONTENT));
});

test('while the appliance starts, readers are told to come back', async () => {
  const starting = await openFrontDoor();
  try {
    starting.server.setState({ phase: 'starting', progress: 'recovering' });
    const response = await fetch(`${starting.url}/iceberg/v1/config`);
    assert.equal(response.status, 503);
    assert.ok(Number(response.headers.get('retry-after')) > 0);
  } finally {
    starting.server.close();
  }
});

function tokens(method: string, path = '', body?: unknown, key = ADMIN_KEY): Promise<Response> {
  return fetch(`${door.url}/v1/lake/tokens${path}`, {
    method,
    headers: { Authorization: `Bearer ${key}` },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
}

test('an admin makes a token, sees it listed without its secret, and ends it', async () => {
  const created = await tokens('POST', '', { name: 'trino' });
  assert.equal(created.status, 201);
  const { id, token } = (await created.json()) as { id: string; token: string };
  assert.match(token, new RegExp(`^tributary_lake_${id}_`));
  const listed = await (await tokens('GET')).text();
  assert.ok(listed.includes(id) && listed.includes('trino') && !listed.includes(token));
  assert.equal((await tokens('DELETE', `/${id}`)).status, 200);
  assert.deepEqual(await (await tokens('GET')).json(), { tokens: [] });
  assert.equal((await tokens('DELETE', `/${id}`)).status, 404);
});

test('tokens are for admins, and have a name', async () => {
  assert.equal((await tokens('POST', '', { name: 'x' }, WRITE_KEY)).status, 401);
  assert.equal((await tokens('GET', '', undefined, 'nobody')).status, 401);
  for (const body of [{}, { name: '' }, { name: 7 }, { name: 'x'.repeat(65) }, 'x']) {
    assert.equal((await tokens('POST', '', body)).status, 400, JSON.stringify(body));
  }
  assert.equal((await tokens('PUT')).status, 405);
});
