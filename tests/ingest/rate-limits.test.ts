import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LIMITS } from '../../base/limits.ts';
import type { WritePrincipal } from '../../engine/control.ts';
import { type RateLimitOptions, RateLimits } from '../../ingest/rate-limits.ts';
import { TokenBucket } from '../../ingest/token-bucket.ts';
import { FakeClock } from './fake-clock.ts';

const NONE = { events: 0, bytes: 0 };

function principal(keyId: string, tenantId = 't1'): WritePrincipal {
  return { keyId, tenantId, source: { ordinal: 0, name: 'web' } };
}

function limits(options: Partial<RateLimitOptions>): { rates: RateLimits; clock: FakeClock } {
  const clock = new FakeClock();
  return { rates: new RateLimits({ key: NONE, tenant: NONE, ...options }, clock), clock };
}

test('the burst at once is taken, one event more is told how long to wait', () => {
  const { rates, clock } = limits({ key: { events: 10, bytes: 0 } });
  const key = principal('k1');
  for (let event = 0; event < 10 * LIMITS.rateBurstSeconds; event += 1) {
    assert.equal(rates.refusalOf(key), undefined);
    rates.spend(key, 1, 100);
  }
  const refusal = rates.refusalOf(key);
  assert.equal(refusal?.code, 'TRIBUTARY_INGEST_RATE_EXCEEDED');
  assert.equal(refusal?.retryAfterSeconds, 1);
  clock.ms += 101;
  assert.equal(rates.refusalOf(key), undefined);
});

test('a batch beyond the bucket is taken, and its debt is waited for', () => {
  const { rates, clock } = limits({ key: { events: 10, bytes: 0 } });
  const key = principal('k1');
  rates.spend(key, 100 + 10 * LIMITS.rateBurstSeconds, 0);
  assert.equal(rates.refusalOf(key)?.retryAfterSeconds, 11); // 100 events and one to spend.
  clock.ms += 10_000;
  assert.equal(rates.refusalOf(key)?.retryAfterSeconds, 1);
  clock.ms += 101;
  assert.equal(rates.refusalOf(key), undefined);
});

test('bytes are limited as events are, and the longest wait is told', () => {
  const { rates } = limits({ key: { events: 1, bytes: 100 } });
  const key = principal('k1');
  rates.spend(key, 3, 100 * LIMITS.rateBurstSeconds + 899);
  const refusal = rates.refusalOf(key);
  assert.equal(refusal?.retryAfterSeconds, 9);
  assert.match(refusal?.message ?? '', /key may send 100 bytes a second/);
});

test('each key has its own bucket, and all keys of a tenant share one', () => {
  const { rates } = limits({ key: { events: 1, bytes: 0 }, tenant: { events: 2, bytes: 0 } });
  rates.spend(principal('k1'), 2, 0);
  assert.match(rates.refusalOf(principal('k1'))?.message ?? '', /The key may/);
  assert.equal(rates.refusalOf(principal('k2')), undefined);
  rates.spend(principal('k2'), 2, 0);
  assert.match(rates.refusalOf(principal('k3'))?.message ?? '', /The tenant may/);
  assert.equal(rates.refusalOf(principal('k1', 't2')), undefined);
});

test('what is given back can be spent again, and no more than the burst', () => {
  const bucket = new TokenBucket(1, 2, 0);
  bucket.spend(2, 0);
  assert.ok(bucket.waitMs(0) > 0);
  bucket.spend(-1, 0);
  assert.equal(bucket.waitMs(0), 0);
  bucket.spend(-9, 0);
  bucket.spend(2, 0);
  assert.ok(bucket.waitMs(0) > 0);
});

test('over any time no more is spent than burst, rate and one batch allow', () => {
  const step = fc.record({ ms: fc.nat(2000), count: fc.integer({ min: 1, max: 50 }) });
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const bucket = new TokenBucket(10, 20, 0);
      let nowMs = 0;
      let spent = 0;
      for (const { ms, count } of steps) {
        nowMs += ms;
        if (bucket.waitMs(nowMs) > 0) continue;
        assert.ok(spent <= 20 + nowMs / 100 + 1e-6);
        bucket.spend(count, nowMs);
        spent += count;
      }
    }),
  );
});
