/**
 * The read-only S3 facade: engines that attach the catalog read the lake's files through it.
 *
 * It speaks as much of S3 as Iceberg readers use: GET and HEAD of an object with ranges and conditions,
 * ListObjectsV2, HEAD and location of the bucket. Requests are signed with keys that the catalog vended.
 *
 * - Nothing is read before the signature has proven the key, and nothing outside of the key's prefix.
 * - A key of the bucket is a relative path without empty, `.` or `..` parts; any other is not looked for.
 * - An ETag never looks like an MD5: some clients would check the body against it.
 */

import { createHash } from 'node:crypto';
import type { Clock } from '../../base/clock.ts';
import type { PlainAnswer, PlainRequest } from '../../base/plain-http.ts';
import { SECOND_MICROS } from '../../base/units.ts';
import type { ObjectInfo } from '../../storage/lake/object-store.ts';
import { parseRange } from './byte-range.ts';
import { decodePercent, parameter, parseQuery } from './percent-encoding.ts';
import type { LakeAccess, ObjectReader } from './ports.ts';
import { element, type S3ErrorCode, s3Error, xml } from './s3-answers.ts';
import { listPage, listXml, parseListRequest } from './s3-listing.ts';
import { type DecodedRequest, isSignedBy, presentedSignature, timeProblem } from './sigv4.ts';
import { claimOf, isInScope, isSessionToken, type KeyClaim, secretOf } from './vended-keys.ts';

const NOTHING = new Uint8Array();

export interface S3FacadeOptions {
  readonly bucket: string;
  readonly access: LakeAccess;
  readonly objects: ObjectReader;
  readonly clock: Clock;
}

export class S3Facade {
  readonly #options: S3FacadeOptions;

  constructor(options: S3FacadeOptions) {
    this.#options = options;
  }

  async answer(request: PlainRequest): Promise<PlainAnswer> {
    const path = decodePercent(request.path);
    const parameters = parseQuery(request.query);
    if (path === undefined || parameters === undefined) return s3Error('InvalidURI', request.path);
    const decoded = { request, path, parameters };
    const claim = this.#authenticate(decoded);
    if (typeof claim === 'string') return s3Error(claim, request.path);
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      return s3Error('MethodNotAllowed', request.path, { Allow: 'GET, HEAD' });
    }
    const [bucket, key] = bucketAndKey(path);
    if (bucket !== this.#options.bucket) return s3Error('NoSuchBucket', request.path);
    return key === '' ? this.#bucket(decoded, claim) : this.#object(request, key, claim);
  }

  /** The claim of the key that signed the request, proven; or the error. */
  #authenticate(decoded: DecodedRequest): KeyClaim | S3ErrorCode {
    const { access, clock } = this.#options;
    const presented = presentedSignature(decoded);
    if (typeof presented === 'string') return presented;
    const { accessKeyId, sessionToken } = presented;
    const claim = claimOf(accessKeyId);
    const principal = claim && access.principal(claim.tokenId);
    if (claim === undefined || principal === undefined) return 'InvalidAccessKeyId';
    const signingKey = access.signingKey(principal.tenantId);
    if (!isSignedBy(decoded, presented, secretOf(signingKey, accessKeyId))) {
      return 'SignatureDoesNotMatch';
    }
    if (sessionToken !== undefined && !isSessionToken(signingKey, accessKeyId, sessionToken)) {
      return 'InvalidToken';
    }
    const nowMicros = clock.nowMicros();
    if (claim.expiresAtSeconds * SECOND_MICROS <= nowMicros) return 'ExpiredToken';
    return timeProblem(presented, nowMicros / 1000) ?? claim;
  }

  async #bucket(
    { parameters, request }: DecodedRequest,
    { scope }: KeyClaim,
  ): Promise<PlainAnswer> {
    if (parameter(parameters, 'location') !== undefined) {
      return xml(200, element('LocationConstraint', [], XMLNS));
    }
    if (request.method === 'HEAD') return { status: 200, headers: {}, body: NOTHING };
    if (parameter(parameters, 'list-type') !== '2') return s3Error('NotImplemented', request.path);
    const list = parseListRequest(parameters);
    if (list === undefined) return s3Error('InvalidArgument', request.path);
    if (!isInScope(`${list.prefix}/`, scope)) return s3Error('AccessDenied', request.path);
    const { bucket, objects } = this.#options;
    const page = await listPage(objects, list, (key) => isInScope(key, scope));
    return xml(200, listXml(bucket, list, page, etagOf));
  }

  async #object(request: PlainRequest, key: string, { scope }: KeyClaim): Promise<PlainAnswer> {
    if (!isInScope(key, scope)) return s3Error('AccessDenied', request.path);
    const { objects } = this.#options;
    const entry = isPlainKey(key) ? await objects.head(key) : undefined;
    if (entry === undefined) return s3Error('NoSuchKey', request.path);
    const etag = etagOf(entry);
    const headers = {
      'Accept-Ranges': 'bytes',
      'Content-Type': 'binary/octet-stream',
      'Last-Modified': new Date(entry.modifiedMicros / 1000).toUTCString(),
      ETag: etag,
    };
    const { 'if-match': ifMatch, 'if-none-match': ifNoneMatch, range: header } = request.headers;
    if (ifMatch !== undefined && !names(ifMatch, etag)) {
      return s3Error('PreconditionFailed', request.path);
    }
    if (ifNoneMatch !== undefined && names(ifNoneMatch, etag)) {
      return { status: 304, headers: { ETag: etag }, body: NOTHING };
    }
    const range = parseRange(header, entry.bytes);
    if (range === 'unsatisfiable') {
      return s3Error('InvalidRange', request.path, { 'Content-Range': `bytes */${entry.bytes}` });
    }
    const { offset, length } = range === 'whole' ? { offset: 0, length: entry.bytes } : range;
    const body = {
      length,
      read: (start: number, count: number) =>
        objects.get(key, { start: offset + start, end: offset + start + count }),
    };
    if (range === 'whole') return { status: 200, headers, body };
    const contentRange = `bytes ${offset}-${offset + length - 1}/${entry.bytes}`;
    return { status: 206, headers: { ...headers, 'Content-Range': contentRange }, body };
  }
}

const XMLNS = 'http://s3.amazonaws.com/doc/2006-03-01/';

/** `/bucket/a/b` is `bucket` and `a/b`. */
function bucketAndKey(path: string): [bucket: string, key: string] {
  const slash = path.indexOf('/', 1);
  return slash < 0 ? [path.slice(1), ''] : [path.slice(1, slash), path.slice(slash + 1)];
}

function isPlainKey(key: string): boolean {
  if (/[\p{Cc}\\]/u.test(key)) return false;
  return key.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
}

/** With its quotes. Objects are never written again, so key, size and time name the content. */
function etagOf({ bytes, key, modifiedMicros }: ObjectInfo): string {
  const hash = createHash('sha256').update(`${key}\n${bytes}\n${modifiedMicros}`).digest('hex');
  return `"${hash.slice(0, 32)}-1"`;
}

/** Whether a list of ETags, or `*`, names this one. */
function names(list: string, etag: string): boolean {
  return list.split(',').some((item) => [etag, '*', etag.slice(1, -1)].includes(item.trim()));
}
