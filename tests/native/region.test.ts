import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import fc from 'fast-check';
import { type NativeRegion, native } from '../../native/index.ts';

const PAGE = 4096;
const PAGES = 40;

describe('Region', () => {
  let directory: string;
  let region: NativeRegion;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tributary-region-'));
    region = create('first');
  });
  afterEach(() => {
    region.close();
    rmSync(directory, { recursive: true });
  });

  function create(name: string): NativeRegion {
    const created = native.createRegion(join(directory, name), PAGES * PAGE, PAGE);
    assert.ok(typeof created !== 'string', `${created}`);
    return created;
  }

  it('a reused file has its new name only, and keeps its memory', () => {
    assert.equal(region.back(0, 10 * PAGE), '');
    assert.equal(region.reuse(join(directory, 'second'), PAGE), '');
    assert.deepEqual(
      ['first', 'second'].map((name) => existsSync(join(directory, name))),
      [false, true],
    );
    assert.deepEqual([region.backedBytes, region.memoryBytes], [PAGE, 10 * PAGE]);
  });

  it('a file whose directory is gone is not reused and stays what it was', () => {
    new Uint8Array(region.buffer)[7] = 7;
    assert.match(region.reuse(join(directory, 'gone', 'second'), PAGE), /^rename: /);
    assert.equal(new Uint8Array(region.buffer)[7], 7);
    assert.equal(existsSync(join(directory, 'first')), true);
  });

  it('a buffer of a former life is empty', () => {
    const bytes = new Uint8Array(region.buffer);
    const part = new Uint8Array(region.window(0, 16));
    region.detach();
    assert.equal(region.reuse(join(directory, 'second'), PAGE), '');
    assert.deepEqual([bytes.length, part.length], [0, 0]);
    assert.equal(new Uint8Array(region.buffer).length, PAGES * PAGE);
  });

  it('in each life, what is backed for the first time is zero and the rest stays', () => {
    type Step = 'reuse' | readonly [offset: number, bytes: number];
    const range = fc.tuple(fc.nat(PAGES * PAGE - 1), fc.integer({ min: 1, max: 9 * PAGE }));
    const step: fc.Arbitrary<Step> = fc.oneof(
      { weight: 6, arbitrary: range },
      { weight: 1, arbitrary: fc.constant('reuse' as const) },
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        region.close();
        region = create('model');
        let lives = 0;
        const made = new Set([0]);
        let backed = new Set([0]);
        for (const step of steps) {
          if (step === 'reuse') {
            lives += 1;
            region.detach();
            assert.equal(region.reuse(join(directory, `life ${lives}`), PAGE), '');
            backed = new Set([0]);
          } else {
            const [offset, length] = [step[0], Math.min(step[1], PAGES * PAGE - step[0])];
            region.backAhead(offset, length);
            assert.equal(region.back(offset, length), '');
            const bytes = new Uint8Array(region.buffer);
            const last = Math.floor((offset + length - 1) / PAGE);
            for (let page = Math.floor(offset / PAGE); page <= last; page += 1) {
              const content = bytes.subarray(page * PAGE, (page + 1) * PAGE);
              const expected = backed.has(page) && page > 0 ? page : 0;
              assert.ok(content.every((byte) => byte === expected));
              if (page > 0) content.fill(page);
              backed.add(page);
              made.add(page);
            }
          }
          assert.equal(region.backedBytes, backed.size * PAGE);
          assert.equal(region.memoryBytes, made.size * PAGE);
        }
      }),
      { numRuns: 60 },
    );
  });
});
