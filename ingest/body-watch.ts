/**
 * Ends bodies that take too long: in all, or because they come too slowly.
 *
 * One timer looks at all bodies that are not complete, instead of one timer for each: most bodies are
 * complete before they are ever looked at.
 *
 * - After `LIMITS.bodyGraceMs` a body has brought `LIMITS.bodyBytesPerSecondMin` for each second since its
 *   start, on average; after `LIMITS.bodyDeadlineMs` it is complete. Both are noticed up to a second late.
 */
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';

const LOOK_MS = 1000;

/** A body that is being received. */
export interface WatchedBody {
  readonly startMs: number;
  /** Received so far. */
  readonly bytes: number;
  /** Ends it; it is watched no more. */
  refuse(error: TributaryError): void;
}

export class BodyWatch {
  readonly #clock: Clock;
  readonly #bodies = new Set<WatchedBody>();
  readonly #timer: NodeJS.Timeout;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#timer = setInterval(() => this.look(), LOOK_MS);
    this.#timer.unref();
  }

  get nowMs(): number {
    return this.#clock.monotonicMs();
  }

  add(body: WatchedBody): void {
    this.#bodies.add(body);
  }

  /** Harmless for a body that is not watched. */
  delete(body: WatchedBody): void {
    this.#bodies.delete(body);
  }

  /** Refuses what is late or slow now. */
  look(): void {
    const nowMs = this.nowMs;
    for (const body of this.#bodies) {
      const error = refusalOf(nowMs - body.startMs, body.bytes);
      if (error === undefined) continue;
      this.#bodies.delete(body);
      body.refuse(error);
    }
  }

  /** Idempotent. */
  close(): void {
    clearInterval(this.#timer);
  }
}

function refusalOf(elapsedMs: number, bytes: number): TributaryError | undefined {
  const { bodyBytesPerSecondMin, bodyDeadlineMs: limitMs, bodyGraceMs } = LIMITS;
  if (elapsedMs >= limitMs) return new TributaryError('TRIBUTARY_INGEST_BODY_TIMEOUT', { limitMs });
  const isSlow = elapsedMs >= bodyGraceMs && bytes < (elapsedMs / 1000) * bodyBytesPerSecondMin;
  if (!isSlow) return undefined;
  return new TributaryError('TRIBUTARY_INGEST_BODY_TOO_SLOW', {
    bytes,
    elapsedMs: Math.round(elapsedMs),
    limit: bodyBytesPerSecondMin,
  });
}
