/**
 * The secret of a tenant: random bytes made once and kept beside its log. Public profile ids and the
 * keyed hashes of message ids derive from it; without it the log would replay to other profile ids.
 */
import { hkdfSync } from 'node:crypto';
import { TributaryError } from '../base/errors.ts';
import type { RandomSource } from '../base/random.ts';
import { atomicReplace, type FileSystem, readFile } from '../storage/file-system.ts';

const PROFILE_ID_BYTES = 16;
const MESSAGE_ID_BYTES = 8;
const SECRET_BYTES = PROFILE_ID_BYTES + MESSAGE_ID_BYTES;

export interface TenantSecret {
  /** 16 bytes: the AES key of public profile ids. */
  readonly profileIds: Uint8Array;
  /** 8 bytes: the seed of message id hashes. */
  readonly messageIds: Uint8Array;
}

/** Reads the secret, or makes it on the first start. @throws TRIBUTARY_ENGINE_SECRET_MALFORMED */
export async function openTenantSecret(
  fileSystem: FileSystem,
  path: string,
  random: RandomSource,
): Promise<TenantSecret> {
  if (!(await fileSystem.exists(path))) {
    await atomicReplace(fileSystem, path, random.bytes(SECRET_BYTES));
  }
  const bytes = await readFile(fileSystem, path);
  if (bytes.length !== SECRET_BYTES) {
    throw new TributaryError('TRIBUTARY_ENGINE_SECRET_MALFORMED', {
      path,
      bytes: bytes.length,
      expectedBytes: SECRET_BYTES,
    });
  }
  return {
    profileIds: bytes.slice(0, PROFILE_ID_BYTES),
    messageIds: bytes.slice(PROFILE_ID_BYTES),
  };
}

/** 32 bytes for what other engines read the lake with: keys and sessions are derived from them (RFC 5869). */
export function lakeSigningKey(secret: TenantSecret): Uint8Array {
  const { messageIds, profileIds } = secret;
  const bytes = Buffer.concat([profileIds, messageIds]);
  return new Uint8Array(hkdfSync('sha256', bytes, new Uint8Array(), 'tributary lake keys', 32));
}
