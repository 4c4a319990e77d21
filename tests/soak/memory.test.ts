import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MIB } from '../../base/units.ts';
import { duplicateWindowBytes, judgeFlatness, type MemorySample, theilSen } from './memory.ts';

const EVENTS_PER_SECOND = 50_000;

/** Three minutes of a process that keeps `leakPerMinute` bytes beside its duplicate window. */
function samples(leakPerMinute: number): MemorySample[] {
  return Array.from({ length: 180 }, (_, seconds) => {
    const events = seconds * EVENTS_PER_SECOND;
    const sawtooth = (seconds % 7) * 4 * MIB; // what a collector leaves lying
    const warmUp = Math.min(seconds, 40) * 2 * MIB;
    const leaked = (leakPerMinute * seconds) / 60;
    return {
      seconds,
      events,
      mainAnonymousBytes: duplicateWindowBytes(events) + warmUp + sawtooth + leaked,
      mainSharedBytes: events * 400,
      workersAnonymousBytes: 100 * MIB,
    };
  });
}

test('a process that only fills its duplicate window is flat', () => {
  const { isFlat, mainSlope } = judgeFlatness(samples(0));
  assert.ok(isFlat, `${mainSlope} bytes a minute`);
});

test('a process that keeps ten bytes of every event is not flat', () => {
  const { isFlat } = judgeFlatness(samples(10 * EVENTS_PER_SECOND * 60));
  assert.ok(!isFlat);
});

test('a leaking query worker is seen beside a flat main process', () => {
  const leaking = samples(0).map((sample) => ({
    ...sample,
    workersAnonymousBytes: sample.seconds * MIB,
  }));
  assert.ok(!judgeFlatness(leaking).isFlat);
});

test('one spike does not move the slope', () => {
  const points = Array.from({ length: 50 }, (_, x) => [x, x === 49 ? 1e9 : 3 * x] as const);
  assert.equal(theilSen(points), 3);
  assert.equal(theilSen([[0, 1]]), 0);
});
