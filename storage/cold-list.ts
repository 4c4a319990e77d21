/**
 * The list of a table's cold files, as query workers read it: a JSON file `<table>-<version>.cold` of the
 * hot directory. The registry names the version that belongs to the floor of the hot rows, so a worker
 * that takes both at once sees each row exactly once.
 *
 * - A list is complete before the registry names its version, and never changes.
 * - Old lists are removed; a reader that finds its own gone takes a new snapshot.
 * - Paths are relative to the tenant's directory of the lake, and mean nothing to anybody else.
 * - Rows that `except` names were erased; the files have them until they are rewritten, and no query does.
 * - Numbers are below 2^53: sequences, and microseconds since 1970.
 */
import type { DataFile, LakeValue } from './lake/data-file.ts';
import type { LakeSchema, LakeType } from './lake/schema.ts';
import type { RowCondition } from './row-condition.ts';
import type { ColumnType } from './segment-format.ts';

export interface ColdList {
  readonly columns: readonly ColdColumn[];
  readonly files: readonly ColdFile[];
  readonly except: readonly RowCondition[];
}

export interface ColdColumn {
  /** Iceberg's field id, by which the files are read. */
  readonly id: number;
  readonly name: string;
  /** As the files hold it, and as hot segments do. */
  readonly type: LakeType;
  readonly hotType: ColumnType;
}

export interface ColdFile {
  readonly path: string;
  readonly rows: number;
  readonly bytes: number;
  readonly rowGroups: number;
  /** Whether it has all columns of the list, under their names and in their types of today. */
  readonly isCurrent: boolean;
  /**
   * All values of texts, where they are few and not personal; null among them where the file has NULLs. By
   * column name.
   */
  readonly values: Readonly<Record<string, readonly (string | null)[]>>;
  /** Of integers and times: no value lies outside [least, greatest]. By column name. */
  readonly bounds: Readonly<Record<string, readonly [number, number]>>;
}

export function coldListFile(table: string, version: number): string {
  return `${table}-${version}.cold`;
}

export function serialiseColdList(list: ColdList): Uint8Array {
  return Buffer.from(JSON.stringify(list));
}

/** Reads what {@link serialiseColdList} wrote in the same run of the appliance. */
export function parseColdList(bytes: Uint8Array): ColdList {
  return JSON.parse(Buffer.from(bytes).toString('utf8')) as ColdList;
}

/**
 * What a query needs to know of a live file.
 * @param schemas all versions of the columns that the file may have been written with.
 */
export function coldFileOf(
  file: DataFile,
  path: string,
  columns: readonly ColdColumn[],
  schemas: readonly LakeSchema[],
): ColdFile {
  const bounds: Record<string, readonly [number, number]> = {};
  const values: Record<string, readonly (string | null)[]> = {};
  for (const { id, name, type } of columns) {
    const metrics = file.columns.get(id);
    if (metrics?.values !== undefined) {
      values[name] = metrics.nullCount === 0 ? metrics.values : [...metrics.values, null];
    }
    const least = numberOf(type, metrics?.lower);
    const greatest = numberOf(type, metrics?.upper);
    if (least !== undefined && greatest !== undefined) bounds[name] = [least, greatest];
  }
  const isCurrent = columns.every((column) => isInFile(file, column) && isLasting(column, schemas));
  const { recordCount: rows, fileBytes: bytes, splitOffsets } = file;
  return { path, rows, bytes, rowGroups: splitOffsets.length, isCurrent, bounds, values };
}

/** Every column of a file takes some bytes, even one of nulls. */
function isInFile(file: DataFile, { id }: ColdColumn): boolean {
  return (file.columns.get(id)?.bytes ?? 0) > 0;
}

/** Whether a column was never renamed nor widened. */
function isLasting({ id, name, type }: ColdColumn, schemas: readonly LakeSchema[]): boolean {
  return schemas.every(({ columns }) => {
    const then = columns.find((column) => column.id === id);
    return then === undefined || (then.name === name && then.type === type);
  });
}

function numberOf(type: LakeType, value: LakeValue | undefined): number | undefined {
  if (typeof value === 'bigint') return Number(value);
  return type === 'int' && typeof value === 'number' ? value : undefined;
}
