/**
 * Changes to a table's columns, as updates of its metadata. Files are never rewritten: readers find
 * columns by field id, an added one is null in older files, and a wider type reads narrower values.
 *
 * - A field id is never used again, not even that of a column that could be dropped one day.
 * - Promotions are those of Iceberg v2 that all engines read: `int` to `long`, `float` to `double`.
 */
import { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { SchemaChange } from './lake-table.ts';
import type { TableUpdate } from './metadata-updates.ts';
import type { LakeTableDefinition, LakeType } from './schema.ts';
import {
  currentSchema,
  type FieldJson,
  personalProperty,
  type TableMetadata,
  toLakeSchema,
} from './table-metadata.ts';

const WIDER: Partial<Record<LakeType, LakeType>> = { int: 'long', float: 'double' };

/**
 * The updates that make `changes`, in order.
 * @throws TRIBUTARY_LAKE_UPDATE_INVALID; then nothing is changed.
 */
export function planEvolution(
  metadata: TableMetadata,
  changes: readonly SchemaChange[],
): TableUpdate[] {
  if (changes.length === 0) return [];
  const schema = currentSchema(metadata);
  let fields: readonly FieldJson[] = schema.fields;
  let lastColumnId = metadata['last-column-id'];
  const set: Record<string, string> = {};
  const removed: string[] = [];
  for (const change of changes) {
    if (change.kind === 'add') {
      const { name, type } = change.column;
      refuseIf(
        fields.some((field) => field.name === name),
        `there is a column ${name} already`,
      );
      refuseIf(fields.length === LIMITS.columnsMax, `it has ${LIMITS.columnsMax} columns already`);
      lastColumnId += 1;
      fields = [...fields, { id: lastColumnId, name, required: false, type }];
      if (change.column.personal)
        Object.assign(set, Object.fromEntries([personalProperty({ name })]));
      continue;
    }
    const name = change.kind === 'rename' ? change.from : change.name;
    const field = fields.find((candidate) => candidate.name === name);
    if (field === undefined) throw invalid(`there is no column ${name}`);
    if (change.kind === 'promote') {
      refuseIf(
        WIDER[field.type] !== change.type,
        `column ${name} is ${field.type} and cannot become ${change.type}`,
      );
    } else {
      const { to } = change;
      refuseIf(
        fields.some((other) => other.name === to),
        `there is a column ${to} already`,
      );
      // The property that marks a column as personal goes with its name.
      const [property, counts] = personalProperty({ name });
      if ((set[property] ?? metadata.properties[property]) === counts) {
        delete set[property];
        removed.push(property);
        Object.assign(set, Object.fromEntries([personalProperty({ name: to })]));
      }
    }
    const altered =
      change.kind === 'promote' ? { ...field, type: change.type } : { ...field, name: change.to };
    fields = fields.map((candidate) => (candidate === field ? altered : candidate));
  }
  const schemaId = Math.max(...metadata.schemas.map((known) => known['schema-id'])) + 1;
  return [
    { action: 'remove-properties', removals: removed },
    { action: 'set-properties', updates: set },
    { action: 'add-schema', schema: { type: 'struct', 'schema-id': schemaId, fields } },
  ];
}

/** What a table lacks of its definition: columns that are new or wider since it was created. */
export function missingChanges(
  metadata: TableMetadata,
  definition: LakeTableDefinition,
): SchemaChange[] {
  const { columns } = toLakeSchema(metadata, currentSchema(metadata));
  return definition.columns.flatMap((column): SchemaChange[] => {
    const existing = columns.find(({ name }) => name === column.name);
    if (existing === undefined) return [{ kind: 'add', column }];
    // A table that was widened reads what a narrower definition writes.
    if (existing.type === column.type || existing.type === WIDER[column.type]) return [];
    return [{ kind: 'promote', name: column.name, type: column.type }];
  });
}

function refuseIf(condition: boolean, reason: string): void {
  if (condition) throw invalid(reason);
}

function invalid(reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_LAKE_UPDATE_INVALID', { reason });
}
