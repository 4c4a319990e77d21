/** What analysts are told of statements: `system.queries`, and the row that EXPLAIN has beside the plan. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, CollectingSink, codeOf, requestOf, rowsOf } from './sql-fixture.ts';
import { TieredEvents } from './tiered-events.ts';

test('recent statements are listed with what they read, newest first', async (context) => {
  const tiered = await TieredEvents.open(context);
  const { service } = tiered;
  tiered.append(100);
  await tiered.flush(72);
  const counted = "SELECT count(*) FROM events WHERE timestamp >= '2026-01-03' -- π";
  const sink = new CollectingSink();
  service.execute(requestOf(counted), sink, 'key of ann');
  await sink.answer;
  await codeOf(service, 'SELECT nothing FROM events');
  const listed = await rowsOf(
    service,
    `SELECT statement, key_id, state, code, rows, files_read, files_skipped, row_groups_read,
       bytes_read > 0 AND bytes_fetched > 0, segments_scanned > 0, hot_rows_scanned
     FROM system.queries q WHERE q.statement NOT LIKE '%system%'`,
  );
  assert.deepEqual(listed, [
    [
      'SELECT nothing FROM events',
      null,
      'failed',
      'TRIBUTARY_QUERY_COLUMN_UNKNOWN',
      ...[0, 3, 0, 3, true, false, 0],
    ],
    [counted, 'key of ann', 'finished', null, 1, 1, 2, 1, true, true, 28],
  ]);
  const own = await rowsOf(service, 'SELECT statement, state FROM "SYSTEM" . "queries" LIMIT 1');
  assert.deepEqual(own, [['SELECT statement, state FROM "SYSTEM" . "queries" LIMIT 1', 'running']]);
  const types = await rowsOf(service, 'SELECT typeof(started_at) FROM system.queries LIMIT 1');
  assert.deepEqual(types, [['TIMESTAMP WITH TIME ZONE']]);
});

test('a text with quotes of all kinds is listed as it is', async (context) => {
  const { service } = await TieredEvents.open(context);
  const text = `SELECT 'it''s "quoted" \\ \n 😀 \u0001' AS "a'b"`;
  await rowsOf(service, text);
  const found = await rowsOf(service, 'SELECT statement FROM system.queries LIMIT 1 OFFSET 1');
  assert.deepEqual(found, [[text]]);
  service.forgetTexts();
  const gone = await rowsOf(service, 'SELECT count(statement), count(*) FROM system.queries');
  assert.deepEqual(gone, [[1, 3]]);
});

test('errors behind a name of the schema system tell their true place', async (context) => {
  const { service } = await TieredEvents.open(context);
  const { error } = await ask(service, 'SELECT 1 FROM system.queries WHERE\n  nothing > 1');
  assert.match(error!.message, /line 2, column 3/);
  const unknown = 'TRIBUTARY_QUERY_RELATION_UNKNOWN';
  assert.equal(await codeOf(service, 'FROM system.settings'), unknown);
  assert.equal(await codeOf(service, 'FROM system.main.queries'), unknown);
  assert.equal(await codeOf(service, 'FROM system.information_schema.tables'), unknown);
  assert.equal(await codeOf(service, 'FROM system/**/.queries'), unknown);
});

test('EXPLAIN tells which files will be read, EXPLAIN ANALYZE what was', async (context) => {
  const tiered = await TieredEvents.open(context);
  const { service } = tiered;
  tiered.append(100);
  await tiered.flush(72);
  const sql = "SELECT count(*) FROM events WHERE timestamp >= '2026-01-03'";
  const readsOf = async (text: string): Promise<string> => {
    const rows = await rowsOf(service, text);
    assert.equal(rows.length, 2);
    assert.equal(rows[1]![0], 'reads');
    return String(rows[1]![1]);
  };
  const planned = await readsOf(`EXPLAIN ${sql}`);
  assert.match(planned, /^events: hot rows, 1 of 3 files \(1 of 3 row groups, .* of .*\)$/m);
  assert.match(planned, /^ {2}bounded by timestamp from 2026-01-03T00:00:00Z$/m);
  const ran = await readsOf(`EXPLAIN ANALYZE ${sql}`);
  assert.ok(ran.startsWith(planned));
  assert.match(ran, /^scanned 28 hot rows, in 1 of 1 segments$/m);
  assert.match(ran, /^read [\d.]+ [KM]iB of files$/m);
  assert.match(await readsOf('EXPLAIN SELECT 1'), /^nothing of the appliance is read$/);
});
