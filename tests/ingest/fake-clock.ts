import type { Clock } from '../../base/clock.ts';

/** Time that stands still until it is told otherwise. */
export class FakeClock implements Clock {
  ms = 1_000_000;

  nowMicros(): number {
    return this.ms * 1000;
  }

  monotonicMs(): number {
    return this.ms;
  }
}
