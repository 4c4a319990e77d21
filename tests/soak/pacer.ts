/** Keeps all lanes together at a rate: each takes its turn, and sleeps until its turn has come. */
import { setTimeout as delay } from 'node:timers/promises';

/** A lane that was held up does not make up for more than this, milliseconds. */
const BACKLOG_MS_MAX = 1000;

export class Pacer {
  #eventsPerSecond = Number.POSITIVE_INFINITY;
  #nextMs = 0;

  /** From now on. */
  setRate(eventsPerSecond: number): void {
    this.#eventsPerSecond = eventsPerSecond;
    this.#nextMs = performance.now();
  }

  async take(events: number): Promise<void> {
    if (this.#eventsPerSecond === Number.POSITIVE_INFINITY) return;
    const now = performance.now();
    this.#nextMs = Math.max(this.#nextMs, now - BACKLOG_MS_MAX);
    const wait = this.#nextMs - now;
    this.#nextMs += (events / this.#eventsPerSecond) * 1000;
    if (wait > 1) await delay(wait);
  }
}
