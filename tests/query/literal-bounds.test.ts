/** What is read of a literal is what DuckDB reads: it is the oracle. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { seededRandom } from '../../base/random.ts';
import { type Connection, Database } from '../../query/duckdb.ts';
import { literalValue } from '../../query/literal-bounds.ts';
import type { TreeNode } from '../../query/sql-tree.ts';
import { nodeAt, nodesAt } from '../../query/sql-tree.ts';

const TEXTS = [
  '2026-01-05 08:01:00Z',
  '2026-01-05T08:01:00',
  '2026-01-05 08:01:00.5Z',
  '2026-01-05 08:01:00.123456',
  '1969-12-31 23:59:59.000001Z',
  '1000-01-01',
  '9999-12-31T23:59:59.999999Z',
  '2024-02-29',
  // What follows is left to DuckDB, which refuses some of it.
  '2026-02-29',
  '2026-02-30 00:00:00Z',
  '2026-13-01',
  '2026-01-05 24:00:00Z',
  '2026-01-05 08:60:00',
  '2026-01-05 08:01:60Z',
  '2026-01-05 08:01',
  '2026-01-05 08:01:00.1234567Z',
  '2026-01-05 08:01:00+02',
  '2026-01-05 08:01:00 Asia/Tokyo',
  ' 2026-01-05',
  '2026-1-5',
  '0999-01-01',
  '0044-03-15 (BC)',
  'infinity',
  'epoch',
  '',
] as const;
const READ_HERE = TEXTS.indexOf('2024-02-29') + 1;

const TIMES = ['', 'DATE ', 'TIMESTAMP ', 'TIMESTAMPTZ ', 'TIME '] as const;
const OTHERS = ['NULL', 'NULL::TIMESTAMPTZ', 'now()', '5', '-5', '9007199254740993', '1.5', '1e3'];

test('a literal is read as DuckDB reads it, or left to it', async (context) => {
  const database = await Database.open({});
  const connection = await database.connect();
  context.after(() => {
    connection.close();
    database.close();
  });
  await connection.run(`SET TimeZone = 'UTC'`);
  let read = 0;
  for (const text of [...TEXTS, ...randomTexts(60)]) {
    for (const type of TIMES) {
      const sql = `${type}'${text}'`;
      const tree = await treeOf(connection, sql);
      assert.equal(literalValue(tree, 'integer'), undefined, sql);
      const moment = literalValue(tree, 'timestamp');
      if (moment === undefined) continue;
      read += 1;
      const [[expected] = []] = await connection.rows(
        `SELECT epoch_us(CAST(${sql} AS TIMESTAMPTZ))`,
      );
      assert.equal(moment, expected, sql);
    }
  }
  assert.ok(read > 50, `${read} are read`);
  for (const [index, text] of TEXTS.entries()) {
    const moment = literalValue(await treeOf(connection, `TIMESTAMPTZ '${text}'`), 'timestamp');
    assert.equal(moment !== undefined, index < READ_HERE, text);
  }
  const integers = await Promise.all(
    OTHERS.map(async (sql) => literalValue(await treeOf(connection, sql), 'integer')),
  );
  assert.deepEqual(integers.slice(0, 5), [undefined, undefined, undefined, 5n, -5n]);
  assert.deepEqual(integers.slice(5), [undefined, undefined, undefined]);
  for (const sql of OTHERS) {
    assert.equal(literalValue(await treeOf(connection, sql), 'timestamp'), undefined, sql);
  }
});

/** As a constant of a gated tree. */
async function treeOf(connection: Connection, sql: string): Promise<TreeNode> {
  const text = `SELECT ${sql}`;
  const [[tree] = []] = await connection.rows('SELECT json_serialize_sql($1::VARCHAR)', [text]);
  const [statement] = nodesAt(JSON.parse(String(tree)) as TreeNode, 'statements');
  const [expression] = nodesAt(nodeAt(statement!, 'node')!, 'select_list');
  return expression!;
}

function randomTexts(count: number): string[] {
  const random = seededRandom(20261123);
  const number = (max: number, digits: number): string =>
    String(Math.floor(random() * max)).padStart(digits, '0');
  return Array.from({ length: count }, () => {
    const date = `${number(10_000, 4)}-${number(14, 2)}-${number(32, 2)}`;
    const fraction = random() < 0.5 ? '' : `.${number(10 ** 6, 1 + Math.floor(random() * 6))}`;
    const time = `${number(25, 2)}:${number(61, 2)}:${number(61, 2)}${fraction}`;
    const zone = random() < 0.5 ? '' : 'Z';
    return random() < 0.2 ? date : `${date}${random() < 0.5 ? ' ' : 'T'}${time}${zone}`;
  });
}
