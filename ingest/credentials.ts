/**
 * Which key a request presents. Producers differ, so four places are read, in this order: the
 * `Authorization` header, `X-Write-Key`, `writeKey` in the body, `?writeKey=`. A header wins over the
 * body because one SDK masks the key it puts into the body.
 *
 * A key may have two parts, `id:secret`. What is presented is tried as a whole, and then without what
 * follows its first colon, as clients put all sorts of things into Basic's password.
 *
 * RFC 7617 (Basic), RFC 6750 (Bearer). Segment's SDKs send the key as the user name of Basic, with an
 * empty password; some leave the colon out.
 */
import { TributaryError } from '../base/errors.ts';
import type { AdminPrincipal, WritePrincipal } from '../engine/control.ts';
import type { Authenticator } from './ports.ts';
import { requireTaken } from './query-parameters.ts';
import type { HttpRequest } from './uws.ts';

/** Whom a presented key lets in; undefined when it is not known, whole or by its first part. */
export function authenticateWriteKey(
  authenticator: Authenticator,
  key: string,
): WritePrincipal | undefined {
  const principal = authenticator.authenticateWrite(key);
  const colon = key.indexOf(':');
  if (principal !== undefined || colon <= 0) return principal;
  return authenticator.authenticateWrite(key.slice(0, colon));
}

/**
 * Whom the admin key of a request lets in.
 * @param taken the query parameters that the route takes.
 * @throws TributaryError TRIBUTARY_ACCESS_KEY_MISSING or _KEY_UNKNOWN; then as {@link requireTaken}
 */
export function authenticateAdmin(
  authenticator: Authenticator,
  request: HttpRequest,
  taken: readonly string[],
): AdminPrincipal {
  const key = keyOfAuthorization(request.getHeader('authorization'));
  if (key === undefined) {
    throw new TributaryError('TRIBUTARY_ACCESS_KEY_MISSING', { kind: 'admin' });
  }
  const principal = authenticator.authenticateAdmin(key);
  if (principal === undefined) {
    throw new TributaryError('TRIBUTARY_ACCESS_KEY_UNKNOWN', { kind: 'admin' });
  }
  requireTaken(request, taken);
  return principal;
}

/**
 * The key in an `Authorization` header.
 * @returns undefined when the header is empty or of a scheme or form that carries none.
 */
export function keyOfAuthorization(header: string): string | undefined {
  const space = header.indexOf(' ');
  if (space < 0) return undefined;
  const scheme = header.slice(0, space).toLowerCase();
  const value = header.slice(space + 1).trim();
  if (value === '') return undefined;
  if (scheme === 'bearer') return value;
  return scheme === 'basic' ? keyOfBasic(value) : undefined;
}

/** `key:` and `key` are the key; `user:password` is a key of two parts. */
function keyOfBasic(encoded: string): string | undefined {
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  const key = text.endsWith(':') ? text.slice(0, -1) : text;
  return key === '' ? undefined : key;
}

const PROTOCOL_PREFIX = 'key.';

/** The key among the subprotocols a WebSocket client offers: `tributary.v1, key.<write key>`. */
export function keyOfProtocols(header: string): string | undefined {
  for (const offered of header.split(',')) {
    const name = offered.trim();
    if (name.startsWith(PROTOCOL_PREFIX)) return name.slice(PROTOCOL_PREFIX.length);
  }
  return undefined;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COLON = 0x3a;
const NAME = Buffer.from('"writeKey"');

/**
 * The value of `writeKey` at the top level of a JSON object, found by one scan that builds nothing.
 * Keys deeper down belong to the producer's data and are not read.
 * @returns undefined when there is none, when it is not a plain string, or when the text ends early.
 */
export function keyOfBody(body: Uint8Array): string | undefined {
  const bytes = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
  if (bytes.indexOf(NAME) < 0) return undefined;
  let depth = 0;
  for (let position = 0; position < bytes.length; position += 1) {
    const byte = bytes[position]!;
    if (byte === QUOTE) {
      const end = endOfString(bytes, position);
      if (end < 0) return undefined;
      if (depth === 1 && NAME.equals(bytes.subarray(position, end + 1))) {
        const value = valueAfter(bytes, end + 1);
        if (value !== undefined) return value;
      }
      position = end;
    } else if (byte === 0x7b || byte === 0x5b) {
      depth += 1;
    } else if (byte === 0x7d || byte === 0x5d) {
      depth -= 1;
    }
  }
  return undefined;
}

/** Position of the quote that closes the string opened at `start`, or -1. */
function endOfString(bytes: Buffer, start: number): number {
  for (let position = start + 1; position < bytes.length; position += 1) {
    if (bytes[position] === BACKSLASH) position += 1;
    else if (bytes[position] === QUOTE) return position;
  }
  return -1;
}

/** The string after a colon; keys are plain ASCII, so one with escapes is none of ours. */
function valueAfter(bytes: Buffer, start: number): string | undefined {
  let position = skipSpace(bytes, start);
  if (bytes[position] !== COLON) return undefined;
  position = skipSpace(bytes, position + 1);
  if (bytes[position] !== QUOTE) return undefined;
  const end = endOfString(bytes, position);
  const value = end < 0 ? '' : bytes.toString('utf8', position + 1, end);
  return value === '' || value.includes('\\') ? undefined : value;
}

function skipSpace(bytes: Buffer, start: number): number {
  let position = start;
  while ([0x20, 0x09, 0x0a, 0x0d].includes(bytes[position]!)) position += 1;
  return position;
}
