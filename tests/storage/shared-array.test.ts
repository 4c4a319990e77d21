import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { alignUp, GIB, KIB, MIB } from '../../base/units.ts';
import { PAGE_BYTES } from '../../storage/segment-format.ts';
import { ARRAY_HEADER, SharedArray } from '../../storage/shared-array.ts';

describe('SharedArray', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tributary-array-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('published elements are in the file, behind their count', () => {
    const array = SharedArray.create({ directory, name: 'profile_of', type: 'u32', capacity: 100 });
    array.ensure(10);
    array.values[7] = 4_000_000_000;
    array.publish(8);
    const bytes = readFileSync(join(directory, 'profile_of.array'));
    assert.equal(bytes.toString('latin1', 0, 8), 'TRIBARR\0');
    assert.equal(bytes.readUInt32LE(ARRAY_HEADER.elementBytes), 4);
    assert.equal(bytes.readBigUInt64LE(ARRAY_HEADER.publishedCount), 8n);
    assert.equal(bytes.readUInt32LE(PAGE_BYTES + 7 * 4), 4_000_000_000);
    array.close();
  });

  it('growing keeps addresses and elements, in steps of a thirty-second, 64 KiB at least', () => {
    const capacity = 100_000_000;
    const array = SharedArray.create({ directory, name: 'times', type: 'i64', capacity });
    const view = array.values;
    array.ensure(1);
    assert.equal(array.backedBytes, 64 * KIB);
    view[0] = -5n;
    array.ensure(300_000);
    view[299_999] = 6n;
    assert.equal(array.values, view);
    assert.deepEqual([view[0], view[299_999]], [-5n, 6n]);
    assert.equal(array.backedBytes, alignUp(PAGE_BYTES + 300_000 * 8, 64 * KIB));
    array.ensure(10_000_000);
    assert.equal(array.backedBytes, alignUp(PAGE_BYTES + 10_000_000 * 8, 2 * MIB));
    array.close();
  });

  it('byte elements up to 4 GiB are reached through windows, and a longer array is refused', () => {
    const capacity = (4 * GIB - PAGE_BYTES) / 16;
    const create = (elements: number) =>
      SharedArray.create({
        directory,
        name: 'ids',
        type: 'bytes',
        elementBytes: 16,
        capacity: elements,
      });
    assert.throws(() => create(capacity + 1), /at most 4 GiB/);
    const array = create(capacity);
    array.ensure(2);
    array.window(1, 1).fill(7);
    assert.deepEqual([...array.window(0, 2).subarray(12, 20)], [0, 0, 0, 0, 7, 7, 7, 7]);
    assert.equal(array.values, undefined);
    array.close();
  });

  it('the capacity can be filled, and one element more is a named error', () => {
    const array = SharedArray.create({ directory, name: 'small', type: 'u64', capacity: 1000 });
    array.ensure(1000);
    array.values[999] = 1n;
    array.publish(1000);
    assert.throws(() => array.ensure(1001), { code: 'TRIBUTARY_STORAGE_REGION_FULL' });
    array.close();
  });

  it('publishing what is not ensured, or less than before, stops at an assertion', () => {
    const array = SharedArray.create({ directory, name: 'small', type: 'u32', capacity: 10 });
    assert.throws(() => array.publish(1), /only ensured/);
    array.ensure(5);
    array.publish(5);
    assert.throws(() => array.publish(4), /stay published/);
    assert.throws(() => array.window(9, 2), /lies in the ensured/);
    array.close();
  });
});
