import assert from 'node:assert/strict';
import { before, test } from 'node:test';
import fc from 'fast-check';
import type { ByteSource, PlainAnswer } from '../../base/plain-http.ts';
import { BUCKET, LakeFixture, TABLE_PREFIX, textOf } from './lake-fixture.ts';

const KEY = `${TABLE_PREFIX}data/day=2026-11-22/a.parquet`;
const OBJECT = `/${BUCKET}/${KEY}`;
const CONTENT = '0123456789';
const OTHER = 'tenant_two/events-ffffffff/data/secret.parquet';

let lake: LakeFixture;
before(async () => {
  lake = await LakeFixture.open();
  lake.put(KEY, CONTENT);
  lake.put(`${TABLE_PREFIX}data/empty`, '');
  lake.put(`${TABLE_PREFIX}data/a b+c&é.txt`, 'odd');
  lake.put(OTHER, 'classified');
  lake.put('tenant_one/events-0123abcdx/data/near.parquet', 'near');
});

async function codeOf(answer: PlainAnswer): Promise<string> {
  const [, code] = /<Code>(\w+)<\/Code>/.exec(await textOf(answer)) ?? [];
  return `${answer.status} ${code}`;
}

test('an object is read with the headers that readers rely on', async () => {
  const answer = await lake.fetch(OBJECT);
  assert.equal(answer.status, 200);
  assert.equal(await textOf(answer), CONTENT);
  assert.equal(answer.headers['Accept-Ranges'], 'bytes');
  assert.equal(answer.headers['Last-Modified'], 'Tue, 14 Nov 2023 22:13:20 GMT');
  assert.match(answer.headers['ETag'] ?? '', /^"[0-9a-f]{32}-1"$/);
  const head = await lake.fetch(OBJECT, { method: 'HEAD' });
  assert.equal((head.body as ByteSource).length, CONTENT.length);
  assert.deepEqual(head.headers, answer.headers);
});

test('one range is served as S3 serves it', async () => {
  for (const [range, status, content] of [
    ['bytes=0-3', 206, '0123'],
    ['bytes=4-', 206, '456789'],
    ['bytes=-3', 206, '789'],
    ['bytes=-100', 206, CONTENT],
    ['bytes=8-100', 206, '89'],
    ['bytes=9-9', 206, '9'],
    ['bytes=5-4', 200, CONTENT],
    ['bytes=0-1,3-4', 200, CONTENT],
    ['items=0-1', 200, CONTENT],
    ['bytes=-', 200, CONTENT],
  ] as const) {
    const answer = await lake.fetch(OBJECT, { headers: { range } });
    assert.equal(answer.status, status, range);
    assert.equal(await textOf(answer), content, range);
  }
  const answer = await lake.fetch(OBJECT, { headers: { range: 'bytes=-3' } });
  assert.equal(answer.headers['Content-Range'], 'bytes 7-9/10');
});

test('a range behind the end is not satisfiable', async () => {
  for (const [path, range] of [
    [OBJECT, 'bytes=10-'],
    [OBJECT, 'bytes=-0'],
    [`/${BUCKET}/${TABLE_PREFIX}data/empty`, 'bytes=0-0'],
  ] as const) {
    const answer = await lake.fetch(path, { headers: { range } });
    assert.equal(await codeOf(answer), '416 InvalidRange', range);
    assert.match(answer.headers['Content-Range'] ?? '', /^bytes \*\/\d+$/);
  }
});

test('conditions are honoured', async () => {
  const etag = (await lake.fetch(OBJECT)).headers['ETag'] ?? '';
  const status = async (name: string, value: string) =>
    (await lake.fetch(OBJECT, { headers: { [name]: value } })).status;
  assert.equal(await status('if-none-match', etag), 304);
  assert.equal(await status('if-none-match', '"other"'), 200);
  assert.equal(await status('if-match', `"other", ${etag}`), 200);
  assert.equal(await status('if-match', '"other"'), 412);
});

test('a key of odd characters is the same key to signer and facade', async () => {
  const name = encodeURIComponent('a b+c&é.txt');
  const answer = await lake.fetch(`/${BUCKET}/${TABLE_PREFIX}data/${name}`);
  assert.equal(await textOf(answer), 'odd');
});

test('a presigned query reads without headers', async () => {
  const request = await lake.signed(OBJECT, { presign: true });
  assert.equal(request.headers['authorization'], undefined);
  assert.equal(await textOf(await lake.facade.answer(request)), CONTENT);
});

test('a key of the facade opens one table and nothing beside it', async () => {
  for (const key of [OTHER, 'tenant_one/events-0123abcdx/data/near.parquet', 'tenant_one/x']) {
    assert.equal(await codeOf(await lake.fetch(`/${BUCKET}/${key}`)), '403 AccessDenied', key);
  }
  const missing = await lake.fetch(`/${BUCKET}/${TABLE_PREFIX}data/missing`);
  assert.equal(await codeOf(missing), '404 NoSuchKey');
  assert.equal(await codeOf(await lake.fetch(`/other-bucket/${KEY}`)), '404 NoSuchBucket');
});

test('a path that climbs is not looked for, however it is encoded', async () => {
  const climbing = [
    `${TABLE_PREFIX}../../${OTHER}`,
    `${TABLE_PREFIX}%2e%2e/%2e%2e/${OTHER}`,
    `${TABLE_PREFIX}..%2F..%2F${OTHER.replaceAll('/', '%2F')}`,
    `${TABLE_PREFIX}%252e%252e/${OTHER}`,
    `${TABLE_PREFIX}./a`,
    `${TABLE_PREFIX}/a`,
    `${TABLE_PREFIX}a%00`,
    `${TABLE_PREFIX}a%5C..%5Cb`,
  ];
  const looked: string[] = [];
  const { has } = lake.objects;
  lake.objects.has = (key) => {
    looked.push(key);
    return has.call(lake.objects, key);
  };
  try {
    for (const key of climbing) {
      const path = `/${BUCKET}/${key}`;
      const answer = await lake.facade.answer(await signedAsIs(path));
      assert.ok([403, 404].includes(answer.status), `${path}: ${answer.status}`);
      assert.ok(!(await textOf(answer)).includes('classified'));
    }
  } finally {
    lake.objects.has = has;
  }
  assert.deepEqual(
    looked,
    [`${TABLE_PREFIX}%2e%2e/${OTHER}`],
    'only what no directory is climbed by',
  );
});

/** Signs a path that URL parsers would tidy up, by hand. */
async function signedAsIs(path: string) {
  const { createHash, createHmac } = await import('node:crypto');
  const { decodePercent, encodePath } = await import('../../query/lake/percent-encoding.ts');
  const config = await lake.vended();
  const timestamp = new Date(lake.nowMs).toISOString().replace(/[:-]|\.\d{3}/g, '');
  const scope = `${timestamp.slice(0, 8)}/us-east-1/s3/aws4_request`;
  const headers = {
    host: 'h',
    'x-amz-content-sha256': 'UNSIGNED-PAYLOAD',
    'x-amz-date': timestamp,
  };
  const signed = Object.keys(headers).join(';');
  const lines = Object.entries(headers).map(([name, value]) => `${name}:${value}\n`);
  const canonical = ['GET', encodePath(decodePercent(path)!), '', lines.join(''), signed];
  const hash = createHash('sha256')
    .update([...canonical, 'UNSIGNED-PAYLOAD'].join('\n'))
    .digest('hex');
  let key: Buffer = Buffer.from(`AWS4${config['s3.secret-access-key']}`);
  for (const part of scope.split('/')) key = createHmac('sha256', key).update(part).digest();
  const signature = createHmac('sha256', key)
    .update(['AWS4-HMAC-SHA256', timestamp, scope, hash].join('\n'))
    .digest('hex');
  const credential = `${config['s3.access-key-id']}/${scope}`;
  const authorization = `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${signed}, Signature=${signature}`;
  return {
    method: 'GET',
    path,
    query: '',
    headers: { ...headers, authorization },
    body: new Uint8Array(),
    origin: '',
  };
}

test('what proves nothing reads nothing', async () => {
  const request = await lake.signed(OBJECT);
  const refused = async (headers: Record<string, string>) =>
    codeOf(await lake.facade.answer({ ...request, headers: { ...request.headers, ...headers } }));
  const authorization = request.headers['authorization'] ?? '';
  const flipped = authorization.replace(/.$/, (digit) => (digit === '0' ? '1' : '0'));
  assert.equal(await refused({ authorization: flipped }), '403 SignatureDoesNotMatch');
  const stranger = authorization.replace(/TRIB\w{8}/, 'TRIB00000000');
  assert.equal(await refused({ authorization: stranger }), '403 InvalidAccessKeyId');
  const foreign = authorization.replace(/TRIB\w+/, 'AKIAIOSFODNN7EXAMPLE');
  assert.equal(await refused({ authorization: foreign }), '403 InvalidAccessKeyId');
  const later = authorization.replace(/(TRIB\w{24})\w{8}/, '$1FFFFFFFF');
  assert.equal(await refused({ authorization: later }), '403 SignatureDoesNotMatch');
  assert.equal(await refused({ 'x-amz-security-token': 'x' }), '403 SignatureDoesNotMatch');
  assert.equal(
    await codeOf(await lake.facade.answer({ ...request, headers: {} })),
    '403 AccessDenied',
  );
  assert.equal(
    await codeOf(await lake.facade.answer({ ...request, path: '/%ff' })),
    '400 InvalidURI',
  );
});

test('nothing is written through the facade', async () => {
  for (const method of ['PUT', 'POST', 'DELETE']) {
    const answer = await lake.fetch(OBJECT, { method });
    assert.equal(await codeOf(answer), '405 MethodNotAllowed', method);
  }
});

test('a key is over after an hour, and a signature after a quarter', async () => {
  const startMs = lake.nowMs;
  try {
    const request = await lake.signed(OBJECT);
    const presigned = await lake.signed(OBJECT, { presign: true });
    const at = async (ms: number, asked = request) => {
      lake.nowMs = startMs + ms;
      return (await lake.facade.answer(asked)).status;
    };
    assert.equal(await at(900_000), 200);
    assert.equal(await at(900_001), 403);
    assert.equal(await at(3_599_999, presigned), 200);
    assert.equal(await at(3_600_000, presigned), 400);
  } finally {
    lake.nowMs = startMs;
  }
});

test('a revoked token takes its keys with it', async () => {
  const other = await LakeFixture.open();
  other.put(KEY, CONTENT);
  const request = await other.signed(OBJECT);
  assert.equal((await other.facade.answer(request)).status, 200);
  await other.control.revokeLakeToken(other.tenantId, other.tokenId);
  assert.equal(await codeOf(await other.facade.answer(request)), '403 InvalidAccessKeyId');
});

test('the bucket answers what clients ask before they read', async () => {
  assert.equal((await lake.fetch(`/${BUCKET}`, { method: 'HEAD' })).status, 200);
  assert.match(await textOf(await lake.fetch(`/${BUCKET}?location`)), /<LocationConstraint/);
  assert.equal(await codeOf(await lake.fetch(`/${BUCKET}/`)), '501 NotImplemented');
});

async function list(parameters: Record<string, string>): Promise<string> {
  const query = new URLSearchParams({ 'list-type': '2', ...parameters });
  return textOf(await lake.fetch(`/${BUCKET}/?${query.toString().replaceAll('+', '%20')}`));
}

function all(xml: string, name: string): string[] {
  return [...xml.matchAll(new RegExp(`<${name}>([^<]*)</${name}>`, 'g'))].map(([, text]) => text!);
}

test('a listing shows the table and nothing else', async () => {
  const xml = await list({ prefix: TABLE_PREFIX });
  assert.deepEqual(all(xml, 'Key').length, 3);
  assert.equal(all(xml, 'IsTruncated')[0], 'false');
  assert.ok(all(xml, 'Key').includes(`${TABLE_PREFIX}data/a b+c&amp;é.txt`));
  const encoded = await list({ prefix: TABLE_PREFIX, 'encoding-type': 'url' });
  assert.ok(all(encoded, 'Key').includes(`${TABLE_PREFIX}data/a%20b%2Bc%26%C3%A9.txt`));
  const near = await list({ prefix: TABLE_PREFIX.slice(0, -1) });
  assert.ok(!near.includes('near.parquet'));
  for (const prefix of ['', 'tenant_one/', 'tenant_one/events-0123abc', 'tenant_two/']) {
    assert.match(await list({ prefix }), /AccessDenied/, prefix);
  }
  for (const wrong of [
    { 'max-keys': '-1' },
    { 'encoding-type': 'x' },
    { 'continuation-token': '?' },
  ]) {
    assert.match(await list({ prefix: TABLE_PREFIX, ...wrong }), /InvalidArgument/);
  }
  assert.equal(all(await list({ prefix: TABLE_PREFIX, 'max-keys': '0' }), 'Key').length, 0);
});

test('pages put together are the listing, for any keys, page size and delimiter', async () => {
  const part = fc.stringMatching(/^[a-c]{1,2}$/);
  const name = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join('/'));
  await fc.assert(
    fc.asyncProperty(
      fc.uniqueArray(name, { maxLength: 12 }),
      fc.integer({ min: 1, max: 4 }),
      fc.constantFrom('', '/', 'b'),
      async (keys, size, delimiter) => {
        const before = [...lake.objects.keys()];
        const prefix = `${TABLE_PREFIX}list/`;
        for (const key of keys) lake.put(prefix + key, 'x');
        try {
          const whole = rolledUp(keys, delimiter);
          const found: string[] = [];
          let token = '';
          do {
            const xml = await list({
              prefix,
              delimiter,
              'max-keys': String(size),
              ...(token !== '' && { 'continuation-token': token }),
            });
            const prefixes = all(xml, 'Prefix').slice(1);
            const page = [...all(xml, 'Key'), ...prefixes].sort();
            assert.equal(Number(all(xml, 'KeyCount')[0]), page.length);
            assert.ok(page.length <= size);
            found.push(...page.map((item) => item.slice(prefix.length)));
            token = all(xml, 'NextContinuationToken')[0] ?? '';
          } while (token !== '');
          assert.deepEqual(found, whole);
        } finally {
          for (const key of lake.objects.keys())
            if (!before.includes(key)) lake.objects.delete(key);
        }
      },
    ),
    { numRuns: 100, verbose: 1 },
  );
});

/** The listing as one sees it: each key, or what comes before and with its first delimiter. */
function rolledUp(keys: readonly string[], delimiter: string): string[] {
  const names = keys.map((key) => {
    const end = delimiter === '' ? -1 : key.indexOf(delimiter);
    return end < 0 ? key : key.slice(0, end + delimiter.length);
  });
  return [...new Set(names)].sort();
}

test('a request that was changed anywhere reads nothing', async () => {
  const request = await lake.signed(`${OBJECT}?x=1`);
  const parts: readonly (readonly [string, string])[] = [
    ['path', request.path],
    ['query', request.query],
    ...Object.entries(request.headers),
  ];
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...parts),
      fc.nat(),
      fc.stringMatching(/^[0-9A-Za-z/=,;%.-]$/),
      async ([name, value], position, character) => {
        const at = position % value.length;
        if (value[at] === character) return;
        const changed = value.slice(0, at) + character + value.slice(at + 1);
        const answer = await lake.facade.answer(
          name === 'path' || name === 'query'
            ? { ...request, [name]: changed }
            : { ...request, headers: { ...request.headers, [name]: changed } },
        );
        assert.ok(answer.status >= 400, `${name}: ${changed}`);
      },
    ),
    { numRuns: 500, verbose: 1 },
  );
  const authorization = request.headers['authorization']!.replace(', ', ',,');
  const answer = await lake.facade.answer({
    ...request,
    headers: { ...request.headers, authorization },
  });
  assert.equal(answer.status, 400);
});
