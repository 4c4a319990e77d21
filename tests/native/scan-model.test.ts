/** Random tables against a naive model: a list of rows, a floor, a published count, a set of hidden rows. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { DuckDBConnection } from '@duckdb/node-api';
import fc from 'fast-check';
import type { HotTable } from '../../storage/hot-table.ts';
import { ALL_TYPES, COLUMN, openDuckDb, openHotFixture, rowsOf } from './scan-harness.ts';

interface Sample {
  readonly signed: number | null;
  readonly small: number | null;
  readonly real: number | null;
  readonly happened: number | null;
  readonly text: string | null;
  readonly kind: string | null;
}

type Step =
  | { readonly append: readonly Sample[] }
  | { readonly publish: number }
  | { readonly hide: number }
  | { readonly cool: number }
  | { readonly rotate: true };

const whole = fc.integer({ min: -(2 ** 53) + 1, max: 2 ** 53 - 1 });
const nullable = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: null, freq: 4 });
const text = fc.string({ unit: 'grapheme', maxLength: 24 });
const sample = fc.record<Sample>({
  signed: nullable(whole),
  small: nullable(fc.nat({ max: 2 ** 32 - 1 })),
  real: nullable(fc.double({ noNaN: true })),
  // Years 1600 to 2300: DuckDB prints them and JavaScript holds them.
  happened: nullable(fc.integer({ min: -11_676_096_000, max: 10_413_792_000 })),
  text: nullable(text),
  kind: nullable(fc.constantFrom('', 'a', 'twelve bytes', 'thirteen byte', 'grüße an alle 🎉')),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ append: fc.array(sample, { maxLength: 90 }) }) },
  { weight: 3, arbitrary: fc.record({ publish: fc.nat({ max: 1000 }) }) },
  { weight: 2, arbitrary: fc.record({ hide: fc.nat({ max: 1000 }) }) },
  { weight: 2, arbitrary: fc.record({ cool: fc.nat({ max: 300 }) }) },
  { weight: 1, arbitrary: fc.record({ rotate: fc.constant<true>(true) }) },
);

class Model {
  readonly rows: Sample[] = [];
  readonly hidden = new Set<number>();
  floor = 0;
  published = 0;

  visible(): unknown[][] {
    const seen: unknown[][] = [];
    for (const [row, value] of this.rows.slice(0, this.published).entries()) {
      if (row < this.floor || this.hidden.has(row)) continue;
      const { signed, small, real, happened } = value;
      seen.push([
        BigInt(row),
        signed === null ? null : BigInt(signed),
        small,
        real,
        happened === null ? null : BigInt(happened) * 1_000_000n,
        value.text,
        value.kind,
      ]);
    }
    return seen;
  }
}

function apply(table: HotTable, model: Model, action: Step): void {
  if ('append' in action) {
    for (const value of action.append) {
      appendSample(table, model.rows.length, value);
      model.rows.push(value);
    }
  } else if ('publish' in action) {
    model.published = Math.min(model.published + action.publish, model.rows.length);
    table.publishTo(model.published);
  } else if ('hide' in action) {
    if (model.rows.length === model.floor) return;
    const row = model.floor + (action.hide % (model.rows.length - model.floor));
    assert.equal(table.hide(row), !model.hidden.has(row));
    model.hidden.add(row);
  } else if ('cool' in action) {
    model.floor = Math.min(model.floor + action.cool, model.published);
    table.setCold(model.floor, 1);
  } else {
    table.sealAndRotate();
  }
}

function appendSample(table: HotTable, sequence: number, value: Sample): void {
  const row = table.beginRow(200);
  row.setU64(COLUMN.sequence, sequence);
  if (value.signed !== null) row.setI64(COLUMN.signed, value.signed);
  if (value.small !== null) row.setU32(COLUMN.small, value.small);
  if (value.real !== null) row.setF64(COLUMN.real, value.real);
  if (value.happened !== null) row.setTimestamp(COLUMN.happened, value.happened * 1_000_000);
  if (value.text !== null) row.setUtf8(COLUMN.text, value.text);
  if (value.kind !== null) row.setDictionary(COLUMN.kind, value.kind);
  row.endRow();
}

describe('hot_scan against a model', () => {
  let duckdb: DuckDBConnection;
  before(async () => {
    duckdb = await openDuckDb();
  });
  after(() => duckdb.closeSync());

  it('a scan shows exactly the published rows that are not hidden', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 12 }),
        fc.integer({ min: 1, max: 130 }),
        async (steps, rowCapacity) => {
          const fixture = openHotFixture();
          try {
            const table = fixture.table(ALL_TYPES, rowCapacity);
            const model = new Model();
            for (const action of steps) apply(table, model, action);
            const seen = await rowsOf(
              duckdb,
              `SELECT sequence, signed, small, "real", epoch_us(happened), text, kind
               FROM hot_scan('samples') ORDER BY sequence`,
            );
            assert.deepEqual(seen, model.visible());
          } finally {
            fixture.close();
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
