/** Query ids: UUID version 7 (RFC 9562), so that ids sort by the time they were given. */
import type { Clock } from '../base/clock.ts';
import type { RandomSource } from '../base/random.ts';

export function newQueryId(clock: Clock, random: RandomSource): string {
  const bytes = Buffer.alloc(16);
  bytes.writeUIntBE(Math.floor(clock.nowMicros() / 1000), 0, 6);
  bytes.set(random.bytes(10), 6);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x70, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  const hex = bytes.toString('hex');
  return [8, 12, 16, 20].reduceRight(
    (text, place) => `${text.slice(0, place)}-${text.slice(place)}`,
    hex,
  );
}
