import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { type Catalog, HOT_CATALOG, policyOf } from '../../query/catalog.ts';
import type { Parameter } from '../../query/duckdb.ts';
import { type BoundCandidate, combineBounds, findBounds } from '../../query/pruning.ts';
import { StatementParser } from '../../query/statement-parser.ts';

const CATALOG: Catalog = HOT_CATALOG;

let parser: StatementParser;
before(async () => {
  parser = await StatementParser.open(policyOf(CATALOG));
});
after(() => parser.close());

/** The bounds of a statement as text: `timestamp min <expression>`. */
async function boundsOf(sql: string, parameters: readonly Parameter[] = []): Promise<string[]> {
  const parsed = await parser.parse(sql);
  assert.ok(!('code' in parsed), `${sql}: ${JSON.stringify(parsed)}`);
  const bounds: string[] = [];
  for (const bound of findBounds(parsed.root, parsed.relationUses, CATALOG, parameters)) {
    const text = await parser.expressionText(bound.expression);
    bounds.push(`${bound.column.name} ${bound.side} ${text}`);
  }
  return bounds;
}

test('each comparison bounds its side, whichever side the column is on', async () => {
  const where = async (term: string): Promise<string[]> =>
    boundsOf(`select * from events where ${term}`);
  assert.deepEqual(await where("timestamp >= '2026-01-01'"), ["timestamp min '2026-01-01'"]);
  assert.deepEqual(await where("'2026-01-01' > timestamp"), ["timestamp max '2026-01-01'"]);
  assert.deepEqual(await where('sequence = 5'), ['sequence min 5', 'sequence max 5']);
  assert.deepEqual(await where('5 <= sequence and sequence < 9'), [
    'sequence min 5',
    'sequence max 9',
  ]);
  assert.deepEqual(await where('not sequence > 5'), ['sequence max 5']);
  assert.deepEqual(await where("received_at between '2026-01-01' and now()"), [
    "received_at min '2026-01-01'",
    'received_at max now()',
  ]);
});

test('literals, casts, now and intervals are constants, parameters too', async () => {
  const lower = async (constant: string, parameters: Parameter[] = []): Promise<number> =>
    (await boundsOf(`select * from events where timestamp > ${constant}`, parameters)).length;
  assert.equal(await lower("date '2026-01-01'"), 1);
  assert.equal(await lower("timestamptz '2026-01-01 00:00:00+09'"), 1);
  assert.equal(await lower("'2026-01-01'::timestamp"), 1);
  assert.equal(await lower('now() - interval 3 day'), 1);
  assert.equal(await lower("now() - interval '1 month'"), 1);
  assert.equal(await lower("date_trunc('day', now()) - to_hours(3)"), 1);
  assert.equal(await lower('today() - 7'), 1);
  assert.equal(await lower('$1', ['2026-01-01']), 1);
  assert.equal(await lower('$1::timestamptz', ['2026-01-01']), 1);
  assert.equal(await lower('now() - to_days($1)', [7]), 1);
  assert.deepEqual(
    await boundsOf('select * from events where anchor between $1::uinteger and $2', ['5', 9]),
    ["anchor min CAST('5' AS UINTEGER)", 'anchor max 9'],
  );
  assert.equal(await lower('$1', [null]), 0);
  assert.equal(await lower('$1', []), 0);
  assert.equal(await lower('received_at'), 0);
  assert.equal(await lower('(select now())'), 0);
  assert.equal(await lower('to_timestamp(random() * 1e9)'), 0);
});

test('a bound holds through CTEs, subqueries, inner joins and the left side of a left join', async () => {
  const term = 'e.sequence > 5';
  for (const sql of [
    `with x as (select * from events e where ${term}) select * from x, x y`,
    `select * from (select * from events e where ${term}) where type = 'a'`,
    `select * from profiles where profile_id in (select profile_id from events e where ${term})`,
    `select * from events e join profiles p using (profile_id) where ${term}`,
    `select * from profiles p, events e where ${term}`,
    `select * from events e left join profiles p using (profile_id) where ${term}`,
    `select 1 union all select count(*) from events e where ${term}`,
    `select count(distinct type) from events e where ${term} and (type = 'a' or type = 'b')`,
    `summarize (select * from events e where ${term})`,
  ]) {
    assert.deepEqual(await boundsOf(sql), ['sequence min 5'], sql);
  }
});

test('where a bound is not certain there is none', async () => {
  for (const sql of [
    'select * from events',
    'select * from events where sequence > 5 or type = 1',
    'select * from events where not (sequence between 1 and 5)',
    'select * from events where sequence <> 5',
    'select * from events where sequence + 1 > 5',
    'select * from events where sequence in (1, 2)',
    'select * from events where case when sequence > 5 then true end',
    'select * from events where (sequence > 5) is null',
    'select count(*) from events having count(*) > 5',
    'select * from events qualify row_number() over (order by sequence) > 5',
    'select * from events e, events f where e.sequence > 5',
    'select * from events e where e.sequence > 5 and exists (select 1 from events)',
    'select * from events e, profile_traits t where e.sequence > 5',
    'select * from profiles p left join events e using (profile_id) where e.sequence > 5',
    'select * from events e full join profiles p using (profile_id) where e.sequence > 5',
    'select * from profiles p asof join events e on p.last_seen >= e.timestamp where e.sequence > 5',
    'select * from events positional join profiles where sequence > 5',
    'select * from events e join profiles p on e.sequence > 5',
    'select * from events tablesample 10% where sequence > 5',
    'select * from events where sequence > 5 using sample 3 rows',
    'select * from events as e(timestamp, sequence) where sequence > 5',
    'select message_id as sequence from events where sequence > 5',
    'select * from events sequence where sequence > 5',
    'select * from (select * from events) where sequence > 5',
    'with events as (select 1 as sequence) select * from events where sequence > 5',
    'with events as (select * from main.events) select * from events where sequence > 5',
    'select * from edges where sequence > 5',
    'select * from profiles p where p.event_count > 5',
    'select * from events where f.sequence > 5',
    'select * from events where timestamp > current_timestamp', // could be a column of another table
    'select * from events where sequence > 9007199254740993',
    'select (select 1 where sequence > 5) from events',
  ]) {
    assert.deepEqual(await boundsOf(sql), [], sql);
  }
});

test('bounds of one column are joined to the narrowest, and kept within 64 bits', () => {
  const column = { name: 'sequence', kind: 'integer' } as const;
  const bound = (side: 'min' | 'max', value: bigint | null) => {
    const candidate: BoundCandidate = { table: 'events', column, side, expression: {} };
    return { candidate, value };
  };
  assert.deepEqual(
    combineBounds([bound('min', 5n), bound('min', 7n), bound('max', 9n), bound('max', 2n ** 70n)]),
    [{ table: 'events', column: 'sequence', kind: 'integer', min: 7n, max: 9n }],
  );
  assert.deepEqual(combineBounds([bound('min', null)]), []);
  assert.deepEqual(combineBounds([bound('min', 1n)])[0]?.max, 2n ** 63n - 1n);
});
