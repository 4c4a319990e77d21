/**
 * Public profile ids: AES-128 of the ordinal under a secret of the tenant. An id looks random, cannot be
 * derived from an identifier, is unique, comes out the same on replay, and leads back to its ordinal
 * without a table: six of its bits are the version and variant of a UUID (RFC 9562, version 8), so 64
 * decryptions find the one block whose upper 12 bytes are zero.
 */
import { createDecipheriv } from 'node:crypto';
import { assert } from '../base/assert.ts';
import { native } from '../native/index.ts';

export const PROFILE_ID_BYTES = 16;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const VERSION_BYTE = 6;
const VARIANT_BYTE = 8;

export class ProfileIds {
  readonly #secret: Uint8Array;

  /** @param secret 16 bytes that stay the same for the life of the tenant. */
  constructor(secret: Uint8Array) {
    assert(secret.length === PROFILE_ID_BYTES, 'the identity secret has 16 bytes');
    this.#secret = Uint8Array.from(secret);
  }

  /**
   * Writes a JSON array with the id, or null, of the profile that each of the `count` nodes behind `nodes[0]`
   * leads to. @param words node-words.ts, by node. @returns its bytes.
   */
  writeJson(
    nodes: Uint32Array,
    count: number,
    words: Int32Array,
    profileOf: Uint32Array,
    json: Uint8Array,
  ): number {
    const bytes = native.writeProfiles(nodes, count, words, profileOf, this.#secret, json);
    assert(bytes > 0, 'there is room for the ids');
    return bytes;
  }

  /** The id of a profile, as a UUID. */
  textOf(profile: number): string {
    const text = native.profileText(this.#secret, profile);
    assert(text !== undefined, 'the secret is a key');
    return text;
  }

  /** The ordinal of an id; 0 when no ordinal of this tenant has it. */
  ordinalOf(id: string): number {
    if (!UUID.test(id)) return 0;
    const bytes = Buffer.from(id.replaceAll('-', ''), 'hex');
    const version = bytes[VERSION_BYTE]! & 0xf0;
    const variant = bytes[VARIANT_BYTE]! & 0xc0;
    if (version !== 0x80 || variant !== 0x80) return 0;
    const blocks = Buffer.alloc(64 * PROFILE_ID_BYTES);
    for (let guess = 0; guess < 64; guess += 1) {
      const at = guess * PROFILE_ID_BYTES;
      bytes.copy(blocks, at);
      blocks[at + VERSION_BYTE] = (bytes[VERSION_BYTE]! & 0x0f) | ((guess & 15) << 4);
      blocks[at + VARIANT_BYTE] = (bytes[VARIANT_BYTE]! & 0x3f) | ((guess >> 4) << 6);
    }
    const cipher = createDecipheriv('aes-128-ecb', this.#secret, null).setAutoPadding(false);
    const plain = Buffer.concat([cipher.update(blocks), cipher.final()]);
    for (let at = 0; at < plain.length; at += PROFILE_ID_BYTES) {
      const rest = plain.subarray(at + 4, at + PROFILE_ID_BYTES);
      if (rest.every((byte) => byte === 0)) return plain.readUInt32LE(at);
    }
    return 0;
  }
}
