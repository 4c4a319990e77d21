/**
 * CRC-32C (Castagnoli, RFC 3720 appendix B.4): the checksum of everything storage writes.
 *
 * This table implementation is the reference and the default; the engine passes in the addon's, which
 * uses the processor's instruction, has the same signature and gives the same results.
 */

/**
 * @param seed the CRC of the bytes before, 0 at the start: the CRC of `ab` is that of `b` seeded with
 *   that of `a`.
 * @returns the CRC of `length` bytes from `offset`, as an unsigned 32-bit number.
 */
export type Crc32c = (bytes: Uint8Array, offset: number, length: number, seed: number) => number;

/** 0x1EDC6F41 with its bits reversed. */
const POLYNOMIAL = 0x82f63b78;

const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let remainder = byte;
  for (let bit = 0; bit < 8; bit += 1) {
    remainder = remainder & 1 ? (remainder >>> 1) ^ POLYNOMIAL : remainder >>> 1;
  }
  return remainder;
});

/** A CRC as text: eight hex digits. */
export function formatCrc(crc: number): string {
  return crc.toString(16).padStart(8, '0');
}

export const crc32c: Crc32c = (bytes, offset, length, seed) => {
  let remainder = ~seed;
  for (let index = offset; index < offset + length; index += 1) {
    remainder = TABLE[(remainder ^ bytes[index]) & 0xff] ^ (remainder >>> 8);
  }
  return ~remainder >>> 0;
};
