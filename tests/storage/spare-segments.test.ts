import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { MIB } from '../../base/units.ts';
import { native } from '../../native/index.ts';
import type { HotTable } from '../../storage/hot-table.ts';
import {
  ALL_TYPES,
  COLUMN,
  type HotFixture,
  openDuckDb,
  openHotFixture,
  rowsOf,
} from '../native/scan-harness.ts';

const SEGMENT_ROWS = 1000;
const HOLD_TABLE = fileURLToPath(new URL('../support/hold-table.js', import.meta.url));

describe('SpareSegments', () => {
  let fixture: HotFixture;
  let table: HotTable;

  const open = (budgetBytes?: number): void => {
    fixture?.close();
    fixture = openHotFixture(budgetBytes);
    table = fixture.table(ALL_TYPES, SEGMENT_ROWS);
  };
  beforeEach(() => open());
  afterEach(() => native.releaseTables());

  /** Rows whose text and kind follow from their number; every fifth has neither. */
  function append(count: number): void {
    for (let index = 0; index < count; index += 1) {
      const sequence = table.stagedRows;
      const row = table.beginRow(64);
      row.setU64(COLUMN.sequence, sequence);
      if (sequence % 5 !== 0) {
        row.setUtf8(COLUMN.text, `text of ${sequence}`);
        row.setDictionary(COLUMN.kind, `kind ${sequence % 50}`);
      }
      row.endRow();
    }
    table.publishTo(table.stagedRows);
  }

  /** What DuckDB sees wrong, of the rows that are hot. */
  const WRONG = `
    SELECT count(*) FROM hot_scan('samples')
    WHERE text IS DISTINCT FROM CASE WHEN sequence % 5 <> 0 THEN 'text of ' || sequence END
       OR kind IS DISTINCT FROM CASE WHEN sequence % 5 <> 0 THEN 'kind ' || (sequence % 50) END`;

  it('the file of a dropped segment becomes that of a later one, which has its own rows only', async () => {
    const duckdb = await openDuckDb();
    append(SEGMENT_ROWS + 1);
    const [first] = table.segments;
    table.setCold(SEGMENT_ROWS, 1);
    assert.equal(table.spares.count, 1);
    append(SEGMENT_ROWS);
    assert.deepEqual([table.spares.count, table.spares.reusedCount], [0, 1]);
    assert.equal(existsSync(first!.path), false);
    assert.equal(table.activeRegion, first!.region);
    append(10);
    assert.deepEqual(await rowsOf(duckdb, WRONG), [[0n]]);
    assert.deepEqual(await rowsOf(duckdb, `SELECT count(*) FROM hot_scan('samples')`), [[1011n]]);
    duckdb.closeSync();
  });

  it('a file that a reader maps is not used again, and its rows stay as they are', async () => {
    const duckdb = await openDuckDb();
    append(SEGMENT_ROWS + 1);
    native.holdTable('samples');
    table.setCold(SEGMENT_ROWS, 1);
    append(3 * SEGMENT_ROWS);
    assert.deepEqual([table.spares.count, table.spares.reusedCount], [1, 0]);
    const held = `SELECT count(*), sum(sequence)::BIGINT FROM hot_scan('samples')`;
    const count = BigInt(SEGMENT_ROWS + 1);
    assert.deepEqual(await rowsOf(duckdb, held), [[count, (count * (count - 1n)) / 2n]]);
    // The next snapshot does without the dropped segment.
    native.releaseTables();
    native.holdTable('samples');
    append(SEGMENT_ROWS);
    assert.deepEqual([table.spares.count, table.spares.reusedCount], [0, 1]);
    duckdb.closeSync();
  });

  it('a file that another process maps is used again once that process is killed', async () => {
    append(SEGMENT_ROWS + 1);
    const reader = spawn(process.execPath, [HOLD_TABLE, fixture.directory, 'samples'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(reader.stdout, 'data');
    table.setCold(SEGMENT_ROWS, 1);
    append(SEGMENT_ROWS);
    assert.deepEqual([table.spares.count, table.spares.reusedCount], [1, 0]);
    reader.kill('SIGKILL');
    await once(reader, 'exit');
    append(SEGMENT_ROWS);
    assert.deepEqual([table.spares.count, table.spares.reusedCount], [0, 1]);
  });

  it('statements that run while files are used again never see rows of another life', async () => {
    const duckdb = await openDuckDb();
    let isWriting = true;
    let statements = 0;
    const reading = (async () => {
      for (; isWriting; statements += 1) {
        assert.deepEqual(await rowsOf(duckdb, WRONG), [[0n]]);
      }
    })();
    for (let round = 0; round < 300; round += 1) {
      append(400);
      table.setCold(Math.max(table.floorRow, table.stagedRows - 1500), round + 1);
      await new Promise(setImmediate);
    }
    isWriting = false;
    await reading;
    assert.ok(statements > 0);
    assert.ok(table.spares.reusedCount > 0);
    duckdb.closeSync();
  });

  it('spares take a quarter of the budget at most', () => {
    append(1);
    const segmentBytes = fixture.budget.usedBytes;
    open(32 * segmentBytes);
    append(20 * SEGMENT_ROWS);
    table.setCold(table.publishedRows, 1);
    assert.ok(table.spares.count > 0);
    assert.ok(table.spares.bytes <= 8 * segmentBytes);
    assert.equal(fixture.budget.usedBytes, table.spares.bytes + table.activeSegment.memoryBytes);
  });

  it('spares are given up before the budget refuses', () => {
    open(32 * MIB);
    append(SEGMENT_ROWS + 1);
    table.setCold(SEGMENT_ROWS, 1);
    const { usedBytes, limitBytes } = fixture.budget;
    table.requireRoom(limitBytes - usedBytes);
    assert.equal(table.spares.count, 1);
    table.requireRoom(limitBytes - usedBytes + 1);
    assert.equal(table.spares.count, 0);
    assert.equal(fixture.budget.usedBytes, table.activeSegment.memoryBytes);
    assert.throws(() => table.requireRoom(limitBytes), { code: 'TRIBUTARY_STORAGE_HOT_FULL' });
  });

  it('spares that nobody needs for ten minutes are given up', () => {
    append(SEGMENT_ROWS + 1);
    table.setCold(SEGMENT_ROWS, 1);
    table.spares.giveUpIdle(0);
    table.spares.giveUpIdle(599_999);
    assert.equal(table.spares.count, 1);
    table.spares.giveUpIdle(600_000);
    assert.equal(table.spares.count, 0);
  });

  it('an erasure leaves no spare, and none of the segments of its time becomes one', () => {
    append(2 * SEGMENT_ROWS + 1);
    table.setCold(SEGMENT_ROWS, 1);
    const paths = table.segments.map(({ path }) => path);
    table.hideNamed([], table.stagedRows);
    assert.equal(table.spares.count, 0);
    append(2 * SEGMENT_ROWS);
    table.setCold(3 * SEGMENT_ROWS, 2);
    assert.equal(table.spares.count, 0);
    assert.deepEqual(paths.map(existsSync), [false, false]);
  });

  it('a closed table gives the budget back what its spares took', () => {
    append(2 * SEGMENT_ROWS);
    table.setCold(SEGMENT_ROWS, 1);
    append(SEGMENT_ROWS / 2);
    table.close();
    assert.equal(fixture.budget.usedBytes, 0);
  });
});
