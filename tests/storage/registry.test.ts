import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { LIMITS } from '../../base/limits.ts';
import { PAGE_BYTES, REGISTRY_FILE } from '../../storage/segment-format.ts';
import { REGISTRY_TABLE, TableRegistry } from '../../storage/table-registry.ts';

describe('TableRegistry', () => {
  let directory: string;
  let registry: TableRegistry;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tributary-registry-'));
    registry = TableRegistry.create(directory);
  });
  afterEach(() => {
    registry.close();
    rmSync(directory, { recursive: true });
  });

  /** What a reader finds in the file. */
  function read(slot: number) {
    const bytes = readFileSync(join(directory, REGISTRY_FILE));
    const at = PAGE_BYTES + slot * REGISTRY_TABLE.bytes;
    const count = bytes.readUInt32LE(at + REGISTRY_TABLE.segmentCount);
    const first = at + REGISTRY_TABLE.segments;
    return {
      tables: bytes.readUInt32LE(12),
      name: bytes.toString('utf8', at, at + 48).replace(/\0+$/, ''),
      generation: bytes.readBigUInt64LE(at + REGISTRY_TABLE.generation),
      publishedRows: bytes.readBigUInt64LE(at + REGISTRY_TABLE.publishedRows),
      segments: Array.from({ length: count }, (_, index) => [
        bytes.readBigUInt64LE(first + 16 * index),
        bytes.readBigUInt64LE(first + 16 * index + 8),
      ]),
    };
  }

  it('tables, segments and published rows are in the file at once', () => {
    registry.addTable('events', 1);
    const slot = registry.addTable('edges', 1);
    registry.addSegment(slot, { segmentId: 1, firstRow: 0 });
    registry.addSegment(slot, { segmentId: 2, firstRow: 122_880 });
    registry.publish(slot, 2 ** 40);
    assert.deepEqual(read(slot), {
      tables: 2,
      name: 'edges',
      generation: 4n,
      publishedRows: 2n ** 40n,
      segments: [
        [1n, 0n],
        [2n, 122_880n],
      ],
    });
  });

  it('the oldest segments leave the list and the others move up', () => {
    const slot = registry.addTable('events', 1);
    for (let id = 1; id <= 5; id += 1)
      registry.addSegment(slot, { segmentId: id, firstRow: id * 10 });
    registry.removeOldestSegments(slot, 3);
    assert.deepEqual(read(slot).segments, [
      [4n, 40n],
      [5n, 50n],
    ]);
    assert.equal(read(slot).generation % 2n, 0n);
  });

  it('16,384 segments fit a table and one more is refused', () => {
    const slot = registry.addTable('events', 1);
    for (let id = 1; id <= LIMITS.tableSegmentsMax; id += 1) {
      registry.addSegment(slot, { segmentId: id, firstRow: id });
    }
    assert.throws(() => registry.addSegment(slot, { segmentId: 0, firstRow: 0 }), /16,384/);
  });

  it('16 tables fit and one more is refused, as is a name twice', () => {
    registry.addTable('table0', 1);
    assert.throws(() => registry.addTable('table0', 1), /registered once/);
    for (let index = 1; index < LIMITS.tablesMax; index += 1) registry.addTable(`table${index}`, 1);
    assert.throws(() => registry.addTable('one more', 1), /at most 16 tables/);
  });
});
