/**
 * Which columns the lake's `profiles` has for declared traits, and how an existing table comes to them. Plain
 * data: engine/identity-tables.ts carries it out.
 *
 * - A column has the name of its trait. One that the table has of its own is put behind `trait_`.
 * - A trait that is declared with another type gets a new column of its name; the old one is renamed for its
 *   type, and is null from then on, as is that of a trait that is not declared any more.
 * - A table has at most LIMITS.columnsMax columns, those included: a trait beyond it has none.
 */
import { LIMITS } from '../base/limits.ts';
import type { SchemaChange } from '../storage/lake/lake-table.ts';
import type { LakeColumnDefinition, LakeType } from '../storage/lake/schema.ts';
import type { DeclaredTrait, TraitType } from './declared-traits.ts';

/** A column of `profiles` that has the values of a trait. */
export interface TraitColumn {
  readonly column: string;
  readonly trait: DeclaredTrait;
}

export interface TraitColumnPlan {
  readonly changes: readonly SchemaChange[];
  readonly columns: readonly TraitColumn[];
}

const LAKE_TYPES: Readonly<Record<TraitType, LakeType>> = {
  string: 'string',
  long: 'long',
  double: 'double',
  boolean: 'boolean',
  timestamp: 'timestamptz',
  date: 'date',
};

/** @param own names of the columns that are no trait's. @param existing all columns of the table. */
export function planTraitColumns(
  traits: readonly DeclaredTrait[],
  own: readonly string[],
  existing: readonly LakeColumnDefinition[],
): TraitColumnPlan {
  const isDeclared = (name: string): boolean => traits.some((other) => other.name === name);
  const types = new Map(existing.map(({ name, type }) => [name, type]));
  const changes: SchemaChange[] = [];
  const columns: TraitColumn[] = [];
  for (const trait of traits) {
    const column = freeName(trait.name, 'trait_', (name) => {
      return own.includes(name) || (name !== trait.name && isDeclared(name));
    });
    const type = LAKE_TYPES[trait.type];
    const known = types.get(column);
    if (known !== type) {
      if (types.size === LIMITS.columnsMax) continue;
      if (known !== undefined) {
        const to = freeName(column, `${known}_`, (name) => types.has(name) || isDeclared(name));
        changes.push({ kind: 'rename', from: column, to });
        types.set(to, known);
      }
      changes.push({ kind: 'add', column: { name: column, type, personal: true } });
      types.set(column, type);
    }
    columns.push({ column, trait });
  }
  return { changes, columns };
}

function freeName(name: string, prefix: string, isTaken: (name: string) => boolean): string {
  return isTaken(name) ? freeName(prefix + name, prefix, isTaken) : name;
}
