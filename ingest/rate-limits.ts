/**
 * How many events and bytes a second a write key, and a tenant with all its keys, may send.
 *
 * - Only keys that were authenticated have buckets, so strangers cannot make the maps grow.
 * - A batch is admitted while each of its four buckets has a token; it may leave them in debt.
 * - A limit of 0 is none.
 */
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { WritePrincipal } from '../engine/control.ts';
import { TokenBucket } from './token-bucket.ts';

/** Per second; 0 is no limit. */
export interface Rates {
  readonly events: number;
  readonly bytes: number;
}

export interface RateLimitOptions {
  readonly key: Rates;
  readonly tenant: Rates;
}

interface Buckets {
  readonly events: TokenBucket | undefined;
  readonly bytes: TokenBucket | undefined;
}

export class RateLimits {
  readonly #options: RateLimitOptions;
  readonly #clock: Clock;
  readonly #keys = new Map<string, Buckets>();
  readonly #tenants = new Map<string, Buckets>();
  /** No limit is set, as by default: then nothing is looked up for a batch. */
  readonly #isOff: boolean;

  constructor(options: RateLimitOptions, clock: Clock) {
    const { key, tenant } = options;
    this.#options = options;
    this.#clock = clock;
    this.#isOff = key.events + key.bytes + tenant.events + tenant.bytes === 0;
  }

  /** Why the next batch of this key is refused; TRIBUTARY_INGEST_RATE_EXCEEDED with the longest wait. */
  refusalOf(principal: WritePrincipal): TributaryError | undefined {
    if (this.#isOff) return undefined;
    const nowMs = this.#clock.monotonicMs();
    let longestMs = 0;
    let refusal: { scope: string; unit: string; limit: number } | undefined;
    for (const [scope, buckets] of this.#bucketsOf(principal)) {
      for (const unit of ['events', 'bytes'] as const) {
        const bucket = buckets[unit];
        const waitMs = bucket?.waitMs(nowMs) ?? 0;
        if (bucket === undefined || waitMs <= longestMs) continue;
        longestMs = waitMs;
        refusal = { scope, unit, limit: bucket.perSecond };
      }
    }
    if (refusal === undefined) return undefined;
    const retryAfterSeconds = Math.ceil(longestMs / 1000);
    return new TributaryError('TRIBUTARY_INGEST_RATE_EXCEEDED', { ...refusal, retryAfterSeconds });
  }

  /** Charges what was admitted; negative numbers give back. */
  spend(principal: WritePrincipal, events: number, bytes: number): void {
    if (this.#isOff) return;
    const nowMs = this.#clock.monotonicMs();
    for (const [, buckets] of this.#bucketsOf(principal)) {
      buckets.events?.spend(events, nowMs);
      buckets.bytes?.spend(bytes, nowMs);
    }
  }

  #bucketsOf({ keyId, tenantId }: WritePrincipal): readonly (readonly [string, Buckets])[] {
    const { key, tenant } = this.#options;
    return [
      ['key', this.#bucketsIn(this.#keys, `${tenantId}/${keyId}`, key)],
      ['tenant', this.#bucketsIn(this.#tenants, tenantId, tenant)],
    ];
  }

  #bucketsIn(buckets: Map<string, Buckets>, name: string, rates: Rates): Buckets {
    let found = buckets.get(name);
    if (found === undefined) {
      found = { events: this.#bucket(rates.events), bytes: this.#bucket(rates.bytes) };
      buckets.set(name, found);
    }
    return found;
  }

  #bucket(perSecond: number): TokenBucket | undefined {
    if (perSecond === 0) return undefined;
    const burst = perSecond * LIMITS.rateBurstSeconds;
    return new TokenBucket(perSecond, burst, this.#clock.monotonicMs());
  }
}
