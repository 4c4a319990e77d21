/**
 * AWS Signature Version 4, the verifying side: in the Authorization header, or in a presigned query.
 *
 * The canonical request is built again from what arrived, and its HMAC compared with what was presented.
 *
 * - The path is decoded once and encoded again, as S3 does: engines differ in what they leave unencoded.
 * - The host and every `x-amz-…` header must be signed, or a stolen signature could be given others.
 * - A signature in a header holds for 15 minutes around its time, a presigned one as long as it says.
 *
 * Method: "Create a signed AWS API request" and "Authenticating Requests: Using Query Parameters" of the
 * AWS General Reference and the S3 API reference.
 */

import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { PlainRequest } from '../../base/plain-http.ts';
import { encodePath, encodePercent, parameter, type QueryParameter } from './percent-encoding.ts';
import type { S3ErrorCode } from './s3-answers.ts';

export const SKEW_MS_MAX = 15 * 60 * 1000;
/** Seven days, as S3 has it. */
const PRESIGNED_SECONDS_MAX = 604_800;

const ALGORITHM = 'AWS4-HMAC-SHA256';
/** Credential, SignedHeaders and Signature. */
const HEADER_FIELDS = 3;
const UNSIGNED = 'UNSIGNED-PAYLOAD';
const EMPTY_SHA256 = createHash('sha256').digest('hex');

/** What a request says of its signature; nothing of it is proven. */
export interface PresentedSignature {
  readonly accessKeyId: string;
  /** `20261122/us-east-1/s3/aws4_request`. */
  readonly scope: string;
  /** `20261122T163400Z`. */
  readonly timestamp: string;
  readonly signedHeaders: readonly string[];
  readonly signature: Buffer;
  /** Hash of the body as the client states it; GET and HEAD have none. */
  readonly payloadHash: string;
  readonly sessionToken: string | undefined;
  /** Seconds that a presigned query holds. */
  readonly presignedSeconds: number | undefined;
}

/** A request whose path and query are decoded. */
export interface DecodedRequest {
  readonly request: PlainRequest;
  readonly path: string;
  readonly parameters: readonly QueryParameter[];
}

/** Takes the signature out of a request. @returns the error when there is none or it is malformed. */
export function presentedSignature(decoded: DecodedRequest): PresentedSignature | S3ErrorCode {
  const { parameters, request } = decoded;
  if (parameter(parameters, 'X-Amz-Signature') !== undefined) return signatureOfQuery(decoded);
  const authorization = request.headers['authorization'];
  return authorization === undefined ? 'AccessDenied' : signatureOfHeader(request, authorization);
}

/** Whether the request was signed by `secret`, in constant time. */
export function isSignedBy(
  decoded: DecodedRequest,
  presented: PresentedSignature,
  secret: string,
): boolean {
  const text = [
    ALGORITHM,
    presented.timestamp,
    presented.scope,
    createHash('sha256').update(canonicalRequest(decoded, presented)).digest('hex'),
  ].join('\n');
  let key: Buffer = Buffer.from(`AWS4${secret}`);
  for (const part of presented.scope.split('/')) key = hmac(key, part);
  return timingSafeEqual(hmac(key, text), presented.signature);
}

/** Whether the signature's time has come and not gone. */
export function timeProblem(presented: PresentedSignature, nowMs: number): S3ErrorCode | undefined {
  const signedMs = millisecondsOf(presented.timestamp);
  if (signedMs - nowMs > SKEW_MS_MAX) return 'RequestTimeTooSkewed';
  const { presignedSeconds } = presented;
  if (presignedSeconds === undefined) {
    return nowMs - signedMs > SKEW_MS_MAX ? 'RequestTimeTooSkewed' : undefined;
  }
  return nowMs >= signedMs + presignedSeconds * 1000 ? 'AccessDenied' : undefined;
}

function signatureOfHeader(
  request: PlainRequest,
  authorization: string,
): PresentedSignature | S3ErrorCode {
  if (!authorization.startsWith(`${ALGORITHM} `)) return 'AuthorizationHeaderMalformed';
  const parts = authorization.slice(ALGORITHM.length).split(',');
  if (parts.length !== HEADER_FIELDS) return 'AuthorizationHeaderMalformed';
  const fields = new Map(parts.map((part) => splitOnce(part.trim(), '=')));
  const { headers } = request;
  const presented = checked({
    credential: fields.get('Credential'),
    timestamp: headers['x-amz-date'],
    signedHeaders: fields.get('SignedHeaders'),
    signature: fields.get('Signature'),
    payloadHash: headers['x-amz-content-sha256'] ?? EMPTY_SHA256,
    sessionToken: headers['x-amz-security-token'],
    presignedSeconds: undefined,
  });
  if (presented === undefined) return 'AuthorizationHeaderMalformed';
  return areNecessarySigned(request, presented) ? presented : 'AccessDenied';
}

function signatureOfQuery({
  parameters,
  request,
}: DecodedRequest): PresentedSignature | S3ErrorCode {
  const read = (name: string): string | undefined => parameter(parameters, `X-Amz-${name}`);
  const seconds = read('Expires') ?? '';
  const presignedSeconds = /^\d{1,6}$/.test(seconds) ? Number(seconds) : 0;
  const isTime = presignedSeconds >= 1 && presignedSeconds <= PRESIGNED_SECONDS_MAX;
  if (read('Algorithm') !== ALGORITHM || !isTime) return 'AuthorizationQueryParametersError';
  const presented = checked({
    credential: read('Credential'),
    timestamp: read('Date'),
    signedHeaders: read('SignedHeaders'),
    signature: read('Signature'),
    payloadHash: request.headers['x-amz-content-sha256'] ?? UNSIGNED,
    sessionToken: read('Security-Token'),
    presignedSeconds,
  });
  if (presented === undefined) return 'AuthorizationQueryParametersError';
  return areNecessarySigned(request, presented) ? presented : 'AccessDenied';
}

interface WrittenSignature {
  readonly credential: string | undefined;
  readonly timestamp: string | undefined;
  readonly signedHeaders: string | undefined;
  readonly signature: string | undefined;
  readonly payloadHash: string;
  readonly sessionToken: string | undefined;
  readonly presignedSeconds: number | undefined;
}

/** @returns undefined when a part is missing or has not its form. */
function checked(written: WrittenSignature): PresentedSignature | undefined {
  const [accessKeyId, scope] = splitOnce(written.credential ?? '', '/');
  const { payloadHash, presignedSeconds, sessionToken, signature, timestamp = '' } = written;
  const [, date] = /^(\d{8})T\d{6}Z$/.exec(timestamp) ?? [];
  if (date === undefined || Number.isNaN(millisecondsOf(timestamp))) return undefined;
  if (!scope.startsWith(`${date}/`) || !/^\d{8}\/[\w-]+\/s3\/aws4_request$/.test(scope)) {
    return undefined;
  }
  if (!/^[0-9a-f]{64}$/.test(signature ?? '')) return undefined;
  return {
    accessKeyId,
    scope,
    timestamp,
    signedHeaders: (written.signedHeaders ?? '').split(';'),
    signature: Buffer.from(signature ?? '', 'hex'),
    payloadHash,
    sessionToken,
    presignedSeconds,
  };
}

function areNecessarySigned({ headers }: PlainRequest, presented: PresentedSignature): boolean {
  const signed = new Set(presented.signedHeaders);
  return Object.keys(headers).every((name) => {
    const isNecessary = name === 'host' || name.startsWith('x-amz-');
    return !isNecessary || signed.has(name);
  });
}

function canonicalRequest(decoded: DecodedRequest, presented: PresentedSignature): string {
  const { parameters, path, request } = decoded;
  const query = parameters
    .filter(([name]) => name !== 'X-Amz-Signature')
    .map(([name, value]) => [encodePercent(name), encodePercent(value)] as const)
    .sort((left, right) => compare(left[0], right[0]) || compare(left[1], right[1]))
    .map((pair) => pair.join('='))
    .join('&');
  const headers = presented.signedHeaders.map(
    (name) => `${name}:${(request.headers[name] ?? '').trim().replace(/ +/g, ' ')}\n`,
  );
  return [
    request.method,
    encodePath(path),
    query,
    headers.join(''),
    presented.signedHeaders.join(';'),
    presented.payloadHash,
  ].join('\n');
}

/** NaN for a time that there is not. */
function millisecondsOf(timestamp: string): number {
  return Date.parse(
    timestamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'),
  );
}

function splitOnce(text: string, separator: string): [before: string, after: string] {
  const position = text.indexOf(separator);
  return position < 0 ? [text, ''] : [text.slice(0, position), text.slice(position + 1)];
}

function compare(left: string, right: string): number {
  if (left === right) return 0;
  return left < right ? -1 : 1;
}

function hmac(key: Uint8Array, text: string): Buffer {
  return createHmac('sha256', key).update(text).digest();
}
