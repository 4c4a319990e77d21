import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import * as fc from 'fast-check';
import { type Connection, Database } from '../../query/duckdb.ts';
import { type ResultFormat, writerOf } from '../../query/result-formats.ts';
import { dateText, timestampText } from '../../query/time-text.ts';

let database: Database;
let connection: Connection;
before(async () => {
  database = await Database.open({});
  connection = await database.connect();
  await connection.run("SET TimeZone = 'UTC'");
});
after(() => {
  connection.close();
  database.close();
});

const STATISTICS = {
  elapsedMs: 1,
  rows: 0,
  bytes: 0,
  rowsScanned: 0,
  segmentsScanned: 0,
  segmentsSkipped: 0,
  filesRead: 0,
  filesSkipped: 0,
  rowGroupsRead: 0,
  rowGroupsSkipped: 0,
  bytesFetched: 0,
  bytesRead: 0,
  bytesSkipped: 0,
};

async function textOf(sql: string, format: ResultFormat): Promise<string> {
  const statement = await connection.prepare(sql);
  const result = await statement.stream();
  const writer = writerOf(format, result);
  let text = '';
  const emit = (piece: string): void => {
    text += piece;
  };
  writer.begin(emit);
  for (let chunk = await result.nextChunk(); chunk !== null; chunk = await result.nextChunk()) {
    writer.rows(chunk, emit);
  }
  writer.end(STATISTICS, emit);
  statement.close();
  return text;
}

/** The one value of a statement, as it stands in NDJSON. */
async function jsonOf(expression: string): Promise<string> {
  const line = await textOf(`SELECT ${expression} AS v`, 'ndjson');
  return line.slice('{"v":'.length, -'}\n'.length);
}

/** SQL expression, and its JSON text. */
const VALUES: readonly (readonly [string, string])[] = [
  ['NULL', 'null'],
  ['true', 'true'],
  ['(-128)::TINYINT', '-128'],
  ['255::UTINYINT', '255'],
  ['9007199254740993::BIGINT', '9007199254740993'],
  ['18446744073709551615::UBIGINT', '18446744073709551615'],
  ['170141183460469231731687303715884105727::HUGEINT', '170141183460469231731687303715884105727'],
  [
    "'123456789012345678901234567890123456789012'::BIGNUM",
    '123456789012345678901234567890123456789012',
  ],
  ['1.50::DECIMAL(10, 2)', '1.50'],
  ['(-0.05)::DECIMAL(4, 2)', '-0.05'],
  ['12345678901234567890.0123456789::DECIMAL(38, 10)', '12345678901234567890.0123456789'],
  ['0.1::FLOAT', '0.1'],
  ['16777216::FLOAT', '16777216'],
  ['0.1::DOUBLE', '0.1'],
  ['1e300::DOUBLE', '1e+300'],
  ["'nan'::DOUBLE", '"NaN"'],
  ["'inf'::FLOAT", '"Infinity"'],
  ["'-inf'::DOUBLE", '"-Infinity"'],
  [`'é"\n\\ 😀'`, '"é\\"\\n\\\\ 😀"'],
  ["''", '""'],
  ["TIMESTAMPTZ '2026-01-31 12:00:00+09'", '"2026-01-31T03:00:00Z"'],
  ["TIMESTAMPTZ '2026-01-31 12:00:00.5Z'", '"2026-01-31T12:00:00.500Z"'],
  ["TIMESTAMPTZ '1969-12-31 23:59:59.999999Z'", '"1969-12-31T23:59:59.999999Z"'],
  ["TIMESTAMP '2026-01-31 12:00:00.000001'", '"2026-01-31T12:00:00.000001"'],
  ["TIMESTAMPTZ 'infinity'", '"infinity"'],
  ["DATE '2026-02-28'", '"2026-02-28"'],
  ["DATE 'infinity'", '"infinity"'],
  ["DATE '-infinity'", '"-infinity"'],
  ["TIME '12:00:01.5'", '"12:00:01.5"'],
  ["INTERVAL '1 year 2 days 3.5 seconds'", '"1 year 2 days 00:00:03.5"'],
  ["'7b0e6ff0-0f6a-4b8e-9a1e-0123456789ab'::UUID", '"7b0e6ff0-0f6a-4b8e-9a1e-0123456789ab"'],
  ["'\\x00\\xFFab'::BLOB", '"AP9hYg=="'],
  ["'101'::BIT", '"101"'],
  ["'b'::ENUM('a', 'b')", '"b"'],
  [`'{"a": [1, 2.50, 12345678901234567890]}'::JSON`, '{"a": [1, 2.50, 12345678901234567890]}'],
  [`E'{"a":\n 1,\r\n "b": "x\\\\ny"}'::JSON`, '{"a":  1,   "b": "x\\ny"}'],
  [`'{"name": "Nan, ]"}'::JSON`, '{"name": "Nan, ]"}'],
  ['[1, NULL, 3]', '[1,null,3]'],
  ['[]::INTEGER[]', '[]'],
  ["{'b': 1, 'a': [TRUE], '1': NULL}", '{"b":1,"a":[true],"1":null}'],
  ["MAP {'k': 1.5, 'l': NULL}", '{"k":1.5,"l":null}'],
  ['MAP {1: 2}', '{"1":2}'],
  ['array_value(1, 2)', '[1,2]'],
  ["union_value(a := 'x')", '"x"'],
  ["[{'at': DATE '2026-01-01'}]", '[{"at":"2026-01-01"}]'],
];

test('each type has its text', async () => {
  for (const [sql, expected] of VALUES) {
    const text = await jsonOf(sql);
    assert.equal(text, expected, sql);
    JSON.parse(text);
  }
});

test('what DuckDB takes for JSON and nobody else does is given as text', async () => {
  for (const loose of ['[1,]', 'NaN', '{"a": Infinity}', '[1, 2, ]']) {
    let text: string;
    try {
      text = await jsonOf(`'${loose}'::JSON`);
    } catch {
      continue; // DuckDB itself refuses it: nothing to write
    }
    JSON.parse(text);
  }
});

test('rows of several chunks are joined without a gap, in both formats', async () => {
  const sql = 'SELECT i, i % 3 AS k FROM range(5000) t(i) ORDER BY i';
  const document = JSON.parse(await textOf(sql, 'json'));
  assert.equal(document.rows.length, 5000);
  assert.deepEqual(document.rows[4999], [4999, 1]);
  assert.deepEqual(document.columns, [
    { name: 'i', type: 'BIGINT' },
    { name: 'k', type: 'BIGINT' },
  ]);
  assert.deepEqual(document.statistics, STATISTICS);
  const lines = (await textOf(sql, 'ndjson')).trimEnd().split('\n');
  assert.equal(lines.length, 5000);
  assert.deepEqual(JSON.parse(lines[4999]!), { i: 4999, k: 1 });
});

test('columns of one name stay apart in NDJSON, and JSON columns are named so', async () => {
  assert.equal(await textOf('SELECT 1 AS a, 2 AS a', 'ndjson'), '{"a":1,"a:1":2}\n');
  const document = JSON.parse(await textOf(`SELECT '1'::JSON AS j, 1 AS "x""y"`, 'json'));
  assert.deepEqual(document.columns, [
    { name: 'j', type: 'JSON' },
    { name: 'x"y', type: 'INTEGER' },
  ]);
});

test('moments agree with JavaScript to the millisecond, and keep the microseconds', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 17n), max: 10n ** 17n }), (micros) => {
      const text = timestampText(micros);
      assert.ok(text !== null);
      const fraction = /\.(\d+)$/.exec(text)?.[1] ?? '';
      const whole = text.replace(/\.\d+$/, '');
      const read = BigInt(Date.parse(`${whole}Z`)) * 1000n + BigInt(fraction.padEnd(6, '0') || '0');
      assert.equal(read, micros);
    }),
  );
  assert.equal(timestampText(9n * 10n ** 18n), null);
  assert.equal(dateText(100_000_001), null);
  assert.equal(dateText(100_000_000), '+275760-09-13');
});
