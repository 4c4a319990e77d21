/**
 * The S3 keys that the catalog hands out with a table, and that the facade lets in.
 *
 * Nothing is stored: the access key id says for which lake token, which table and until when, and the
 * secret is an HMAC of the id under the tenant's signing key. Who changes the id has no secret for it.
 *
 *     TRIB <token id, 8> <scope, 16 hexadecimal digits> <expiry, 8 hexadecimal digits>
 *
 * - A key opens the objects below one prefix, and for an hour at most.
 * - A key dies with the token it was made for.
 * - The scope is the start of the SHA-256 of the prefix, so that ids stay short and tell no names.
 *
 * The session token proves nothing more; it is there because Trino takes vended keys with one only. A
 * request that carries one must carry the right one.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';

export const VENDED_KEY_SECONDS = 3600;

export interface VendedKey {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiresAtSeconds: number;
}

/** What an access key id says; true only once a signature has proven the secret. */
export interface KeyClaim {
  readonly tokenId: string;
  readonly scope: string;
  readonly expiresAtSeconds: number;
}

const PATTERN = /^TRIB([0-9A-Z]{8})([0-9A-F]{16})([0-9A-F]{8})$/;

/** @param prefix of the keys it opens, ending in a slash. */
export function vendKey(
  signingKey: Uint8Array,
  tokenId: string,
  prefix: string,
  nowSeconds: number,
): VendedKey {
  const expiresAtSeconds = nowSeconds + VENDED_KEY_SECONDS;
  const expiry = expiresAtSeconds.toString(16).padStart(8, '0');
  const accessKeyId = `TRIB${tokenId}${scopeOf(prefix)}${expiry}`.toUpperCase();
  return {
    accessKeyId,
    secretAccessKey: secretOf(signingKey, accessKeyId),
    sessionToken: sessionTokenOf(signingKey, accessKeyId),
    expiresAtSeconds,
  };
}

/** @returns undefined for an id that is none of ours. */
export function claimOf(accessKeyId: string): KeyClaim | undefined {
  const [, tokenId, scope, expiry] = PATTERN.exec(accessKeyId) ?? [];
  if (tokenId === undefined || scope === undefined || expiry === undefined) return undefined;
  return {
    tokenId: tokenId.toLowerCase(),
    scope: scope.toLowerCase(),
    expiresAtSeconds: Number.parseInt(expiry, 16),
  };
}

/** The secret access key, 43 characters. */
export function secretOf(signingKey: Uint8Array, accessKeyId: string): string {
  return derive(signingKey, 's3-secret', accessKeyId);
}

/** Whether `token` is the session token of that key, in constant time. */
export function isSessionToken(
  signingKey: Uint8Array,
  accessKeyId: string,
  token: string,
): boolean {
  const expected = Buffer.from(sessionTokenOf(signingKey, accessKeyId));
  const presented = Buffer.from(token);
  return presented.length === expected.length && timingSafeEqual(presented, expected);
}

/** Whether one of the directories that `key` lies in, or names with a slash, is the scope's prefix. */
export function isInScope(key: string, scope: string): boolean {
  for (let slash = key.indexOf('/'); slash >= 0; slash = key.indexOf('/', slash + 1)) {
    if (scopeOf(key.slice(0, slash + 1)) === scope) return true;
  }
  return false;
}

function scopeOf(prefix: string): string {
  return createHash('sha256').update(prefix).digest('hex').slice(0, 16);
}

function sessionTokenOf(signingKey: Uint8Array, accessKeyId: string): string {
  return derive(signingKey, 's3-session', accessKeyId);
}

function derive(signingKey: Uint8Array, purpose: string, text: string): string {
  return createHmac('sha256', signingKey).update(`${purpose}\n${text}`).digest('base64url');
}
