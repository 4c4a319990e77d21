/**
 * The bearer tokens that the catalog's OAuth endpoint gives for a lake token.
 *
 * Engines that only speak OAuth's client credentials (RFC 6749 section 4.4) exchange the lake token for one
 * of these. It is the id of the lake token and an expiry under an HMAC, so nothing is stored, and it dies
 * with the lake token.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { LakePrincipal } from '../../engine/control.ts';
import type { LakeAccess } from './ports.ts';

export const SESSION_SECONDS = 3600;

const PATTERN = /^tributary_session_([0-9a-z]{8})_([0-9a-f]{8})_([\w-]{43})$/;

export function openSession(
  access: LakeAccess,
  principal: LakePrincipal,
  nowSeconds: number,
): string {
  const expiry = (nowSeconds + SESSION_SECONDS).toString(16).padStart(8, '0');
  const claim = `${principal.tokenId}_${expiry}`;
  return `tributary_session_${claim}_${macOf(access, principal, claim).toString('base64url')}`;
}

/** Whom a session lets in; undefined when it is none, is over, or its lake token was revoked. */
export function principalOfSession(
  access: LakeAccess,
  token: string,
  nowSeconds: number,
): LakePrincipal | undefined {
  const [, tokenId, expiry, mac] = PATTERN.exec(token) ?? [];
  if (tokenId === undefined || expiry === undefined || mac === undefined) return undefined;
  const principal = access.principal(tokenId);
  if (principal === undefined || Number.parseInt(expiry, 16) <= nowSeconds) return undefined;
  const presented = Buffer.from(mac, 'base64url');
  const expected = macOf(access, principal, `${tokenId}_${expiry}`);
  return timingSafeEqual(presented, expected) ? principal : undefined;
}

function macOf(access: LakeAccess, { tenantId }: LakePrincipal, claim: string): Buffer {
  return createHmac('sha256', access.signingKey(tenantId)).update(`session\n${claim}`).digest();
}
