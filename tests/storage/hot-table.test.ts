import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, unlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { KIB, MIB } from '../../base/units.ts';
import { HotBudget } from '../../storage/hot-budget.ts';
import { HotTable } from '../../storage/hot-table.ts';
import {
  COLUMN_DESCRIPTOR,
  descriptorOffset,
  planSegment,
  type TableSchema,
} from '../../storage/segment-format.ts';
import { TableRegistry } from '../../storage/table-registry.ts';

const SCHEMA = {
  name: 'notes',
  schemaId: 1,
  columns: [
    { name: 'anchor', type: 'uint32' },
    { name: 'text', type: 'utf8' },
    { name: 'kind', type: 'dictionary' },
    { name: 'happened', type: 'timestamp' },
  ],
} as const satisfies TableSchema;
const [ANCHOR, TEXT, KIND, HAPPENED] = [0, 1, 2, 3] as const;
const HEAPS = { utf8: 64 * KIB, json: 64 * KIB, dictionary: MIB };

describe('HotTable', () => {
  let directory: string;
  let registry: TableRegistry;
  let budget: HotBudget;
  let table: HotTable;

  const open = (rowCapacity: number, budgetBytes = 64 * MIB) => {
    budget = new HotBudget(budgetBytes);
    const plan = planSegment(SCHEMA, rowCapacity, HEAPS);
    table = new HotTable({ directory, registry, budget, plan, removeFile: unlinkSync });
  };
  const append = (count: number, text = '', kind = 'kind') => {
    for (let index = 0; index < count; index += 1) {
      const row = table.beginRow(Buffer.byteLength(text));
      row.setU32(ANCHOR, table.stagedRows);
      row.setUtf8(TEXT, text);
      row.setDictionary(KIND, kind);
      row.endRow();
    }
  };
  const counter = (column: number, field: number) =>
    table.activeSegment.words[(descriptorOffset(column) + field) / 4];

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'tributary-hot-'));
    registry = TableRegistry.create(directory);
  });
  afterEach(() => {
    table.close();
    registry.close();
    rmSync(directory, { recursive: true });
  });

  it('a new table has one empty segment', () => {
    open(10);
    assert.equal(table.segments.length, 1);
    assert.equal(registry.segmentCount(0), 1);
    assert.deepEqual([table.stagedRows, table.publishedRows, table.rowsFree], [0, 0, 10]);
    assert.equal(table.heapBytesFree, 64 * KIB);
  });

  it('the row behind a full segment starts the next one', () => {
    open(10);
    append(10);
    assert.equal(table.segments.length, 1);
    append(1);
    assert.equal(table.segments.length, 2);
    assert.deepEqual([table.stagedRows, table.activeSegment.firstRow], [11, 10]);
    assert.deepEqual(
      table.segments.map((segment) => segment.sealed),
      [true, false],
    );
  });

  it('a string that does not fit any more starts the next segment', () => {
    open(100);
    append(1, 'x'.repeat(60 * KIB));
    append(1, 'y'.repeat(4 * KIB));
    assert.equal(table.segments.length, 1);
    append(1, 'z');
    assert.equal(table.segments.length, 2);
  });

  it('the 65,536th dictionary entry fits and the next one starts a segment', () => {
    open(122_880);
    for (let index = 0; index < 65_536; index += 1) append(1, '', `${index}`);
    assert.equal(table.segments.length, 1);
    append(1, '', 'one more');
    assert.equal(table.segments.length, 2);
  });

  it('a row that is not ended leaves nothing behind', () => {
    open(10);
    const row = table.beginRow(10);
    row.setUtf8(TEXT, 'lost');
    row.setDictionary(KIND, 'kept entry');
    assert.equal(table.stagedRows, 0);
    table.beginRow(10).endRow();
    table.publishTo(1);
    assert.equal(counter(TEXT, COLUMN_DESCRIPTOR.heapUsed), 0);
    assert.equal(counter(TEXT, COLUMN_DESCRIPTOR.nullCount), 1);
    assert.equal(counter(KIND, COLUMN_DESCRIPTOR.dictionaryCount), 1);
  });

  it('minimum and maximum cover negative times, and are apart while there are none', () => {
    open(10);
    const bounds = () => {
      const view = new BigInt64Array(table.activeRegion.buffer);
      const at = descriptorOffset(HAPPENED);
      return [view[(at + COLUMN_DESCRIPTOR.min) / 8]!, view[(at + COLUMN_DESCRIPTOR.max) / 8]!];
    };
    append(1);
    table.publishTo(1);
    assert.ok(bounds()[0]! > bounds()[1]!);
    for (const micros of [5, -7_000_000_000_000, 2 ** 52]) {
      const row = table.beginRow(0);
      row.setTimestamp(HAPPENED, micros);
      row.endRow();
    }
    table.publishTo(4);
    assert.deepEqual(bounds(), [-7_000_000_000_000n, 2n ** 52n]);
  });

  it('a row is hidden once, in whichever segment it lies', () => {
    open(10);
    append(25);
    assert.deepEqual([table.hide(3), table.hide(3), table.hide(24)], [true, false, true]);
    assert.deepEqual(
      table.segments.map((segment) => segment.hiddenCount),
      [1, 0, 1],
    );
    assert.throws(() => table.hide(25), /only staged rows/);
  });

  it('typed columns show rows of every segment', () => {
    open(10);
    append(25);
    const anchors = table.segments.flatMap((segment) => [
      ...table.u32Column(segment, 'anchor').subarray(0, segment.stagedRows),
    ]);
    assert.deepEqual(anchors, [...Array(25).keys()]);
    assert.throws(() => table.u32Column(table.activeSegment, 'text'), /uint32 column/);
  });

  it('segments are dropped once all their rows are cold, and the active one never is', () => {
    open(10);
    append(25);
    table.publishTo(25);
    const paths = table.segments.map((segment) => segment.path);
    table.setCold(19, 1);
    table.setCold(25, 2);
    assert.equal(table.floorRow, 25);
    assert.equal(table.segments.length, 1);
    table.spares.giveUp(table.spares.bytes);
    assert.deepEqual(paths.map(existsSync), [false, false, true]);
    assert.equal(registry.segmentCount(0), 1);
    assert.throws(() => table.segmentOf(3), /while its segment is hot/);
  });

  it('the budget is charged for what is backed and gets all of it back', () => {
    open(10);
    const empty = budget.usedBytes;
    append(25, 'text');
    table.publishTo(25);
    assert.ok(budget.usedBytes > 2 * empty);
    table.setCold(25, 1);
    table.close();
    assert.equal(budget.usedBytes, 0);
  });

  it('a full budget refuses a new segment and leaves the table as it was', () => {
    open(10, 600 * KIB);
    const full = { code: 'TRIBUTARY_STORAGE_HOT_FULL', retryable: true };
    assert.throws(() => append(1000), full);
    const rows = table.stagedRows;
    assert.ok(rows >= 10 && rows % 10 === 0);
    assert.throws(() => append(1), full);
    table.publishTo(rows);
    assert.throws(() => table.requireRoom(64 * MIB), full);
    table.setCold(rows, 1);
    assert.equal(table.stagedRows, rows);
  });

  it('a directory that is gone is a named error and leaves the table as it was', () => {
    open(10);
    append(10);
    rmSync(directory, { recursive: true });
    assert.throws(() => append(1), { code: 'TRIBUTARY_STORAGE_REGION_FULL' });
    assert.deepEqual([table.stagedRows, table.segments.length], [10, 1]);
    directory = mkdtempSync(join(tmpdir(), 'tributary-hot-'));
  });

  it('our own mistakes stop at an assertion', () => {
    open(10);
    append(2);
    table.publishTo(2);
    assert.throws(() => table.publishTo(1), /stay published/);
    assert.throws(() => table.publishTo(3), /only staged rows/);
    assert.throws(() => table.setCold(3, 1), /only published rows/);
    table.setCold(2, 1);
    assert.throws(() => table.setCold(1, 2), /stay cold/);
    const row = table.beginRow(0);
    assert.throws(() => row.setU32(TEXT, 1), /setter of its type/);
    row.setU32(ANCHOR, 1);
    assert.throws(() => row.setU32(ANCHOR, 1), /once a row/);
    row.endRow();
    assert.throws(() => row.endRow(), /begun before it is ended/);
  });

  it('a closed table throws instead of touching unmapped memory', () => {
    open(10);
    append(1);
    const segment = table.activeSegment;
    table.close();
    table.close();
    assert.throws(() => segment.hide(0));
  });

  it('fills a segment to its last row when the last column ends where the file does', () => {
    // Symptom: `edges` could not take the last rows of a segment: "the reserved length is used up".
    open(512);
    const { columns, fileBytes } = table.activeSegment.plan;
    assert.equal(columns[HAPPENED]!.valuesOffset + 512 * 8, fileBytes);
    append(513);
    assert.equal(table.stagedRows, 513);
  });
});
