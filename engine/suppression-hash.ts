/**
 * The keyed hash of an identifier: HMAC-SHA256 of its type and its normalised value, under a key that is
 * derived from the tenant's secret, cut to 128 bits. Who has the list and not the secret cannot find out
 * whether an address is on it, although addresses can be guessed.
 */
import { createHmac } from 'node:crypto';
import type { NamedIdentifier } from '../identity/identity-command.ts';

const HASH_BYTES = 16;

/** 32 hexadecimal digits. @param value as identity keeps it. */
export function suppressionHash(key: Uint8Array, { type, value }: NamedIdentifier): string {
  const mac = createHmac('sha256', key).update(type).update('\0').update(value).digest();
  return mac.toString('hex', 0, HASH_BYTES);
}
