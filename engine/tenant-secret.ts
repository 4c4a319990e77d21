/**
 * The secret of a tenant: random bytes made once and kept beside its log. Public profile ids and the
 * keyed hashes of message ids derive from it; without it the log would replay to other profile ids.
 *
 * The file is the bytes and their CRC-32C (little-endian): a bit that turned would change every id, and
 * nothing else would tell.
 */
import { hkdfSync } from 'node:crypto';
import { TributaryError } from '../base/errors.ts';
import type { RandomSource } from '../base/random.ts';
import { crc32c } from '../storage/crc32c.ts';
import { atomicReplace, type FileSystem, readFile } from '../storage/file-system.ts';

const PROFILE_ID_BYTES = 16;
const MESSAGE_ID_BYTES = 8;
const SECRET_BYTES = PROFILE_ID_BYTES + MESSAGE_ID_BYTES;
const FILE_BYTES = SECRET_BYTES + 4;

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
    await atomicReplace(fileSystem, path, sealed(random.bytes(SECRET_BYTES)));
  }
  return parseTenantSecret(await readFile(fileSystem, path), path);
}

/** @param path only for the message. @throws TRIBUTARY_ENGINE_SECRET_MALFORMED */
export function parseTenantSecret(bytes: Uint8Array, path: string): TenantSecret {
  const refuse = (reason: string): never => {
    throw new TributaryError('TRIBUTARY_ENGINE_SECRET_MALFORMED', { path, reason });
  };
  if (bytes.length !== FILE_BYTES) {
    return refuse(`it has ${bytes.length} bytes, expected ${FILE_BYTES}`);
  }
  const secret = bytes.subarray(0, SECRET_BYTES);
  if (Buffer.compare(bytes, sealed(secret)) !== 0) return refuse('its checksum does not hold');
  return {
    profileIds: secret.slice(0, PROFILE_ID_BYTES),
    messageIds: secret.slice(PROFILE_ID_BYTES),
  };
}

/** 32 bytes for what other engines read the lake with: keys and sessions are derived from them. */
export function lakeSigningKey(secret: TenantSecret): Uint8Array {
  return derivedKey(secret, 'tributary lake keys');
}

/** 32 bytes for the hashes of erased identifiers. */
export function suppressionKey(secret: TenantSecret): Uint8Array {
  return derivedKey(secret, 'tributary suppression');
}

/** RFC 5869. */
function derivedKey({ messageIds, profileIds }: TenantSecret, purpose: string): Uint8Array {
  const bytes = Buffer.concat([profileIds, messageIds]);
  return new Uint8Array(hkdfSync('sha256', bytes, new Uint8Array(), purpose, 32));
}

/** The content of the file. */
function sealed(secret: Uint8Array): Uint8Array {
  const file = Buffer.alloc(FILE_BYTES);
  file.set(secret);
  file.writeUInt32LE(crc32c(secret, 0, SECRET_BYTES, 0), SECRET_BYTES);
  return file;
}
