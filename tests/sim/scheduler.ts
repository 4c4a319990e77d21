/**
 * The order of the world: whoever wants something of the disk, or wants to send, waits here until the
 * seed lets it go on. One wish is granted at a time, after everything the last one set in motion has
 * come to rest; so the same seed gives the same run, however many things are under way at once.
 *
 * The clock stands still between two wishes, and moves a little with each.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../../base/clock.ts';
import type { Dice } from './dice.ts';

/** Turns of the event loop without a wish after which a thread that may be at work is let have the processor. */
const IDLE_TURNS = 1000;
/** Without a wish before a run counts as stuck: threads may wait long for a processor. */
const STUCK_MS = 60_000;
/** Turns without a wish after which nobody wants anything. */
const RESTING_TURNS = 3;
/** 2026-03-01T12:00:00Z. */
const START_MICROS = 1_772_366_400_000_000;

interface Wish {
  readonly what: string;
  readonly path: string;
  readonly grant: () => void;
}

export class Scheduler implements Clock {
  readonly #dice: Dice;
  readonly #waiting: Wish[] = [];
  readonly #onGrant: (what: string, path: string) => void;
  #nowMicros: number;
  /** Whether another thread is at work, for whose results the world waits. */
  isBusy: () => boolean = () => false;

  /** @param onGrant called while everything rests, just before a wish takes effect. */
  constructor(
    dice: Dice,
    onGrant: (what: string, path: string) => void,
    startMicros = START_MICROS,
  ) {
    this.#dice = dice;
    this.#onGrant = onGrant;
    this.#nowMicros = startMicros;
  }

  nowMicros(): number {
    return this.#nowMicros;
  }

  monotonicMs(): number {
    return this.#nowMicros / 1000;
  }

  /** Sets the clock on, or back. */
  advance(micros: number): void {
    this.#nowMicros += micros;
  }

  /** Waits for its turn. */
  wish(what: string, path: string): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push({ what, path, grant: resolve });
    });
  }

  /** Grants what waits, and what follows from it, until nobody wants anything any more. */
  async settle(): Promise<void> {
    let turns = 0;
    while (turns < RESTING_TURNS) {
      turns = this.#waiting.length === 0 && !this.isBusy() ? turns + 1 : 0;
      await new Promise((resolve) => setImmediate(resolve));
      if (this.#waiting.length > 0) this.#grantOne();
    }
  }

  /** Grants one wish after another until `work` has settled. @throws what it rejects with. */
  async run<Result>(work: Promise<Result>): Promise<Result> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    work.then(settle, settle);
    let grantedMs = performance.now();
    for (let idleTurns = 0; ; idleTurns += 1) {
      if (idleTurns < IDLE_TURNS) await new Promise((resolve) => setImmediate(resolve));
      else await delay(1);
      if (isSettled) return work;
      if (this.#waiting.length > 0 && !this.isBusy()) {
        this.#grantOne();
        idleTurns = 0;
        grantedMs = performance.now();
      } else if (idleTurns > IDLE_TURNS && performance.now() - grantedMs > STUCK_MS) {
        throw new Error('the run is stuck: something waits for what never comes');
      }
    }
  }

  #grantOne(): void {
    const [wish] = this.#waiting.splice(this.#dice.below(this.#waiting.length), 1);
    this.#nowMicros += this.#dice.between(1, 2000);
    this.#onGrant(wish!.what, wish!.path);
    wish!.grant();
  }
}
