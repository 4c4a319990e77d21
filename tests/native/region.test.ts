import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import fc from 'fast-check';
import { KIB, MIB } from '../../base/units.ts';
import { type NativeRegion, native } from '../../native/index.ts';

const PAGE = 4096;
const PAGES = 40;
const STEP = 64 * KIB;
const BLOCK = 2 * MIB;
const HUGE_PAGE_DEADLINE_MS = 10_000;

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

describe('Region on huge pages', () => {
  let directory: string;
  const regions: NativeRegion[] = [];

  beforeEach(() => {
    directory = mkdtempSync('/dev/shm/tributary-region-');
  });
  afterEach(() => {
    for (const region of regions.splice(0)) region.close();
    rmSync(directory, { recursive: true });
  });

  function create(name: string): NativeRegion {
    const created = native.createRegion(join(directory, name), 4 * BLOCK, PAGE, true);
    assert.ok(typeof created !== 'string', `${created}`);
    regions.push(created);
    return created;
  }

  /** Bytes of a file that this process has mapped by pages of 2 MiB. */
  function hugeBytesOf(name: string): number {
    const mappings = readFileSync('/proc/self/smaps', 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
    const ofFile = mappings.filter((text) => text.includes(join(directory, name)));
    return ofFile
      .map((text) => Number(/ShmemPmdMapped:\s+(\d+) kB/.exec(text)?.[1] ?? 0) * KIB)
      .reduce((sum, bytes) => sum + bytes, 0);
  }

  it('a block that was backed in steps is joined once it is whole, with what was written', async (t) => {
    create('at once').back(0, 2 * BLOCK);
    const region = create('in steps');
    const words = new Uint32Array(region.buffer);
    for (let offset = 0; offset < 2 * BLOCK + STEP; offset += STEP) {
      assert.equal(region.back(offset, STEP), '');
      const first = offset / 4;
      for (let word = first; word < first + STEP / 4; word += 1) words[word] = word;
    }
    const isWhole = () =>
      words.subarray(0, (2 * BLOCK + STEP) / 4).every((value, word) => value === word);
    assert.ok(isWhole());
    if (hugeBytesOf('at once') === 0) return t.skip('the kernel makes no huge pages here');
    const deadlineMs = performance.now() + HUGE_PAGE_DEADLINE_MS;
    while (hugeBytesOf('in steps') < 2 * BLOCK && performance.now() < deadlineMs) {
      await sleep(10);
      assert.ok(isWhole());
    }
    assert.equal(hugeBytesOf('in steps'), 2 * BLOCK);
  });
});
