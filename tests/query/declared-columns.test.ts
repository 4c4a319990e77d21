import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { HOT_CATALOG, policyOf } from '../../query/catalog.ts';
import { withDeclaredTraits } from '../../query/declared-columns.ts';
import { StatementParser } from '../../query/statement-parser.ts';
import type { ReadTrait } from '../../query/trait-value.ts';

let parser: StatementParser;
before(async () => {
  parser = await StatementParser.open(policyOf(HOT_CATALOG));
});
after(() => parser.close());

/** Whether `profiles`, with a column for a trait, reads events in a statement. */
async function readsEvents(sql: string, trait: Partial<ReadTrait> = {}): Promise<boolean> {
  const parsed = await parser.parse(sql);
  assert.ok(!('code' in parsed), `${sql}: ${JSON.stringify(parsed)}`);
  const plan = { name: 'plan', path: 'plan', type: 'string', ...trait } as const;
  const catalog = withDeclaredTraits(HOT_CATALOG, [plan], parsed.root);
  const profiles = catalog.relations.find(({ name }) => name === 'profiles')!;
  return profiles.scans.includes('events');
}

test('a statement that looks at no declared column reads no event for it', async () => {
  assert.equal(await readsEvents('SELECT count(*) FROM profiles'), false);
  assert.equal(await readsEvents('SELECT user_id FROM profiles WHERE event_count > 1'), false);
});

test('a statement that may look at a declared column reads events, unless it is kept', async () => {
  for (const sql of [
    'SELECT PLAN FROM profiles',
    'SELECT * FROM profiles',
    'FROM profiles',
    'SELECT p FROM profiles AS p',
    'SELECT profiles FROM profiles',
    "SELECT COLUMNS('pl.n') FROM profiles",
    'SELECT 1 FROM profiles NATURAL JOIN profiles AS other',
    'SELECT 1 FROM profiles JOIN profiles AS other USING (plan)',
  ]) {
    assert.equal(await readsEvents(sql), true, sql);
    assert.equal(await readsEvents(sql, { slot: 1 }), false, sql);
  }
});
