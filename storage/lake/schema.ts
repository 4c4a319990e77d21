/**
 * Columns of lake tables: Iceberg's types, and how the columns of hot tables become them.
 *
 * A lake table is described by a definition; its columns are matched with those of an existing table by
 * name, and get field ids when they are first seen. Files are read by field id, so that a column may
 * be renamed or widened without rewriting a file.
 *
 * - All columns are optional: Parquet writers mark them so, and an added column is null in old files.
 * - Field ids start at 1, are never used again, and stay below 1000, where partition fields begin.
 * - The bits of hot values are kept: `uint64` is below 2^63 and `uint32` below 2^31 (ordinals stay
 *   below 250 million), so that either is read as Iceberg's signed type without a copy.
 * - `personal` columns never get bounds in a manifest: an erasure rewrites data files, and metadata
 *   must not keep what it removed.
 */
import type { ColumnType, TableSchema } from '../segment-format.ts';

/** The types of Iceberg that our tables use, as the specification spells them. */
export const LAKE_TYPES = [
  'boolean',
  'int',
  'long',
  'float',
  'double',
  'date',
  'timestamp',
  'timestamptz',
  'string',
  'binary',
] as const;
export type LakeType = (typeof LAKE_TYPES)[number];

export function isLakeType(type: unknown): type is LakeType {
  return LAKE_TYPES.some((known) => known === type);
}

/** A column as its owner describes it, before it has a field id. */
export interface LakeColumnDefinition {
  readonly name: string;
  readonly type: LakeType;
  /** Holds personal data: manifests get counts of it, never values. */
  readonly personal: boolean;
}

export interface LakeColumn extends LakeColumnDefinition {
  /** Iceberg's field id, `PARQUET:field_id` in files. */
  readonly id: number;
}

/** One version of a table's columns. */
export interface LakeSchema {
  readonly schemaId: number;
  readonly columns: readonly LakeColumn[];
}

export interface LakeTableDefinition {
  /** Lower case, digits and `_`. */
  readonly name: string;
  readonly columns: readonly LakeColumnDefinition[];
  /** A `timestamptz` column whose day (UTC) partitions the table; absent: one partition. */
  readonly dayOf?: string;
  /** Columns that compacted files are sorted by, ascending, nulls first. */
  readonly sortBy: readonly string[];
}

const TYPE_OF_COLUMN: Readonly<Record<ColumnType, LakeType>> = {
  int64: 'long',
  uint64: 'long',
  uint32: 'int',
  float64: 'double',
  timestamp: 'timestamptz',
  utf8: 'string',
  json: 'string',
  dictionary: 'string',
};

export interface LakeTableTraits {
  readonly personal: readonly string[];
  readonly dayOf?: string;
  readonly sortBy: readonly string[];
}

/** The lake table that rows of a hot table are flushed to: same name, same columns, same order. */
export function definitionOf(schema: TableSchema, traits: LakeTableTraits): LakeTableDefinition {
  const { personal, ...rest } = traits;
  const columns = schema.columns.map(({ name, type }) => {
    return { name, type: TYPE_OF_COLUMN[type], personal: personal.includes(name) };
  });
  return { name: schema.name, columns, ...rest };
}
