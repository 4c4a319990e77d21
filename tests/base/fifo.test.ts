import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Fifo } from '../../base/fifo.ts';

test('whatever is pushed and shifted, it behaves as an array does', () => {
  const steps = fc.array(fc.integer({ min: -40, max: 60 }), { maxLength: 200 });
  fc.assert(
    fc.property(steps, (counts) => {
      const fifo = new Fifo<number>();
      const model: number[] = [];
      let next = 0;
      for (const count of counts) {
        for (let pushed = 0; pushed < count; pushed += 1, next += 1) {
          fifo.push(next);
          model.push(next);
        }
        for (let shifted = 0; shifted < -count; shifted += 1) {
          assert.equal(fifo.shift(), model.shift());
        }
        assert.equal(fifo.length, model.length);
      }
    }),
    { numRuns: 50 },
  );
});

test('a queue that never runs empty gives up what was shifted', () => {
  const fifo = new Fifo<number>();
  fifo.push(-1);
  for (let item = 0; item < 100_000; item += 1) {
    fifo.push(item);
    assert.equal(fifo.shift(), item - 1);
  }
  assert.equal(fifo.length, 1);
});
