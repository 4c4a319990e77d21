import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { BodyWatch, type WatchedBody } from '../../ingest/body-watch.ts';
import { FakeClock } from './fake-clock.ts';

function watchOne(context: TestContext) {
  const clock = new FakeClock();
  const watch = new BodyWatch(clock);
  context.after(() => watch.close());
  const refusals: TributaryError[] = [];
  const received = { bytes: 0 };
  const body: WatchedBody = {
    startMs: clock.ms,
    get bytes() {
      return received.bytes;
    },
    refuse: (error) => refusals.push(error),
  };
  watch.add(body);
  const codes = (): string[] => {
    watch.look();
    return refusals.map(({ code }) => code);
  };
  return { clock, watch, body, received, codes };
}

test('a body may stall until the grace is over, and not a millisecond longer', (context) => {
  const { clock, codes } = watchOne(context);
  clock.ms += LIMITS.bodyGraceMs - 1;
  assert.deepEqual(codes(), []);
  clock.ms += 1;
  assert.deepEqual(codes(), ['TRIBUTARY_INGEST_BODY_TOO_SLOW']);
  clock.ms += LIMITS.bodyDeadlineMs;
  assert.equal(codes().length, 1, 'a body is refused once');
});

test('a body at the minimum rate is let live, one byte less is not', (context) => {
  const { clock, received, codes } = watchOne(context);
  clock.ms += 10_000;
  received.bytes = 10 * LIMITS.bodyBytesPerSecondMin;
  assert.deepEqual(codes(), []);
  received.bytes -= 1;
  assert.deepEqual(codes(), ['TRIBUTARY_INGEST_BODY_TOO_SLOW']);
});

test('a fast body that is not complete at the deadline is refused', (context) => {
  const { clock, received, codes } = watchOne(context);
  received.bytes = LIMITS.batchBytesMax;
  clock.ms += LIMITS.bodyDeadlineMs - 1;
  assert.deepEqual(codes(), []);
  clock.ms += 1;
  assert.deepEqual(codes(), ['TRIBUTARY_INGEST_BODY_TIMEOUT']);
});

test('a body that was completed is left alone', (context) => {
  const { clock, watch, body, codes } = watchOne(context);
  watch.delete(body);
  clock.ms += LIMITS.bodyDeadlineMs;
  assert.deepEqual(codes(), []);
});
