/** What the native writer of rows is told of columns, whoever has read them. */
import {
  COLUMN_KINDS,
  COLUMN_ROLES,
  type ColumnKind,
  type NativeColumn,
  type NativeColumnRows,
  native,
} from '../native/index.ts';
import { fieldOf, OBJECT_FIELDS } from './event-fields.ts';
import { FILE_BATCH_BYTES_MAX } from './file-batches.ts';

export function newNativeRows(): NativeColumnRows {
  return new native.ColumnRows(FILE_BATCH_BYTES_MAX);
}

export function kindOf(name: ColumnKind): number {
  return COLUMN_KINDS.indexOf(name);
}

/** Of a member of a struct. */
export function keyOf(name: string): string {
  return `${JSON.stringify(name)}:`;
}

/** What a column of this name is in its event. */
export function placeOf(name: string): Required<Pick<NativeColumn, 'key' | 'role'>> {
  const field = fieldOf(name);
  return { key: keyOf(field ?? name), role: COLUMN_ROLES.indexOf(roleOf(field)) };
}

function roleOf(field: string | undefined): (typeof COLUMN_ROLES)[number] {
  if (field === undefined) return 'property';
  if (field === 'properties') return 'properties';
  return OBJECT_FIELDS.has(field) ? 'object' : 'field';
}
