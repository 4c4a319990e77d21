import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { PayloadRing } from '../../engine/payload-ring.ts';

const CAPACITY = 4096;
const SLACK = 64;

test('ranges never overlap, keep their slack, and come back in order', () => {
  const steps = fc.array(fc.option(fc.integer({ min: 0, max: 2500 })), { maxLength: 300 });
  fc.assert(
    fc.property(steps, (sizes) => {
      const ring = new PayloadRing(CAPACITY);
      const live: { offset: number; bytes: number }[] = [];
      for (const bytes of sizes) {
        if (bytes === null) {
          const oldest = live.shift();
          if (oldest !== undefined) ring.release(oldest.offset, oldest.bytes);
          continue;
        }
        const offset = ring.allocate(bytes);
        if (offset < 0) {
          assert.ok(live.length > 0, 'an empty ring has room for any of these');
          continue;
        }
        assert.ok(offset + bytes + SLACK <= CAPACITY);
        for (const other of live) {
          const apart =
            offset >= other.offset + other.bytes + SLACK || other.offset >= offset + bytes + SLACK;
          assert.ok(apart, 'ranges lie apart');
        }
        live.push({ offset, bytes });
      }
    }),
    { numRuns: 300 },
  );
});

test('a range as large as the ring fits, one byte more does not', () => {
  const ring = new PayloadRing(CAPACITY);
  assert.equal(ring.allocate(CAPACITY - SLACK + 1), -1);
  assert.equal(ring.allocate(CAPACITY - SLACK), 0);
  assert.equal(ring.allocate(0), -1);
});
