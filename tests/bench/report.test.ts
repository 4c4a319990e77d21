import assert from 'node:assert/strict';
import { test } from 'node:test';
import { jsonLine, ratioOf } from '../../bench/report.ts';
import { median, percentile } from '../../bench/statistics.ts';

test('a ratio above one is better for us, whichever way the metric points', () => {
  assert.equal(ratioOf(200, 100, true), 2);
  assert.equal(ratioOf(5, 10, false), 2);
  assert.equal(ratioOf(10, 5, false), 0.5);
});

test('a figure without a peer has no ratio', () => {
  const figure = { workload: 'w', metric: 'm', value: 1.5, unit: 'ms', higherIsBetter: false };
  assert.deepEqual(JSON.parse(jsonLine(figure)), figure);
});

test('a figure with a peer names it, its value and the ratio', () => {
  const figure = { workload: 'w', metric: 'm', value: 4, unit: 'events/s', higherIsBetter: true };
  assert.deepEqual(JSON.parse(jsonLine({ ...figure, peer: { name: 'p', value: 2 } })), {
    ...figure,
    peer: 'p',
    peerValue: 2,
    ratio: 2,
  });
});

test('the median of an even number of values is the mean of the middle two', () => {
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.equal(median([9, 1, 5]), 5);
});

test('a percentile is a value that was measured', () => {
  const values = Array.from({ length: 100 }, (_, index) => 100 - index);
  assert.equal(percentile(values, 0.5), 50);
  assert.equal(percentile(values, 0.99), 99);
  assert.equal(percentile([7], 0.99), 7);
});
