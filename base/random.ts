import { randomBytes } from 'node:crypto';

/** Randomness comes in through this port, so that a test can repeat a run from its seed. */
export interface RandomSource {
  /** `count` bytes the caller owns. */
  bytes(count: number): Uint8Array;
}

/** Cryptographically secure randomness of the operating system. */
export const systemRandom: RandomSource = {
  bytes: (count) => new Uint8Array(randomBytes(count)),
};

/** A small seeded generator (mulberry32): repeatable, fast, not for secrets. Yields [0, 1). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** A {@link RandomSource} from a seed, for tests and simulations. */
export function seededRandomSource(seed: number): RandomSource {
  const next = seededRandom(seed);
  return { bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)) };
}
