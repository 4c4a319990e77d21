import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import type { PlainRequest } from '../../base/plain-http.ts';
import { decodePercent, parseQuery } from '../../query/lake/percent-encoding.ts';
import {
  isSignedBy,
  type PresentedSignature,
  presentedSignature,
  SKEW_MS_MAX,
  timeProblem,
} from '../../query/lake/sigv4.ts';

/** The examples of "Authenticating Requests" in Amazon's S3 API reference. */
const SECRET = 'wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY';
const CREDENTIAL = 'AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request';
const HOST = 'examplebucket.s3.amazonaws.com';
const EMPTY = createHash('sha256').digest('hex');
const NOW = Date.parse('2013-05-24T00:00:00Z');

function decoded(path: string, query: string, headers: Record<string, string>) {
  const request: PlainRequest = {
    method: 'GET',
    path,
    query,
    headers,
    body: new Uint8Array(),
    origin: '',
  };
  return { request, path: decodePercent(path)!, parameters: parseQuery(query)! };
}

function inHeader(signature: string, signedHeaders: string, more: Record<string, string> = {}) {
  return {
    host: HOST,
    'x-amz-content-sha256': EMPTY,
    'x-amz-date': '20130524T000000Z',
    authorization: `AWS4-HMAC-SHA256 Credential=${CREDENTIAL},SignedHeaders=${signedHeaders},Signature=${signature}`,
    ...more,
  };
}

function verify(request: ReturnType<typeof decoded>, secret = SECRET): boolean {
  const presented = presentedSignature(request);
  assert.notEqual(typeof presented, 'string', String(presented));
  return isSignedBy(request, presented as PresentedSignature, secret);
}

const RANGED = inHeader(
  'f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41',
  'host;range;x-amz-content-sha256;x-amz-date',
  { range: 'bytes=0-9' },
);
const PRESIGNED =
  'X-Amz-Algorithm=AWS4-HMAC-SHA256' +
  `&X-Amz-Credential=${encodeURIComponent(CREDENTIAL)}` +
  '&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host' +
  '&X-Amz-Signature=aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404';

test("Amazon's example of a GET with a range verifies", () => {
  assert.ok(verify(decoded('/test.txt', '', RANGED)));
});

test("Amazon's example of a listing verifies, whatever the order of its parameters", () => {
  const headers = inHeader(
    '34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7',
    'host;x-amz-content-sha256;x-amz-date',
  );
  assert.ok(verify(decoded('/', 'max-keys=2&prefix=J', headers)));
  assert.ok(verify(decoded('/', 'prefix=J&max-keys=2', headers)));
  assert.equal(verify(decoded('/', 'prefix=K&max-keys=2', headers)), false);
});

test("Amazon's example of a parameter without a value verifies", () => {
  const signature = 'fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543';
  const headers = inHeader(signature, 'host;x-amz-content-sha256;x-amz-date');
  assert.ok(verify(decoded('/', 'lifecycle', headers)));
  assert.ok(verify(decoded('/', 'lifecycle=', headers)));
});

test("Amazon's example of a presigned query verifies", () => {
  assert.ok(verify(decoded('/test.txt', PRESIGNED, { host: HOST })));
});

test('anything that was changed after signing breaks the signature', () => {
  assert.equal(verify(decoded('/test.txt', '', RANGED), `${SECRET}x`), false);
  assert.equal(verify(decoded('/other.txt', '', RANGED)), false);
  assert.equal(verify(decoded('/test.txt', 'a=b', RANGED)), false);
  assert.equal(verify(decoded('/test.txt', '', { ...RANGED, range: 'bytes=0-10' })), false);
  assert.equal(verify(decoded('/test.txt', '', { ...RANGED, host: 'other' })), false);
  assert.equal(verify(decoded('/test.txt', `${PRESIGNED}&x=1`, { host: HOST })), false);
});

test('a path that is encoded otherwise than the signer did is the same path', () => {
  assert.ok(verify(decoded('/%74est.txt', '', RANGED)));
  assert.equal(verify(decoded('/%2574est.txt', '', RANGED)), false);
});

test('a request without a signature, or with half of one, is told apart', () => {
  const refused = (query: string, headers: Record<string, string>) =>
    presentedSignature(decoded('/', query, headers));
  assert.equal(refused('', { host: HOST }), 'AccessDenied');
  const malformed = 'AuthorizationHeaderMalformed';
  assert.equal(refused('', { host: HOST, authorization: 'Bearer x' }), malformed);
  assert.equal(refused('', { ...RANGED, 'x-amz-date': 'yesterday' }), malformed);
  assert.equal(refused('', { ...RANGED, 'x-amz-date': '20130525T000000Z' }), malformed);
  assert.equal(refused('', { ...RANGED, 'x-amz-date': '20131399T000000Z' }), malformed);
  const { authorization } = RANGED;
  for (const [from, to] of [
    ['Signature=f0', 'Signature=zz'],
    ['/s3/', '/ec2/'],
    ['AWS4-HMAC-SHA256', 'AWS4-HMAC-SHA1'],
  ] as const) {
    const changed = authorization.replace(from, to);
    assert.equal(refused('', { ...RANGED, authorization: changed }), malformed, to);
  }
  const query = 'AuthorizationQueryParametersError';
  for (const seconds of ['0', '604801', '-1', '1.5', '']) {
    const changed = PRESIGNED.replace('Expires=86400', `Expires=${seconds}`);
    assert.equal(refused(changed, { host: HOST }), query, seconds);
  }
});

test('the host and every x-amz header must be signed', () => {
  const extra = { ...RANGED, 'x-amz-meta-note': 'not signed' };
  assert.equal(presentedSignature(decoded('/test.txt', '', extra)), 'AccessDenied');
  const { authorization } = RANGED;
  const headless = { ...RANGED, authorization: authorization.replace('host;', '') };
  assert.equal(presentedSignature(decoded('/test.txt', '', headless)), 'AccessDenied');
});

test('a signature holds a quarter of an hour around its time, to the millisecond', () => {
  const presented = presentedSignature(decoded('/test.txt', '', RANGED)) as PresentedSignature;
  for (const [offset, problem] of [
    [0, undefined],
    [SKEW_MS_MAX, undefined],
    [-SKEW_MS_MAX, undefined],
    [SKEW_MS_MAX + 1, 'RequestTimeTooSkewed'],
    [-SKEW_MS_MAX - 1, 'RequestTimeTooSkewed'],
  ] as const) {
    assert.equal(timeProblem(presented, NOW + offset), problem, String(offset));
  }
});

test('a presigned query holds as long as it says', () => {
  const presented = presentedSignature(
    decoded('/test.txt', PRESIGNED, { host: HOST }),
  ) as PresentedSignature;
  assert.equal(timeProblem(presented, NOW + 86_400_000 - 1), undefined);
  assert.equal(timeProblem(presented, NOW + 86_400_000), 'AccessDenied');
  assert.equal(timeProblem(presented, NOW - SKEW_MS_MAX - 1), 'RequestTimeTooSkewed');
});
