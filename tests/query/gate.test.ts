import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { LIMITS } from '../../base/limits.ts';
import { ALLOWED_FUNCTIONS, ALLOWED_TABLE_FUNCTIONS } from '../../query/function-policy.ts';
import { checkStatement, type GatePolicy } from '../../query/gate.ts';
import { StatementParser } from '../../query/statement-parser.ts';
import { ALLOWED, DENIED } from './gate-corpus.ts';

const POLICY: GatePolicy = {
  relations: new Set(['events', 'profiles']),
  functions: ALLOWED_FUNCTIONS,
  tableFunctions: ALLOWED_TABLE_FUNCTIONS,
};

const CODES = {
  relation: 'TRIBUTARY_QUERY_RELATION_UNKNOWN',
  function: 'TRIBUTARY_QUERY_FUNCTION_UNKNOWN',
  statement: 'TRIBUTARY_QUERY_STATEMENT_DENIED',
  syntax: 'TRIBUTARY_QUERY_SYNTAX',
  invalid: 'TRIBUTARY_QUERY_INVALID',
} as const;

let parser: StatementParser;
before(async () => {
  parser = await StatementParser.open(POLICY);
});
after(() => parser.close());

async function codeOf(sql: string): Promise<string> {
  const parsed = await parser.parse(sql);
  return 'code' in parsed ? `${parsed.code} ${JSON.stringify(parsed.parameters)}` : 'allowed';
}

test('what analysts need passes the gate', async () => {
  for (const sql of ALLOWED) assert.equal(await codeOf(sql), 'allowed', sql);
});

test('what leaves the sandbox is refused, each for its own reason', async () => {
  const wrong: string[] = [];
  for (const [refusal, sql] of DENIED) {
    const code = await codeOf(sql);
    if (!code.startsWith(CODES[refusal])) wrong.push(`${sql}: ${code}`);
  }
  assert.deepEqual(wrong, []);
});

test('EXPLAIN is put back in front of the statement it was taken from, at the same length', async () => {
  const parsed = await parser.parse('explain /* é */ select 1');
  assert.ok(!('code' in parsed));
  assert.equal(parsed.sql, 'EXPLAIN /* é */ select 1');
  const commented = await parser.parse('/* é */ explain\n analyze select 1');
  assert.ok(!('code' in commented));
  assert.equal(commented.sql.trimEnd().replace(/ +/g, ' '), 'EXPLAIN ANALYZE select 1');
  assert.equal(commented.explained, true);
});

test('each listed relation is counted as often as it is named', async () => {
  const parsed = await parser.parse(
    'with x as (from events) select * from x, x y, events, profiles where 1 in (from range(3))',
  );
  assert.ok(!('code' in parsed));
  assert.deepEqual(
    [...parsed.relationUses],
    [
      ['events', 2],
      ['profiles', 1],
    ],
  );
});

test('a text at the limit of bytes is parsed, one byte more is refused', async () => {
  const head = 'select 1 -- ';
  const longest = head + 'x'.repeat(LIMITS.sqlBytesMax - head.length);
  assert.equal(await codeOf(longest), 'allowed');
  assert.match(await codeOf(`${longest}x`), /TEXT_TOO_LARGE/);
});

test('expressions deeper than the limit are refused without harm', async () => {
  assert.equal(await codeOf(`select ${'1+'.repeat(200)}1`), 'allowed');
  assert.match(await codeOf(`select ${'1+'.repeat(100_000)}1`), /SYNTAX/);
  const nested = `select ${'('.repeat(100_000)}1${')'.repeat(100_000)}`;
  assert.match(await codeOf(nested), /allowed|SYNTAX/);
  const subqueries = `${'select ('.repeat(3000)}select 1${')'.repeat(3000)}`;
  assert.match(await codeOf(subqueries), /SYNTAX|DENIED|FAILED/);
  assert.equal(await codeOf('select 1'), 'allowed');
});

test('a NUL cannot cut the text short behind the gate', async () => {
  assert.match(await codeOf('select 1\0; drop view events'), /SYNTAX/);
});

test('a node that the gate does not know is refused, wherever it stands', () => {
  const tree = (node: object): object => ({ statements: [{ node }] });
  const select = { type: 'SELECT_NODE', select_list: [] };
  const verdict = (node: object): boolean => checkStatement({ ...tree(node) }, POLICY).allowed;
  assert.equal(verdict(select), true);
  assert.equal(verdict({ type: 'NEW_NODE' }), false);
  assert.equal(verdict({ ...select, select_list: [{ class: 'NEW', type: 'NEW' }] }), false);
  assert.equal(verdict({ ...select, from_table: { type: 'NEW_REF' } }), false);
  assert.equal(verdict({ ...select, new_key: [[{ x: { type: 'COLUMN_DATA' } }]] }), false);
  assert.equal(verdict({ ...select, new_key: { class: 7 } }), false);
  assert.equal(checkStatement({}, POLICY).allowed, false);
});

test('the list of functions names no function that touches files, settings or the engine', () => {
  const dangerous =
    /^(read_|query|pragma_|duckdb_|getenv|getvariable|current_setting|write_|sleep|pg_sleep|nextval|__|json_(de)?serialize|json_execute|hot_|profile_)/;
  for (const name of [...ALLOWED_FUNCTIONS, ...ALLOWED_TABLE_FUNCTIONS]) {
    assert.ok(!dangerous.test(name), name);
  }
});
