/** Time comes in through this port, so that a test or a replay can drive it. */
export interface Clock {
  /** Wall-clock time, microseconds since 1970-01-01T00:00:00Z. Always below 2^53. */
  nowMicros(): number;
  /** Time that never goes back, milliseconds, for durations only. */
  monotonicMs(): number;
}

/** The operating system's clock. */
export const systemClock: Clock = {
  nowMicros: () => Math.round((performance.timeOrigin + performance.now()) * 1000),
  monotonicMs: () => performance.now(),
};
