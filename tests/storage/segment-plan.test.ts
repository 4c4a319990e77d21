import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LIMITS } from '../../base/limits.ts';
import { GIB } from '../../base/units.ts';
import { DEAD_LETTERS, DEAD_LETTERS_SCHEMA } from '../../storage/dead-letters-schema.ts';
import { EDGES, EDGES_SCHEMA } from '../../storage/edges-schema.ts';
import { EVENTS_SCHEMA } from '../../storage/events-schema.ts';
import {
  descriptorOffset,
  PAGE_BYTES,
  planSegment,
  type SegmentPlan,
  type TableSchema,
} from '../../storage/segment-format.ts';
import { WARNINGS, WARNINGS_SCHEMA } from '../../storage/warnings-schema.ts';

/** Every buffer of a plan as [start, end). */
function buffersOf(plan: SegmentPlan): [number, number][] {
  const rows = plan.rowCapacity;
  const buffers: [number, number][] = [
    [0, descriptorOffset(plan.columns.length)],
    [plan.maskOffset, plan.maskOffset + plan.bitmapBytes],
  ];
  for (const column of plan.columns) {
    const values =
      (column.type === 'utf8' || column.type === 'json' ? rows + 1 : rows) * column.valueBytes;
    buffers.push([column.validityOffset, column.validityOffset + plan.bitmapBytes]);
    buffers.push([column.valuesOffset, column.valuesOffset + values]);
    if (column.heapCapacity > 0) {
      buffers.push([column.heapOffset, column.heapOffset + column.heapCapacity]);
    }
    if (column.dictionaryCapacity > 0) {
      const offsets = 4 * (column.dictionaryCapacity + 1);
      buffers.push([column.dictionaryOffset, column.dictionaryOffset + offsets]);
    }
  }
  return buffers.sort((left, right) => left[0] - right[0]);
}

describe('planSegment', () => {
  for (const schema of [EVENTS_SCHEMA, EDGES_SCHEMA] as TableSchema[]) {
    for (const rows of [1, 63, 64, 65, LIMITS.segmentRowsMax]) {
      it(`buffers of ${schema.name} with ${rows} rows are aligned, apart and inside the file`, () => {
        const plan = planSegment(schema, rows);
        let previousEnd = 0;
        for (const [index, [start, end]] of buffersOf(plan).entries()) {
          assert.ok(start >= previousEnd);
          assert.equal(index === 0 ? 0 : start % PAGE_BYTES, 0);
          assert.ok(end <= plan.fileBytes);
          previousEnd = end;
        }
        assert.ok(plan.bitmapBytes * 8 >= rows);
        assert.equal(plan.bitmapBytes % 8, 0);
        assert.ok(plan.fileBytes < 4 * GIB);
      });
    }
  }

  it('a segment of no row and one beyond the limit are refused', () => {
    assert.throws(() => planSegment(EVENTS_SCHEMA, 0), /1 to 122,880 rows/);
    assert.throws(() => planSegment(EVENTS_SCHEMA, LIMITS.segmentRowsMax + 1), /1 to 122,880 rows/);
  });

  it('a table of 256 columns fits, one of 257 is refused', () => {
    const columns = (count: number) =>
      Array.from({ length: count }, (_, index) => ({ name: `c${index}`, type: 'uint32' as const }));
    planSegment({ name: 'wide', schemaId: 1, columns: columns(256) });
    assert.throws(
      () => planSegment({ name: 'wide', schemaId: 1, columns: columns(257) }),
      /at most 256 columns/,
    );
  });

  it('a segment beyond 4 GiB is refused', () => {
    const heaps = { utf8: GIB, json: GIB, dictionary: GIB };
    assert.throws(() => planSegment(EVENTS_SCHEMA, 100, heaps), /below 4 GiB/);
  });

  it('the position tables of tables written from TypeScript are those of their schemas', () => {
    const snake = (name: string) => name.replace(/[A-Z]/g, (upper) => `_${upper.toLowerCase()}`);
    const pairs = [
      [EDGES, EDGES_SCHEMA],
      [DEAD_LETTERS, DEAD_LETTERS_SCHEMA],
      [WARNINGS, WARNINGS_SCHEMA],
    ] as const;
    for (const [positions, schema] of pairs) {
      assert.deepEqual(
        Object.entries(positions).map(([name, index]) => [snake(name), index]),
        schema.columns.map((column, index) => [column.name, index]),
      );
    }
  });
});
