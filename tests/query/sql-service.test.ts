import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ask, CollectingSink, codeOf, openService, requestOf, rowsOf } from './sql-fixture.ts';

const FOREVER = 'SELECT count(*) FROM range(1e12::BIGINT)';

test('a query gives columns, rows and statistics as one JSON document', async (context) => {
  const service = await openService(context);
  const answer = await ask(service, 'SELECT sequence, type FROM events ORDER BY 1 LIMIT 2');
  assert.equal(answer.error, null);
  assert.equal(answer.contentType, 'application/json; charset=utf-8');
  const document = JSON.parse(answer.text);
  assert.deepEqual(document.columns, [
    { name: 'sequence', type: 'UBIGINT' },
    { name: 'type', type: 'VARCHAR' },
  ]);
  assert.deepEqual(document.rows, [
    [0, 'track'],
    [1, 'track'],
  ]);
  assert.equal(document.statistics.rows, 2);
  assert.equal(answer.statistics?.rows, 2);
});

test('an empty result is a document without rows, and no line at all', async (context) => {
  const service = await openService(context);
  const sql = 'SELECT sequence FROM events WHERE false';
  assert.deepEqual(JSON.parse((await ask(service, sql)).text).rows, []);
  assert.equal((await ask(service, sql, { format: 'ndjson' })).text, '');
});

test('parameters are bound by position, an integer beyond 2^53 as text', async (context) => {
  const service = await openService(context);
  assert.deepEqual(await rowsOf(service, 'SELECT $2, $1, $1', { parameters: ['a', 1.5] }), [
    [1.5, 'a', 'a'],
  ]);
  assert.deepEqual(
    await rowsOf(service, 'SELECT ?::BIGINT, ?', {
      parameters: ['42', null],
    }),
    [[42, null]],
  );
  assert.deepEqual(
    await rowsOf(service, 'SELECT count(*) FROM events WHERE sequence < $1 AND timestamp < $2', {
      parameters: ['500', '2026-01-01T00:01:00Z'],
    }),
    [[60]],
  );
});

test('parameters that do not fit the statement are refused by name', async (context) => {
  const service = await openService(context);
  const code = 'TRIBUTARY_QUERY_PARAMETERS_INVALID';
  assert.equal(await codeOf(service, 'SELECT $1'), code);
  assert.equal(await codeOf(service, 'SELECT 1', { parameters: [1] }), code);
  assert.equal(await codeOf(service, 'SELECT $name', { parameters: [1] }), code);
  for (const sql of ['SELECT $2', 'SELECT $1 + $3']) {
    const { error } = await ask(service, sql, { parameters: [1] });
    assert.equal(error?.code, code, sql);
    assert.match(error.message, /without gaps/);
  }
});

test('an error of the SQL tells line and column, and no statement is spoilt by the last', async (context) => {
  const service = await openService(context);
  const { error, body } = await ask(service, 'SELECT sequence,\n  nothing\nFROM events');
  assert.equal(error?.code, 'TRIBUTARY_QUERY_COLUMN_UNKNOWN');
  assert.match(error.message, /"nothing".*\(line 2, column 3\)/);
  assert.equal(body, 'none');
  assert.equal(await codeOf(service, 'SELEC 1'), 'TRIBUTARY_QUERY_SYNTAX');
  assert.equal(await codeOf(service, 'SELECT * FROM nowhere'), 'TRIBUTARY_QUERY_RELATION_UNKNOWN');
  assert.equal(await codeOf(service, "SELECT 'a'::INTEGER"), 'TRIBUTARY_QUERY_VALUE_INVALID');
  assert.deepEqual(await rowsOf(service, 'SELECT count(*) FROM events'), [[1000]]);
});

test('a mistyped table is answered with the one that was meant', async (context) => {
  const service = await openService(context);
  const { error } = await ask(service, 'SELECT * FROM evnets');
  assert.equal(error?.message, 'There is no table evnets (did you mean events?).');
  const other = await ask(service, 'SELECT * FROM customers');
  assert.equal(other.error?.message, 'There is no table customers.');
});

test('a statement that fails after its first rows ends JSON and NDJSON with the error', async (context) => {
  const service = await openService(context);
  const sql = `SELECT CASE WHEN i = 900000 THEN error('late')::INTEGER ELSE i END FROM range(1000000) t(i)`;
  const json = await ask(service, sql);
  assert.equal(json.body, 'explained');
  assert.equal(JSON.parse(json.text).error.code, 'TRIBUTARY_QUERY_VALUE_INVALID');
  const lines = (await ask(service, sql, { format: 'ndjson' })).text.trimEnd().split('\n');
  assert.equal(JSON.parse(lines.at(-1)!).error.code, 'TRIBUTARY_QUERY_VALUE_INVALID');
});

test('EXPLAIN and EXPLAIN ANALYZE describe the statement', async (context) => {
  const service = await openService(context);
  const [[, plan]] = (await rowsOf(service, 'EXPLAIN SELECT count(*) FROM events')) as [
    [string, string],
  ];
  assert.match(plan, /SCAN/);
  const analyzed = await rowsOf(service, '-- why\nexplain  analyze SELECT count(*) FROM events');
  // The plan, and a row that says what was read.
  assert.equal(analyzed.length, 2);
});

test('a statement over its time is ended, and the next one runs', async (context) => {
  const service = await openService(context);
  const { error, body } = await ask(service, FOREVER, { timeoutMs: 200 });
  assert.equal(error?.code, 'TRIBUTARY_QUERY_TIMEOUT');
  assert.equal(body, 'none');
  assert.equal(service.counters.queriesTimedOut, 1);
  assert.deepEqual(await rowsOf(service, 'SELECT 1'), [[1]]);
});

test('a statement that cannot be interrupted costs its worker, not the next query', async (context) => {
  const service = await openService(context);
  // One call of one function over one value; the interrupt is looked at only between vectors.
  const deaf = `SELECT length(regexp_replace(repeat('a', 300000), '(a|aa)+$b', 'c')),
    levenshtein(repeat('ab', 60000), repeat('ba', 60000))`;
  assert.equal(await codeOf(service, deaf, { timeoutMs: 100 }), 'TRIBUTARY_QUERY_TIMEOUT');
  assert.deepEqual(await rowsOf(service, 'SELECT 1'), [[1]]);
});

test('a cancelled statement is told once, running or waiting', async (context) => {
  const service = await openService(context);
  const running = new CollectingSink();
  const waiting = new CollectingSink();
  const first = service.execute(requestOf(FOREVER), running);
  const second = service.execute(requestOf(FOREVER), waiting);
  second.cancel();
  assert.equal((await waiting.answer).error?.code, 'TRIBUTARY_QUERY_CANCELLED');
  setTimeout(() => first.cancel(), 500);
  assert.equal((await running.answer).error?.code, 'TRIBUTARY_QUERY_CANCELLED');
  first.cancel();
  assert.deepEqual(await rowsOf(service, 'SELECT 1'), [[1]]);
});

test('the queue takes its limit and refuses one more, at once', async (context) => {
  const service = await openService(context, { options: { queueMax: 2 } });
  assert.deepEqual(await rowsOf(service, 'SELECT 1'), [[1]]);
  const sinks = [0, 1, 2].map(() => new CollectingSink());
  const queries = sinks.map((sink) => service.execute(requestOf(FOREVER), sink));
  const { error } = await ask(service, 'SELECT 1');
  assert.equal(error?.code, 'TRIBUTARY_QUERY_QUEUE_FULL');
  assert.equal(error.status, 429);
  assert.equal(error.retryAfterSeconds, service.retryAfterSeconds);
  for (const query of queries) query.cancel();
  await Promise.all(sinks.map((sink) => sink.answer));
  assert.deepEqual(await rowsOf(service, 'SELECT 1'), [[1]]);
});

test('a worker that is killed takes only its own query', async (context) => {
  const service = await openService(context, { options: { workerCount: 2 } });
  await Promise.all([rowsOf(service, 'SELECT 1'), rowsOf(service, 'SELECT 1')]);
  const [victim] = service.workerProcessIds;
  const sinks = [new CollectingSink(), new CollectingSink()];
  const sql = 'SELECT count(*) FROM range(3000000000)';
  for (const sink of sinks) service.execute(requestOf(sql), sink);
  while (service.state.running < 2) await sleep(10);
  process.kill(victim!, 'SIGKILL');
  const answers = await Promise.all(sinks.map((sink) => sink.answer));
  const codes = answers.map((answer) => answer.error?.code ?? 'none').sort();
  assert.deepEqual(codes, ['TRIBUTARY_QUERY_WORKER_LOST', 'none']);
  assert.deepEqual(await rowsOf(service, 'SELECT 1'), [[1]]);
});

test('a value beyond the memory of a worker fails, and the next query runs', async (context) => {
  const service = await openService(context);
  const sql = `SELECT repeat('x', 2000000000)`;
  const code = await codeOf(service, sql);
  assert.ok(
    code === 'TRIBUTARY_QUERY_MEMORY_EXCEEDED' || code === 'TRIBUTARY_QUERY_WORKER_LOST',
    String(code),
  );
  assert.deepEqual(await rowsOf(service, 'SELECT count(*) FROM events'), [[1000]]);
});

test('an aggregate beyond the memory limit fails by name and keeps its worker', async (context) => {
  const service = await openService(context);
  const sql = 'SELECT len(list(i)) FROM range(1000000000) t(i)';
  assert.equal(await codeOf(service, sql), 'TRIBUTARY_QUERY_MEMORY_EXCEEDED');
  assert.deepEqual(await rowsOf(service, 'SELECT 1'), [[1]]);
  assert.equal(service.state.workersLost, 0);
});

test('a result over its budget of rows or bytes says so at its end', async (context) => {
  const service = await openService(context, {
    options: { resultRowsMax: 5000, resultBytesMax: 100_000 },
  });
  assert.equal((await rowsOf(service, 'FROM range(5000)')).length, 5000);
  const rows = await ask(service, 'FROM range(5001)');
  assert.equal(JSON.parse(rows.text).error.code, 'TRIBUTARY_QUERY_RESULT_TOO_LARGE');
  const bytes = await ask(service, `SELECT repeat('x', 1000) FROM range(200)`);
  assert.equal(bytes.error?.code, 'TRIBUTARY_QUERY_RESULT_TOO_LARGE');
});

test('a client that stops reading makes the worker wait, and gets every row after', async (context) => {
  const service = await openService(context);
  let taking = false;
  const sink = new CollectingSink(() => taking);
  service.execute(requestOf('FROM range(3000000)'), sink);
  await sink.began;
  await new Promise((resolve) => setTimeout(resolve, 300));
  const waitingAt = sink.bytes;
  await new Promise((resolve) => setTimeout(resolve, 300));
  assert.equal(sink.bytes, waitingAt);
  assert.ok(waitingAt < 4_000_000, `${waitingAt} bytes came unasked`);
  taking = true;
  sink.drain();
  const answer = await sink.answer;
  assert.equal(answer.error, null);
  const { rows } = JSON.parse(answer.text) as { rows: number[][] };
  assert.equal(rows.length, 3_000_000);
  assert.deepEqual(rows.at(-1), [2_999_999]);
});

test('a large result streams through a worker whose memory stays flat', async (context) => {
  const service = await openService(context);
  await rowsOf(service, 'SELECT 1');
  const [processId] = service.workerProcessIds;
  const sink = new CollectingSink(() => true, false);
  service.execute(
    requestOf(`SELECT i, repeat('x', 200) AS x FROM range(1500000) t(i)`, { format: 'ndjson' }),
    sink,
  );
  const answer = await sink.answer;
  assert.equal(answer.error, null);
  assert.ok(sink.bytes > 300_000_000);
  const status = readFileSync(`/proc/${processId}/status`, 'utf8');
  const peakKibibytes = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]);
  assert.ok(peakKibibytes < 600_000, `${peakKibibytes} KiB`);
});

test('workers yield to the appliance and carry none of its environment', async (context) => {
  process.env['TRIBUTARY_TEST_SECRET'] = 'secret';
  const service = await openService(context);
  delete process.env['TRIBUTARY_TEST_SECRET'];
  await rowsOf(service, 'SELECT 1');
  const [processId] = service.workerProcessIds;
  assert.equal(getPriority(processId), 10);
  assert.equal(readFileSync(`/proc/${processId}/oom_score_adj`, 'utf8').trim(), '900');
  assert.equal(readFileSync(`/proc/${processId}/environ`, 'utf8').includes('secret'), false);
});

test('workers that cannot start make queries fail instead of wait', async (context) => {
  const catalog = { setup: ['SELECT nonsense'], relations: [] };
  const service = await openService(context, { settings: { catalog } });
  assert.equal(await codeOf(service, 'SELECT 1'), 'TRIBUTARY_QUERY_UNAVAILABLE');
  assert.equal(await codeOf(service, 'SELECT 1'), 'TRIBUTARY_QUERY_UNAVAILABLE');
});

test('closing refuses what waits, and ends what runs after the grace', async (context) => {
  const service = await openService(context);
  await rowsOf(service, 'SELECT 1');
  const running = new CollectingSink();
  const waiting = new CollectingSink();
  service.execute(requestOf(FOREVER), running);
  service.execute(requestOf(FOREVER), waiting);
  const closed = service.close(100);
  assert.equal((await waiting.answer).error?.code, 'TRIBUTARY_QUERY_CLOSED');
  await closed;
  assert.equal((await running.answer).error?.code, 'TRIBUTARY_QUERY_WORKER_LOST');
  assert.equal(await codeOf(service, 'SELECT 1'), 'TRIBUTARY_QUERY_CLOSED');
  assert.deepEqual(service.workerProcessIds, []);
});
