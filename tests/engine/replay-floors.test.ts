/** Which replayed rows are in the lake already: watermarks that differ, and records without events. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type FlooredTable, ReplayFloors } from '../../engine/replay-floors.ts';
import type { HotTable } from '../../storage/hot-table.ts';
import { ALL_TYPES, COLUMN, openHotFixture } from '../native/scan-harness.ts';

const ROWS_PER_SEGMENT = 4;

interface Replay {
  readonly table: FlooredTable & { readonly hot: HotTable };
  /** Replays a record that brings `rows` rows. */
  record(sequence: number, rows: number): void;
}

function open(context: TestContext, watermark: number): Replay & { readonly floors: ReplayFloors } {
  const fixture = openHotFixture();
  context.after(() => fixture.close());
  const hot = fixture.table(ALL_TYPES, ROWS_PER_SEGMENT);
  const table = { hot, watermark, skipTo: (floorRow: number) => hot.setCold(floorRow, 1) };
  const floors = new ReplayFloors([table]);
  return {
    table,
    floors,
    record(sequence, rows) {
      floors.pass(sequence, () => hot.stagedRows);
      for (let added = 0; added < rows; added += 1) {
        const row = hot.beginRow(8);
        row.setU64(COLUMN.sequence, sequence);
        row.endRow();
      }
    },
  };
}

test('rows up to the watermark are cold, and all behind it hot', (context) => {
  const { table, floors, record } = open(context, 20);
  record(1, 3);
  record(11, 6);
  record(21, 2);
  record(31, 1);
  table.hot.publishTo(12);
  floors.settle();
  assert.equal(table.hot.floorRow, 9);
  assert.deepEqual(
    table.hot.segments.map(({ firstRow }) => firstRow),
    [8],
  );
});

test('rows that a record without events brings just behind the watermark stay hot', (context) => {
  const { table, floors, record } = open(context, 10);
  record(1, 5);
  record(11, 1); // one sequence, as a configuration or a command takes
  record(12, 4);
  table.hot.publishTo(10);
  floors.settle();
  assert.equal(table.hot.floorRow, 5);
});

test('cold rows are let go while the replay goes on, and a log that ends below the watermark too', (context) => {
  const { table, floors, record } = open(context, 100);
  record(1, 6);
  table.hot.publishTo(6);
  floors.settle();
  assert.deepEqual([table.hot.floorRow, table.hot.segments.length], [6, 1]);
  record(50, 7);
  table.hot.publishTo(13);
  floors.settle();
  assert.equal(table.hot.floorRow, 13);
});

test('an empty lake makes nothing cold', (context) => {
  const { table, floors, record } = open(context, 0);
  record(1, 6);
  table.hot.publishTo(6);
  floors.settle();
  assert.equal(table.hot.floorRow, 0);
});
