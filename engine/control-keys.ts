/**
 * The keys that producers, analysts and other engines present: minting, checking for typing mistakes, hashing.
 *
 * A minted key is `tributary_<kind>_<id>_<secret><crc>`. The prefix lets secret scanners find a leaked
 * key; the id is public and names the key in files and logs; the secret is 160 random bits, for which a
 * fast hash is right (there is nothing to guess); the CRC tells a mistyped key from an unknown one.
 * A bootstrap key is any string an operator chose; its id is taken from its hash.
 *
 * - Only the SHA-256 of the whole key is ever stored.
 * - All parts are Crockford base32 in lower case: 5 bits a character, no look-alikes.
 */
import { createHash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { RandomSource } from '../base/random.ts';

export type KeyKind = 'write' | 'admin' | 'lake';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
const ID_CHARACTERS = 8;
const SECRET_CHARACTERS = 32;
const CRC_CHARACTERS = 7;
const PATTERN = /^tributary_(write|admin|lake)_([0-9a-z]{8})_[0-9a-z]{39}$/;

/** A key nobody has seen yet. The caller shows it once and keeps its {@link hashKey}. */
export function mintKey(kind: KeyKind, random: RandomSource): string {
  const characters = randomCharacters(ID_CHARACTERS + SECRET_CHARACTERS, random);
  const id = characters.slice(0, ID_CHARACTERS);
  const body = `tributary_${kind}_${id}_${characters.slice(ID_CHARACTERS)}`;
  return body + checksum(body);
}

/** SHA-256 of the whole key: 32 bytes. */
export function hashKey(key: string): Buffer {
  return createHash('sha256').update(key, 'utf8').digest();
}

/** The public name of a key: its own id when it was minted, else the start of its hash. */
export function keyId(key: string): string {
  const minted = PATTERN.exec(key);
  return minted?.[2] ?? hashKey(key).toString('hex').slice(0, 16);
}

/** Whether a string that has the shape of a minted key was cut or mistyped. */
export function isMistyped(key: string): boolean {
  if (!PATTERN.test(key)) return false;
  return checksum(key.slice(0, -CRC_CHARACTERS)) !== key.slice(-CRC_CHARACTERS);
}

function randomCharacters(count: number, random: RandomSource): string {
  let text = '';
  for (const byte of random.bytes(count)) text += ALPHABET[byte & 31];
  return text;
}

/** CRC-32 of the key before it, as 7 characters (35 bits, the top 3 zero). */
function checksum(body: string): string {
  let value = crc32(body);
  let text = '';
  for (let position = 0; position < CRC_CHARACTERS; position += 1) {
    text = ALPHABET[value & 31] + text;
    value >>>= 5;
  }
  return text;
}
