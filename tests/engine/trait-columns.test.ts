import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../base/limits.ts';
import type { TraitType } from '../../engine/declared-traits.ts';
import { planTraitColumns } from '../../engine/trait-columns.ts';
import type { LakeColumnDefinition, LakeType } from '../../storage/lake/schema.ts';

const OWN = ['sequence', 'user_id'];
const column = (name: string, type: LakeType): LakeColumnDefinition => {
  return { name, type, personal: true };
};
const trait = (name: string, type: TraitType = 'string') => ({ name, path: name, type });
const EXISTING = [column('sequence', 'long'), column('user_id', 'string')];

test('each trait gets a column of its type, once', () => {
  const traits = [trait('plan'), trait('since', 'timestamp')];
  const { changes, columns } = planTraitColumns(traits, OWN, EXISTING);
  const added = [column('plan', 'string'), column('since', 'timestamptz')];
  assert.deepEqual(
    changes,
    added.map((made) => ({ kind: 'add', column: made })),
  );
  assert.deepEqual(
    columns.map(({ column: name }) => name),
    ['plan', 'since'],
  );
  assert.deepEqual(planTraitColumns(traits, OWN, [...EXISTING, ...added]).changes, []);
});

test('a trait that is named as one of the own columns, or as one behind them, has another name', () => {
  const traits = [trait('sequence'), trait('plan')];
  const { columns } = planTraitColumns(traits, [...OWN, 'trait_sequence'], EXISTING);
  assert.deepEqual(
    columns.map(({ column: name }) => name),
    ['trait_trait_sequence', 'plan'],
  );
});

test('a trait of another type gets a new column, and the old one a name that nobody has', () => {
  const existing = [...EXISTING, column('plan', 'long'), column('long_plan', 'long')];
  const { changes } = planTraitColumns([trait('plan')], OWN, existing);
  assert.deepEqual(changes, [
    { kind: 'rename', from: 'plan', to: 'long_long_plan' },
    { kind: 'add', column: column('plan', 'string') },
  ]);
});

test('at the most columns a table has, a further trait has none, and those there are keep theirs', () => {
  const many = Array.from({ length: LIMITS.columnsMax - EXISTING.length }, (_, index) =>
    column(`old_${index}`, 'string'),
  );
  const full = planTraitColumns([trait('plan'), trait('old_0')], OWN, [...EXISTING, ...many]);
  assert.deepEqual(full.changes, []);
  assert.deepEqual(
    full.columns.map(({ column: name }) => name),
    ['old_0'],
  );
  const room = planTraitColumns([trait('plan')], OWN, [...EXISTING, ...many.slice(1)]);
  assert.equal(room.changes.length, 1);
});
