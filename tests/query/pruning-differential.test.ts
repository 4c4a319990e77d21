/**
 * Whatever a statement asks, leaving files out must not change its answer. The oracle is the same condition
 * over a subquery, which is never pruned: `FROM (SELECT * FROM events)`.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { ask, codeOf, rowsOf } from './sql-fixture.ts';
import { TieredEvents } from './tiered-events.ts';

const NAMES = ['signed up', 'Order Completed', "it's", 'a%b', '50', 'größer', ''] as const;
/** Two names or NULL on each day, so that days differ. */
const eventOf = (row: number): string | null => {
  const day = Math.floor(row / 24);
  return row % 3 === 0 && day % 2 === 0 ? null : NAMES[(day + (row % 2)) % NAMES.length]!;
};

const EVENT_TERMS = [
  `event = 'signed up'`,
  `'50' = event`,
  `event <> '50'`,
  `event IN ('50', 'a%b', NULL)`,
  `event NOT IN ('50', 'signed up')`,
  `event NOT IN ('50', NULL)`,
  `event LIKE 'a%'`,
  `event LIKE 'a!%b' ESCAPE '!'`,
  `event NOT LIKE '%e%'`,
  `event ILIKE 'ORDER%'`,
  `event SIMILAR TO '[0-9]+'`,
  `event GLOB 's*'`,
  `event IS NULL`,
  `event IS NOT NULL`,
  `event IS NOT DISTINCT FROM NULL`,
  `event IS DISTINCT FROM 'signed up'`,
  `event BETWEEN '4' AND 'P'`,
  `event > 'g'`,
  `lower(event) = 'order completed'`,
  `event || 'x' = 'a%bx'`,
  `event::VARCHAR = '50'`,
  `TRY_CAST(event AS INTEGER) = 50`,
  `length(event) = 0`,
  `starts_with(event, 'it''')`,
  `regexp_matches(event, 'ö')`,
  `coalesce(event, 'none') = 'none'`,
  `events.event = $1`,
  `event = NULL`,
  `event COLLATE NOCASE = 'SIGNED UP'`,
  `type = 'track'`,
  `type = 'page'`,
  `source IS NULL`,
] as const;

const PLACE_TERMS = [
  `timestamp >= TIMESTAMPTZ '2026-01-03 00:00:00+09'`,
  `timestamp < TIMESTAMP '2026-01-04 12:00:00'`,
  `timestamp = '2026-01-02T05:00:00-03:00'`,
  `timestamp IN ('2026-01-02T05:00:00Z', '2026-01-06T05:00:00Z')`,
  `timestamp::DATE = DATE '2026-01-05'`,
  `date_trunc('day', timestamp) = TIMESTAMPTZ '2026-01-02'`,
  `timestamp AT TIME ZONE 'Asia/Tokyo' >= TIMESTAMP '2026-01-06'`,
  `received_at BETWEEN DATE '2026-01-02' AND DATE '2026-01-03'`,
  `NOT received_at > '2026-01-03'`,
  `sequence = 77`,
  `sequence > 150.5`,
  `sequence IN (3, 99)`,
  `sequence::VARCHAR LIKE '9%'`,
  `sequence % 24 = 1`,
  `anchor = 2`,
  `anchor > 3`,
  `anchor < 5000000000`,
  `anchor <= -1`,
  `anchor = NULL`,
  `anchor BETWEEN $2::UINTEGER AND $3`,
  `timestamp < now() - to_days($3)`,
  `anchor > $3`,
] as const;

test('no answer changes because files were left out', async (context) => {
  const tiered = await TieredEvents.open(context);
  tiered.append(260, eventOf);
  for (const floor of [30, 96, 150, 220]) await tiered.flush(floor);
  const seed = 20_261_122;
  const random = seededRandom(seed);
  const choose = <Item>(items: readonly Item[]): Item =>
    items[Math.floor(random() * items.length)]!;
  const term = (): string => choose(random() < 0.6 ? EVENT_TERMS : PLACE_TERMS);
  const conditions = [
    ...EVENT_TERMS,
    ...PLACE_TERMS,
    ...Array.from({ length: 60 }, () => {
      const joined = `${term()} ${choose(['AND', 'OR'])} ${term()}`;
      return random() < 0.3 ? `NOT (${joined})` : `(${joined}) AND ${term()}`;
    }),
  ];
  let filesSkipped = 0;
  for (const condition of conditions) {
    const parameters = ['größer', '2', 3];
    const over = (source: string): string =>
      `SELECT count(*), sum(sequence)::VARCHAR, count(event), any_value(($1, $2, $3))
       FROM ${source} WHERE ${condition}`;
    const { text, error, statistics } = await ask(tiered.service, over('events'), { parameters });
    assert.equal(error, null, `seed ${seed}: ${condition}`);
    const whole = over('(SELECT * FROM events) AS events');
    const expected = await rowsOf(tiered.service, whole, { parameters });
    assert.deepEqual(JSON.parse(text).rows, expected, `seed ${seed}: ${condition}`);
    filesSkipped += statistics!.filesSkipped;
  }
  assert.ok(filesSkipped > conditions.length, `${filesSkipped} files were left out`);
});

// Symptom: a time that is none was answered 500, `transactioncontext error`, and cost the worker.
test('a bound that cannot be computed leaves the error to the statement', async (context) => {
  const tiered = await TieredEvents.open(context);
  const { service } = tiered;
  tiered.append(10);
  for (const bound of [`'no time'`, 'now() - to_days(999999999)', `date_trunc('eon', now())`]) {
    const sql = `SELECT count(*) FROM events WHERE received_at < now() AND timestamp > ${bound}`;
    const code = await codeOf(service, sql);
    assert.ok(
      code === 'TRIBUTARY_QUERY_VALUE_INVALID' || code === 'TRIBUTARY_QUERY_INVALID',
      code!,
    );
  }
  assert.equal(service.state.workersLost, 0);
});

test('a file without a wanted name is not read', async (context) => {
  const tiered = await TieredEvents.open(context);
  tiered.append(240, eventOf);
  await tiered.flush(216);
  const filesRead = async (condition: string): Promise<number> => {
    const sql = `SELECT count(*) FROM events WHERE ${condition}`;
    return (await ask(tiered.service, sql)).statistics!.filesRead;
  };
  // Nine days of two names each, seven names in turn; every other day with NULLs, from the first on.
  assert.equal(await filesRead('true'), 9);
  assert.equal(await filesRead("event = '50'"), 2);
  assert.equal(
    await filesRead("event IN ('50', 'größer') AND timestamp < '2026-01-04T12:00:00Z'"),
    1,
  );
  assert.equal(await filesRead("lower(event) LIKE 'order%' OR event = '50'"), 6);
  assert.equal(await filesRead("NOT (event <> 'a%b')"), 2);
  assert.equal(await filesRead('event IS NULL'), 5);
  assert.equal(await filesRead("event = 'never'"), 0);
  assert.equal(await filesRead("type = 'page'"), 0);
  assert.equal(await filesRead("event = '50' OR sequence = 1"), 9, 'of two columns');
  assert.equal(await filesRead("(event = '50') = (random() < 2)"), 9, 'another answer each time');
  assert.equal(await filesRead('anchor >= 5'), 1);
  const explained = await rowsOf(tiered.service, "EXPLAIN SELECT 1 FROM events WHERE event = '50'");
  assert.match(String(explained[1]![1]), /bounded by event in 1 of 7 values/);
});
