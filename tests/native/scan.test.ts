import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import type { DuckDBConnection } from '@duckdb/node-api';
import { native } from '../../native/index.ts';
import type { HotTable } from '../../storage/hot-table.ts';
import {
  ALL_TYPES,
  COLUMN,
  type HotFixture,
  openDuckDb,
  openHotFixture,
  rowsOf,
} from './scan-harness.ts';

describe('hot_scan', () => {
  let duckdb: DuckDBConnection;
  let fixture: HotFixture;
  let table: HotTable;
  const rows = (sql: string) => rowsOf(duckdb, sql);

  before(async () => {
    duckdb = await openDuckDb();
  });
  beforeEach(() => {
    fixture?.close();
    fixture = openHotFixture();
    table = fixture.table(ALL_TYPES, 5000);
    native.takeScanCounts();
  });
  after(() => {
    duckdb.closeSync();
    fixture.close();
  });

  /** Rows that have only a sequence, a timestamp of as many microseconds, and a kind. */
  function append(count: number, kinds = 3): void {
    for (let index = 0; index < count; index += 1) {
      const sequence = table.stagedRows;
      const row = table.beginRow(64);
      row.setU64(COLUMN.sequence, sequence);
      row.setTimestamp(COLUMN.happened, sequence);
      if (sequence % 7 !== 0) row.setDictionary(COLUMN.kind, `kind number ${sequence % kinds}`);
      row.endRow();
    }
  }

  it('every type arrives as DuckDB has it', async () => {
    const row = table.beginRow(100);
    row.setU64(COLUMN.sequence, Number.MAX_SAFE_INTEGER);
    row.setI64(COLUMN.signed, -5);
    row.setU32(COLUMN.small, 4294967295);
    row.setF64(COLUMN.real, 0.1);
    row.setTimestamp(COLUMN.happened, 1_700_000_000_123_456);
    row.setUtf8(COLUMN.text, 'grüße, 12 bytes+ 🎉');
    row.setJson(COLUMN.document, '{"a":[1,2]}');
    row.setDictionary(COLUMN.kind, 'twelve bytes');
    row.endRow();
    table.publishTo(1);
    assert.deepEqual(await rows(`SELECT * FROM hot_scan('samples')`), [
      [
        BigInt(Number.MAX_SAFE_INTEGER),
        -5n,
        4294967295,
        0.1,
        '2023-11-14 22:13:20.123456+00',
        'grüße, 12 bytes+ 🎉',
        '{"a":[1,2]}',
        'twelve bytes',
      ],
    ]);
    const described = await rows(`DESCRIBE SELECT * FROM hot_scan('samples')`);
    assert.deepEqual(
      described.map(([name, type]) => `${name} ${type}`),
      [
        'sequence UBIGINT',
        'signed BIGINT',
        'small UINTEGER',
        'real DOUBLE',
        'happened TIMESTAMP WITH TIME ZONE',
        'text VARCHAR',
        'document JSON',
        'kind VARCHAR',
      ],
    );
    assert.deepEqual(await rows(`SELECT document->'a'->>1 FROM hot_scan('samples')`), [['2']]);
  });

  it('a column that was not set is NULL, in every type', async () => {
    table.beginRow(0).endRow();
    table.publishTo(1);
    assert.deepEqual(await rows(`SELECT * FROM hot_scan('samples')`), [Array(8).fill(null)]);
    assert.deepEqual(await rows(`SELECT kind, count(*) FROM hot_scan('samples') GROUP BY 1`), [
      [null, 1n],
    ]);
  });

  it('strings of 0, 11, 12, 13 and 30,000 bytes keep their bytes', async () => {
    const texts = ['', 'x'.repeat(11), 'y'.repeat(12), 'z'.repeat(13), 'é'.repeat(15_000)];
    for (const [index, text] of texts.entries()) {
      const row = table.beginRow(90_000);
      row.setU64(COLUMN.sequence, index);
      row.setUtf8(COLUMN.text, text);
      row.setDictionary(COLUMN.kind, text);
      row.endRow();
    }
    table.publishTo(texts.length);
    const seen = await rows(`SELECT text, kind FROM hot_scan('samples') ORDER BY sequence`);
    assert.deepEqual(
      seen,
      texts.map((text) => [text, text]),
    );
  });

  it('an empty table has columns and no rows', async () => {
    assert.deepEqual(await rows(`SELECT count(*), max(text) FROM hot_scan('samples')`), [
      [0n, null],
    ]);
  });

  it('rows that are staged and not published are invisible', async () => {
    append(10);
    table.publishTo(4);
    assert.deepEqual(await rows(`SELECT sequence FROM hot_scan('samples') ORDER BY 1`), [
      [0n],
      [1n],
      [2n],
      [3n],
    ]);
  });

  it('rows span segments, and published rows may end inside an older one', async () => {
    append(12_345);
    assert.equal(table.segments.length, 3);
    table.publishTo(4_999);
    const sql = `SELECT count(*), sum(sequence) FROM hot_scan('samples')`;
    assert.deepEqual(await rows(sql), [[4_999n, sumBelow(4_999)]]);
    table.publishTo(12_345);
    assert.deepEqual(await rows(sql), [[12_345n, sumBelow(12_345)]]);
  });

  it('count(*) needs no column', async () => {
    append(12_345);
    table.publishTo(12_000);
    table.hide(3);
    assert.deepEqual(await rows(`SELECT count(*) FROM hot_scan('samples')`), [[11_999n]]);
  });

  it('hidden rows are left out, whole chunks and segments of them too', async () => {
    append(12_000);
    table.publishTo(12_000);
    const hidden = (row: number) => row % 5 === 1 || (row >= 4_090 && row < 11_000);
    for (let row = 0; row < 12_000; row += 1) if (hidden(row)) table.hide(row);
    const expected = [...Array(12_000).keys()].filter((row) => !hidden(row));
    const seen = await rows(
      `SELECT sequence, epoch_us(happened), kind FROM hot_scan('samples') ORDER BY 1`,
    );
    assert.deepEqual(
      seen,
      expected.map((row) => [
        BigInt(row),
        BigInt(row),
        row % 7 === 0 ? null : `kind number ${row % 3}`,
      ]),
    );
  });

  it('a dictionary larger than a vector, with NULLs, groups exactly', async () => {
    append(5_000, 4_001);
    table.publishTo(5_000);
    const kinds = new Set<string | null>();
    for (let row = 0; row < 5_000; row += 1) {
      kinds.add(row % 7 === 0 ? null : `kind number ${row % 4_001}`);
    }
    const [seen] = await rows(
      `SELECT count(*), sum(n), count(kind) FROM (
         SELECT kind, count(*) AS n FROM hot_scan('samples') GROUP BY kind)`,
    );
    assert.deepEqual(seen, [BigInt(kinds.size), 5_000n, BigInt(kinds.size - 1)]);
  });

  it('dictionary columns filter, join and sort like text', async () => {
    append(9_000);
    table.publishTo(9_000);
    const [counts] = await rows(`
      SELECT count(*) FILTER (a.kind = 'kind number 1'), count(*) FILTER (b.kind >= 'kind number 2')
      FROM hot_scan('samples') a JOIN hot_scan('samples') b USING (sequence)
      WHERE a.kind = b.kind`);
    const expected = (rest: number) =>
      [...Array(9_000).keys()].filter((row) => row % 7 !== 0 && row % 3 === rest).length;
    assert.deepEqual(counts, [BigInt(expected(1)), BigInt(expected(2))]);
  });

  it('a bound skips the segments outside it and no row inside it', async () => {
    append(15_000);
    table.publishTo(15_000);
    native.setScanBound('samples', 'happened', 5_000n, 9_999n);
    const sql = `SELECT count(*) FROM hot_scan('samples') WHERE epoch_us(happened) BETWEEN 5000 AND 9999`;
    assert.deepEqual(await rows(sql), [[5_000n]]);
    const counts = native.takeScanCounts();
    assert.deepEqual(counts, { segmentsScanned: 1, segmentsSkipped: 2, rowsScanned: 5_000 });
    native.clearScanBounds();
    assert.deepEqual(await rows(`SELECT count(*) FROM hot_scan('samples')`), [[15_000n]]);
    assert.equal(native.takeScanCounts().segmentsSkipped, 0);
  });

  it('a bound leaves out rows outside it, NULLs and hidden ones, on every ordered type', async () => {
    append(9_000);
    table.publishTo(9_000);
    table.hide(100);
    const count = `SELECT count(*), min(sequence), max(sequence) FROM hot_scan('samples')`;
    const inside = (await rows(
      `${count} WHERE happened BETWEEN make_timestamptz(50) AND make_timestamptz(4100)`,
    )) as unknown[];
    native.setScanBound('samples', 'happened', 50n, 4_100n);
    assert.deepEqual(await rows(count), inside);
    native.clearScanBounds();
    const bySequence = await rows(`${count} WHERE sequence BETWEEN 3000 AND 3003`);
    native.setScanBound('samples', 'sequence', 3_000n, 3_003n);
    assert.deepEqual(await rows(count), bySequence);
    native.clearScanBounds();
    native.setScanBound('samples', 'sequence', -10n, -1n);
    assert.deepEqual(await rows(`SELECT count(*) FROM hot_scan('samples')`), [[0n]]);
    native.clearScanBounds();
  });

  it('a bound of another table or an unknown column skips nothing', async () => {
    append(10);
    table.publishTo(10);
    native.setScanBound('others', 'happened', 500n, 600n);
    native.setScanBound('samples', 'absent', 500n, 600n);
    native.setScanBound('samples', 'kind', 500n, 600n);
    assert.deepEqual(await rows(`SELECT count(*) FROM hot_scan('samples')`), [[10n]]);
    native.clearScanBounds();
  });

  it('segments dropped while a statement runs stay readable for it', async () => {
    for (let index = 0; index < 20_000; index += 1) {
      const row = table.beginRow(64);
      row.setUtf8(COLUMN.text, `a text that is not inlined: ${index}`);
      row.setDictionary(COLUMN.kind, `a kind that is not inlined: ${index % 3}`);
      row.endRow();
    }
    table.publishTo(20_000);
    const stream = await duckdb.stream(`SELECT text, kind FROM hot_scan('samples')`);
    const chunks = [await stream.fetchChunk()];
    table.setCold(15_000, 1);
    // Another scan makes this process forget the dropped segments.
    const other = await openDuckDb();
    const count = `SELECT count(*) FROM hot_scan('samples')`;
    assert.deepEqual(await rowsOf(other, count), [[5_000n]]);
    for (;;) {
      const chunk = await stream.fetchChunk();
      if (chunk === null || chunk.rowCount === 0) break;
      chunks.push(chunk);
    }
    assert.deepEqual(await rowsOf(duckdb, count), [[5_000n]]);
    other.closeSync();
    // Read only now: the statement is over and the segments are unmapped.
    const seen = chunks.flatMap((chunk) => chunk?.getRows() ?? []);
    seen.sort((left, right) => indexOf(left[0]) - indexOf(right[0]));
    assert.equal(seen.length, 20_000);
    for (const [index, row] of seen.entries()) {
      const text = `a text that is not inlined: ${index}`;
      assert.deepEqual(row, [text, `a kind that is not inlined: ${index % 3}`]);
    }
  });

  it('rows below the floor are not hot any more, wherever in a segment it lies', async () => {
    append(9_000);
    table.publishTo(9_000);
    for (const floor of [1, 63, 64, 2_048, 2_100, 4_999, 5_000, 7_777, 9_000]) {
      table.setCold(floor, floor);
      const seen = await rows(
        `SELECT count(*), min(sequence), sum(sequence) FROM hot_scan('samples')`,
      );
      const left = BigInt(9_000 - floor);
      const sum = (left * BigInt(floor + 8_999)) / 2n;
      assert.deepEqual(seen, [left === 0n ? [0n, null, null] : [left, BigInt(floor), sum]]);
    }
  });

  it('a held snapshot stays as it was while rows come and become cold', async () => {
    append(6_000);
    table.publishTo(6_000);
    table.setCold(1_000, 7);
    const held = native.holdTable('samples');
    assert.deepEqual(held, { coldVersion: 7, floorRow: 1_000, publishedRows: 6_000 });
    append(3_000);
    table.publishTo(9_000);
    table.setCold(8_000, 8);
    const count = `SELECT count(*), min(sequence) FROM hot_scan('samples')`;
    assert.deepEqual(await rows(count), [[5_000n, 1_000n]]);
    native.releaseTables();
    assert.deepEqual(await rows(count), [[1_000n, 8_000n]]);
    assert.equal(native.holdTable('others'), 'there is no hot table others');
  });

  it('a statement prepared before rows came sees them', async () => {
    const prepared = await duckdb.prepare(`SELECT count(*) FROM hot_scan('samples')`);
    append(3);
    table.publishTo(3);
    assert.deepEqual((await prepared.runAndReadAll()).getRows(), [[3n]]);
  });

  it('an unknown table and NULL are errors of the statement', async () => {
    await assert.rejects(rows(`SELECT * FROM hot_scan('absent')`), /there is no hot table absent/);
    await assert.rejects(rows(`SELECT * FROM hot_scan(NULL)`), /there is no hot table/);
  });

  it('counts taken while rows are appended are published prefixes and never go back', async () => {
    let publishes = new Set([0n]);
    let previous = 0n;
    for (let round = 0; round < 40; round += 1) {
      const query = rows(
        `SELECT count(*), coalesce(sum(sequence), 0), coalesce(max(epoch_us(happened)), -1),
           count(kind) FROM hot_scan('samples')`,
      );
      // The query runs on DuckDB's threads while this loop appends on ours.
      for (let step = 0; step < 60; step += 1) {
        append(20);
        table.publishTo(table.stagedRows);
        publishes.add(BigInt(table.stagedRows));
      }
      const [count, sum, max, kinds] = (await query)[0] as [bigint, bigint, bigint, bigint];
      assert.ok(publishes.has(count), `${count} rows were published at some moment`);
      assert.ok(count >= previous);
      const expected = Number(count);
      assert.equal(BigInt(sum), sumBelow(expected));
      assert.equal(max, count - 1n);
      assert.equal(kinds, BigInt(expected - Math.ceil(expected / 7)));
      previous = count;
      publishes = new Set([...publishes].filter((published) => published >= count));
    }
  });
});

function sumBelow(count: number): bigint {
  return (BigInt(count) * BigInt(count - 1)) / 2n;
}

/** The number at the end of a text. */
function indexOf(text: unknown): number {
  return Number(String(text).slice(String(text).lastIndexOf(' ')));
}
