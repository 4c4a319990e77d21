/** Parquet files of hot rows against a naive reading of the same segments, with DuckDB as the reader. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { DuckDBConnection } from '@duckdb/node-api';
import fc from 'fast-check';
import { GIB } from '../../base/units.ts';
import { encodeFiles } from '../../query/encode-files.ts';
import { EncodeProcess } from '../../query/encode-process.ts';
import type { HotTable } from '../../storage/hot-table.ts';
import { definitionOf } from '../../storage/lake/schema.ts';
import type { EncodedFile, EncodeRequest, FlushColumn } from '../../storage/parquet-encoder.ts';
import { ALL_TYPES, COLUMN, openDuckDb, openHotFixture } from '../native/scan-harness.ts';
import { type Row, readRows } from '../support/read-rows.ts';

const DAY_SECONDS = 86_400;
const PERSONAL = new Set(['text', 'document']);
const COLUMNS: readonly FlushColumn[] = definitionOf(ALL_TYPES, {
  personal: [...PERSONAL],
  sortBy: [],
}).columns.map((column, index) => {
  return { ...column, id: 10 + index, hotType: ALL_TYPES.columns[index]!.type };
});
const LIMITS = { memoryBytesMax: GIB, spillBytesMax: GIB, threads: 1 };

interface Sample {
  readonly seconds: number;
  readonly signed: number | null;
  readonly small: number | null;
  readonly real: number | null;
  readonly text: string | null;
  readonly kind: string | null;
  readonly hidden: boolean;
}

const nullable = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null, freq: 4 });
const samples = fc.array(
  fc.record<Sample>({
    seconds: fc.integer({ min: -2 * DAY_SECONDS, max: 2 * DAY_SECONDS }),
    signed: nullable(fc.maxSafeInteger()),
    small: nullable(fc.nat({ max: 2 ** 31 - 1 })),
    real: nullable(fc.double({ noNaN: true })),
    text: nullable(fc.string({ unit: 'grapheme', maxLength: 20 })),
    kind: nullable(fc.constantFrom('', 'a', 'grüße 🎉', 'twelve bytes')),
    hidden: fc.boolean(),
  }),
  { minLength: 1, maxLength: 200 },
);

function append(table: HotTable, sequence: number, value: Sample): void {
  const row = table.beginRow(200);
  row.setU64(COLUMN.sequence, sequence);
  row.setTimestamp(COLUMN.happened, value.seconds * 1_000_000);
  if (value.signed !== null) row.setI64(COLUMN.signed, value.signed);
  if (value.small !== null) row.setU32(COLUMN.small, value.small);
  if (value.real !== null) row.setF64(COLUMN.real, value.real);
  if (value.text !== null) {
    row.setUtf8(COLUMN.text, value.text);
    row.setJson(COLUMN.document, JSON.stringify(value.text));
  }
  if (value.kind !== null) row.setDictionary(COLUMN.kind, value.kind);
  row.endRow();
}

/** Rows [from, to) of the table, as slices of its segments. */
function requestOf(table: HotTable, from: number, to: number, directory: string): EncodeRequest {
  const slices = table.segments.flatMap(({ path, firstRow, stagedRows }) => {
    const fromRow = Math.max(from - firstRow, 0);
    const toRow = Math.min(to - firstRow, stagedRows);
    return fromRow < toRow ? [{ path, fromRow, toRow }] : [];
  });
  const output = join(directory, 'file');
  return {
    slices,
    columns: COLUMNS,
    dayColumn: 'happened',
    isUrgent: false,
    output,
    temporaryDirectory: directory,
  };
}

function dayOf(row: Row): number {
  return Math.floor(Number(row['happened']) / (DAY_SECONDS * 1e6));
}

describe('Parquet files of hot rows', () => {
  const directory = mkdtempSync(join(tmpdir(), 'tributary-parquet-'));
  let duckdb: DuckDBConnection;
  before(async () => {
    duckdb = await openDuckDb();
  });
  after(() => {
    duckdb.closeSync();
    rmSync(directory, { recursive: true });
  });

  const read = async (sql: string): Promise<unknown[][]> =>
    (await duckdb.runAndReadAll(sql)).getRows();

  async function assertHolds(file: EncodedFile, expected: readonly Row[]): Promise<void> {
    const { path } = file;
    const rows = await read(
      `SELECT sequence, signed, small, "real", epoch_us(happened), text, document, kind
       FROM read_parquet('${path}')`,
    );
    const names = ALL_TYPES.columns.map(({ name }) => name);
    assert.deepEqual(
      rows,
      expected.map((row) => names.map((name) => row[name])),
    );
    assert.equal(file.rows, expected.length);
    for (const { name, hotType: type, id } of COLUMNS) {
      const metrics = file.columns.get(id)!;
      const values = expected.map((row) => row[name]).filter((value) => value !== null);
      assert.equal(metrics.valueCount, expected.length);
      assert.equal(metrics.nullCount, expected.length - values.length);
      if (PERSONAL.has(name) || type === 'float64') {
        assert.equal(metrics.lower, undefined, `${name} has no bounds`);
        continue;
      }
      assert.equal(metrics.lower === undefined, values.length === 0);
      for (const value of values) {
        assert.ok(compare(metrics.lower!, value!) <= 0 && compare(value!, metrics.upper!) <= 0);
      }
    }
  }

  it('a file for each day holds the visible rows of the range, in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        samples,
        fc.integer({ min: 1, max: 90 }),
        fc.nat(),
        fc.nat(),
        async (values, rowCapacity, a, b) => {
          const fixture = openHotFixture();
          try {
            const table = fixture.table(ALL_TYPES, rowCapacity);
            values.forEach((value, sequence) => {
              append(table, sequence, value);
              if (value.hidden) table.hide(sequence);
            });
            table.publishTo(values.length);
            const [from, to] = [a % values.length, b % values.length].sort((x, y) => x - y);
            const files = await encodeFiles(requestOf(table, from!, to! + 1, directory), LIMITS);
            const expected = table.segments
              .flatMap((segment) => readRows(segment))
              .slice(from, to! + 1)
              .filter(({ hidden }) => !hidden);
            const days = [...new Set(expected.map(dayOf))].sort((x, y) => x - y);
            assert.deepEqual(
              files.map(({ day }) => day).sort((x, y) => x! - y!),
              days,
            );
            for (const file of files) {
              await assertHolds(
                file,
                expected.filter((row) => dayOf(row) === file.day),
              );
            }
          } finally {
            fixture.close();
          }
        },
      ),
      { numRuns: 40 },
    );
  });

  it('every engine finds what it needs in the file: ids, plain types, ZSTD, v1 encodings', async () => {
    const fixture = openHotFixture();
    after(() => fixture.close());
    const table = fixture.table(ALL_TYPES, 50);
    const value = { signed: 1, small: 2, real: 0.5, text: 'text', kind: 'kind', hidden: false };
    for (let row = 0; row < 120; row += 1) append(table, row, { ...value, seconds: row });
    table.publishTo(120);
    const request = { ...requestOf(table, 0, 120, directory), dayColumn: undefined };
    const [file] = await encodeFiles(request, LIMITS);
    const { path } = file!;
    assert.equal(file!.day, null);
    const schema = await read(
      `SELECT name, field_id, type, converted_type FROM parquet_schema('${path}')
       WHERE field_id IS NOT NULL ORDER BY field_id`,
    );
    assert.deepEqual(
      schema.map((row) => row.map((cell) => (cell === null ? null : String(cell)))),
      [
        ['sequence', '10', 'INT64', 'INT_64'],
        ['signed', '11', 'INT64', 'INT_64'],
        ['small', '12', 'INT32', 'INT_32'],
        ['real', '13', 'DOUBLE', null],
        ['happened', '14', 'INT64', 'TIMESTAMP_MICROS'],
        ['text', '15', 'BYTE_ARRAY', 'UTF8'],
        ['document', '16', 'BYTE_ARRAY', 'UTF8'],
        ['kind', '17', 'BYTE_ARRAY', 'UTF8'],
      ],
    );
    const groups = await read(
      `SELECT path_in_schema, compression, encodings,
         CAST(min(COALESCE(dictionary_page_offset, data_page_offset)) OVER () AS BIGINT)
       FROM parquet_metadata('${path}')`,
    );
    for (const [, compression, encodings] of groups) {
      assert.equal(compression, 'ZSTD');
      assert.match(String(encodings), /^[A-Z_, ]+$/);
      assert.ok(!/DELTA|BYTE_STREAM/.test(String(encodings)), String(encodings));
    }
    assert.deepEqual([...file!.splitOffsets].map(BigInt), [groups[0]![3]]);
  });

  it('an encoder process that cannot read a segment says so and goes on', async () => {
    const fixture = openHotFixture();
    after(() => fixture.close());
    const table = fixture.table(ALL_TYPES, 50);
    append(table, 0, {
      seconds: 0,
      signed: null,
      small: null,
      real: null,
      text: null,
      kind: null,
      hidden: false,
    });
    table.publishTo(1);
    const request = requestOf(table, 0, 1, directory);
    const encoder = new EncodeProcess();
    const slices = request.slices.map((slice) => ({ ...slice, path: `${slice.path}.gone` }));
    await assert.rejects(encoder.encode({ ...request, slices }), /No such file/);
    const processId = encoder.processIds[0]!;
    const [file] = await encoder.encode(request);
    assert.equal(file!.rows, 1);
    assert.equal(encoder.processIds[0], processId);
    await encoder.close();
    await assert.rejects(encoder.encode(request), { code: 'TRIBUTARY_LAKE_ENCODE_FAILED' });
  });

  it('a process that is killed takes its request with it, and the next one starts another', async () => {
    const fixture = openHotFixture();
    after(() => fixture.close());
    const table = fixture.table(ALL_TYPES, 50);
    const value = { signed: 1, small: 2, real: 0.5, text: 'text', kind: 'kind', hidden: false };
    for (let row = 0; row < 120; row += 1) append(table, row, { ...value, seconds: row });
    table.publishTo(120);
    const request = requestOf(table, 0, 120, directory);
    const encoder = new EncodeProcess();
    const lost = assert.rejects(encoder.encode(request), /SIGKILL/);
    process.kill(encoder.processIds[0]!, 'SIGKILL');
    await lost;
    const [file] = await encoder.encode(request);
    assert.equal(file!.rows, 120);
    await encoder.close();
  });
});

function compare(a: unknown, b: unknown): number {
  if (typeof a === 'string' && typeof b === 'string') {
    return Buffer.compare(Buffer.from(a), Buffer.from(b));
  }
  return Number(a) - Number(b);
}
