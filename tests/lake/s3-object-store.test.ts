import assert from 'node:assert/strict';
import { after, before, beforeEach, test } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import { TributaryError } from '../../base/errors.ts';
import { systemRandom } from '../../base/random.ts';
import { S3ObjectStore, type S3ObjectStoreOptions } from '../../storage/lake/s3-object-store.ts';
import { textIn } from '../../storage/lake/s3-xml.ts';
import { MemoryFileSystem } from '../../storage/memory-file-system.ts';
import { S3_BUCKET, S3_KEY, S3Server } from '../support/s3-server.ts';
import { keysOf, objectStoreSuite, type StoreUnderTest, stagedIn } from './object-store-suite.ts';

const text = (value: string) => new TextEncoder().encode(value);
const PART_BYTES = 5;

let server: S3Server;
before(async () => {
  server = await S3Server.open();
});
beforeEach(reset);
after(() => server.close());

function reset(): void {
  server.objects.clear();
  server.uploads.clear();
  server.log.length = 0;
  server.fault = () => undefined;
  server.ignoresConditions = false;
  server.pageMax = 1000;
}

async function open(overrides: Partial<S3ObjectStoreOptions> = {}): Promise<StoreUnderTest> {
  const fileSystem = new MemoryFileSystem();
  const store = await S3ObjectStore.open({
    endpoint: server.endpoint,
    bucket: S3_BUCKET,
    region: 'eu-central-1',
    credentials: S3_KEY,
    isPathStyle: true,
    clock: systemClock,
    random: systemRandom,
    fileSystem,
    stagingDirectory: '/staging',
    multipartBytesMin: 12,
    partBytes: PART_BYTES,
    retryDelayMs: 1,
    ...overrides,
  });
  return stagedIn(fileSystem, '/staging', store);
}

objectStoreSuite('S3', async (body) => {
  reset();
  await body(await open());
});

objectStoreSuite('S3, in pages of two', async (body) => {
  reset();
  server.pageMax = 2;
  await body(await open());
});

objectStoreSuite('S3, where every first attempt is refused', async (body) => {
  reset();
  server.fault = everyOther('refuse');
  await body(await open());
});

objectStoreSuite('S3, where every first answer is lost', async (body) => {
  reset();
  server.fault = everyOther('lose');
  await body(await open());
});

/**
 * A fault for the first of each two equal requests, and at most four of them: of clients that ask the same
 * at once, one could meet all of more, and a client tries five times.
 */
function everyOther(fault: 'refuse' | 'lose'): S3Server['fault'] {
  const seen = new Map<string, number>();
  return (method, key, query) => {
    const name = `${method} ${key}?${query}`;
    const count = (seen.get(name) ?? 0) + 1;
    seen.set(name, count);
    return count % 2 === 1 && count < 8 ? fault : undefined;
  };
}

function failsWith(code: string): (error: unknown) => boolean {
  return (error) => error instanceof TributaryError && error.code === code;
}

test('opening leaves nothing behind', async () => {
  const { store } = await open();
  assert.deepEqual(await keysOf(store, ''), []);
});

test('a store that ignores conditions is refused', async () => {
  server.ignoresConditions = true;
  await assert.rejects(open(), failsWith('TRIBUTARY_LAKE_STORE_UNCONDITIONAL'));
  assert.equal(server.objects.size, 0);
});

test('a wrong key is refused at once, with what the store said', async () => {
  const credentials = { ...S3_KEY, secretAccessKey: 'wrong' };
  await assert.rejects(open({ credentials }), (error) => {
    assert.ok(failsWith('TRIBUTARY_LAKE_STORE_REFUSED')(error));
    return /403 SignatureDoesNotMatch/.test((error as Error).message);
  });
});

test('a store that does not answer is told from one that refuses', async () => {
  const endpoint = 'http://127.0.0.1:9';
  await assert.rejects(open({ endpoint }), failsWith('TRIBUTARY_LAKE_STORE_UNREACHABLE'));
});

test('a request is given up after five attempts', async () => {
  const { store } = await open();
  server.fault = () => 'refuse';
  server.log.length = 0;
  await assert.rejects(store.get('ns/a'), failsWith('TRIBUTARY_LAKE_STORE_REFUSED'));
  assert.equal(server.log.length, 5);
});

test('a large file goes up in parts, once, and leaves no upload', async () => {
  const { isStaged, stage, store } = await open();
  for (const bytes of [12, 13, 15, 23]) {
    const content = text('0123456789abcdefghijklmn'.slice(0, bytes));
    const path = await stage(`file-${bytes}`, content);
    server.log.length = 0;
    assert.equal(await store.putFile(`ns/large-${bytes}`, path), 'stored');
    assert.deepEqual(await store.get(`ns/large-${bytes}`), content);
    assert.equal(await isStaged(path), false);
    const puts = server.log.filter((line) => line.startsWith('PUT')).length;
    assert.equal(puts, bytes > 12 ? Math.ceil(bytes / PART_BYTES) : 1);
  }
  const path = await stage('again', text('another content'));
  assert.equal(await store.putFile('ns/large-23', path), 'exists');
  assert.equal(await isStaged(path), true);
  assert.equal(server.uploads.size, 0);
});

test('of two large files for one key one is stored, though answers are lost', async () => {
  const { stage, store } = await open();
  server.fault = everyOther('lose');
  const contents = ['the one writer wrote', 'the other writer did'];
  const results = await Promise.all(
    contents.map(async (content, index) =>
      store.putFile('ns/race', await stage(`race-${index}`, text(content))),
    ),
  );
  assert.deepEqual([...results].sort(), ['exists', 'stored']);
  const winner = contents[results.indexOf('stored')]!;
  assert.deepEqual(await store.get('ns/race'), text(winner));
});

test('an upload that fails for good is aborted, and the file stays', async () => {
  const { isStaged, stage, store } = await open();
  const path = await stage('file', text('more than twelve bytes'));
  server.fault = (method, _key, query) =>
    method === 'PUT' && query.includes('partNumber=2') ? 'refuse' : undefined;
  await assert.rejects(store.putFile('ns/a', path), failsWith('TRIBUTARY_LAKE_STORE_REFUSED'));
  assert.equal(server.uploads.size, 0);
  assert.equal(await isStaged(path), true);
});

test('an error that comes after the status is seen', async () => {
  const { stage, store } = await open();
  await store.put('ns/a', text('a'));
  server.fault = (method) => (method === 'PUT' ? 'late' : undefined);
  await assert.rejects(store.move('ns/a', 'ns/b'), /200 InternalError/);
  assert.ok(await store.head('ns/a'));
  server.fault = (method, _key, query) =>
    method === 'POST' && query.startsWith('uploadId') ? 'late' : undefined;
  const path = await stage('file', text('more than twelve bytes'));
  await assert.rejects(store.putFile('ns/c', path), /200 InternalError/);
});

test('elements are read with their entities', () => {
  const xml = '<A><Key>a&amp;b&#x3D;c&#61;&lt;&unknown;</Key><Key>second</Key></A>';
  assert.equal(textIn(xml, 'Key'), 'a&b=c=<&unknown;');
  assert.equal(textIn(xml, 'Ke'), undefined);
});
