/**
 * The rows of a hot table and of its cold files as one SQL source, each row once. Pure functions: what
 * is to be read is planned here, DuckDB reads it.
 *
 * - Files that were written before a column was added, renamed or widened are read by field id, so that
 *   it comes out as today's; the others by name. DuckDB opens none of the former to plan a statement,
 *   so it takes them to be empty: it reads a single one with one thread, joins in a bad order, and cannot
 *   answer `count(*)` from footers.
 * - A file is left out when its bounds lie outside the statement's, or when it has none of the values that the
 *   statement takes. Within files, bounds on integers are
 *   said again on the stored column: the column analysts see is a cast of it, which DuckDB cannot hold
 *   against the statistics of row groups.
 * - Cold columns get the types of hot ones, so that both branches have one type.
 * - A union begins with a constant: where a statement needs no column at all (`count(*)`), DuckDB takes the first one
 *   of it, and a constant leaves the rows to the footers.
 * - Where all rows lie in files of one kind, a relation may take its columns from these at once: each SELECT
 *   within another takes 0.2 ms to plan, and a step for every 2048 rows that `count(*)` counts.
 */
import type { ColdColumn, ColdFile, ColdList } from '../storage/cold-list.ts';
import type { LakeType } from '../storage/lake/schema.ts';
import type { RowCondition } from '../storage/row-condition.ts';
import type { ScanBound } from './pruning.ts';
import type { AcceptedValues } from './value-pruning.ts';

export interface PrunedFiles {
  readonly read: readonly ColdFile[];
  readonly skipped: readonly ColdFile[];
}

/** A column that no relation names. */
const UNREAD = '0 AS "unread"';
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

const DUCKDB_TYPES: Readonly<Record<LakeType, string>> = {
  boolean: 'BOOLEAN',
  int: 'INTEGER',
  long: 'BIGINT',
  float: 'FLOAT',
  double: 'DOUBLE',
  date: 'DATE',
  timestamp: 'TIMESTAMP',
  timestamptz: 'TIMESTAMPTZ',
  string: 'VARCHAR',
  binary: 'BLOB',
};

/** DuckDB's name for a type of the lake. */
export function duckdbType(type: LakeType): string {
  return DUCKDB_TYPES[type];
}

/** Splits files by whether the bounds and conditions of one table let them hold a wanted row. */
export function pruneFiles(
  files: readonly ColdFile[],
  bounds: readonly ScanBound[],
  accepted: readonly AcceptedValues[] = [],
): PrunedFiles {
  const read: ColdFile[] = [];
  const skipped: ColdFile[] = [];
  for (const file of files) {
    const outside = bounds.some(({ column, min, max }) => {
      const known = file.bounds[column];
      return known !== undefined && (BigInt(known[1]) < min || BigInt(known[0]) > max);
    });
    const unwanted = accepted.some(({ column, values }) => {
      const known = file.values[column];
      return known !== undefined && !known.some((value) => values.has(value));
    });
    (outside || unwanted ? skipped : read).push(file);
  }
  return { read, skipped };
}

/** The rows of a table, as a SELECT takes them. */
export interface TableSource {
  /** What stands behind FROM; its columns have the types of hot ones. */
  readonly from: string;
  /** The same rows as they lie in files, where all of them do so in one way. */
  readonly stored?: StoredRows;
}

export interface StoredRows {
  /** What stands behind FROM, to the end of the SELECT. */
  readonly from: string;
  /** By the names of columns, what makes hot ones of them, where they are not already. */
  readonly expressions: ReadonlyMap<string, string>;
}

/** The hot rows of a table, as a table function. */
export function hotScan(table: string): string {
  return `hot_scan(${quoteText(table)})`;
}

/** The rows of a table that has no cold files. */
export function hotSource(table: string): TableSource {
  return { from: hotScan(table) };
}

/**
 * The hot and the cold rows of a table; the cold ones alone where that is all, which is planned faster.
 * @param files of `list`, at least one.
 * @param bounds of the table.
 */
export function tieredSource(
  table: string,
  list: ColdList,
  files: readonly ColdFile[],
  bounds: readonly ScanBound[],
  hasHotRows: boolean,
): TableSource {
  const { columns } = list;
  const names = columns.map(({ name }) => quoteName(name)).join(', ');
  const conditions = [...storedBounds(columns, bounds), ...exceptTerms(list.except)];
  const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
  const expressions = expressionsOf(columns);
  const hotTyped = columns
    .map(({ name }) => {
      const expression = expressions.get(name);
      return expression === undefined ? quoteName(name) : `${expression} AS ${quoteName(name)}`;
    })
    .join(', ');
  const [current, older] = [true, false].map((isCurrent) =>
    files.filter((file) => file.isCurrent === isCurrent).map(({ path }) => path),
  ) as [string[], string[]];
  const stored = [
    ...(current.length > 0 ? [`read_parquet(${listOf(current)})${where}`] : []),
    ...(older.length > 0 ? [`${parquetSource(older, columns)}${where}`] : []),
  ];
  const [only] = stored;
  if (!hasHotRows && stored.length === 1 && only !== undefined) {
    return { from: `(SELECT ${hotTyped} FROM ${only})`, stored: { from: only, expressions } };
  }
  const branches = [
    ...(hasHotRows ? [`SELECT ${UNREAD}, ${names} FROM ${hotScan(table)}`] : []),
    ...stored.map((from) => `SELECT ${UNREAD}, ${hotTyped} FROM ${from}`),
  ];
  return { from: `(${branches.join(' UNION ALL ')})` };
}

function listOf(paths: readonly string[]): string {
  return `[${paths.map(quoteText).join(', ')}]`;
}

/** The rows of Parquet files, whatever version of the columns they were written with. */
export function parquetSource(
  paths: readonly string[],
  columns: readonly { readonly id: number; readonly name: string; readonly type: LakeType }[],
): string {
  const schema = columns.map(
    ({ id, name, type }) =>
      `${id}: {name: ${quoteText(name)}, type: '${DUCKDB_TYPES[type]}', default_value: NULL}`,
  );
  return `read_parquet(${listOf(paths)}, schema = MAP {${schema.join(', ')}})`;
}

/** By name, hot columns of stored ones that are not of their types already. */
function expressionsOf(columns: readonly ColdColumn[]): ReadonlyMap<string, string> {
  const expressions = new Map<string, string>();
  for (const { name, hotType } of columns) {
    const quoted = quoteName(name);
    if (hotType === 'uint64') expressions.set(name, `CAST(${quoted} AS UBIGINT)`);
    else if (hotType === 'uint32') expressions.set(name, `CAST(${quoted} AS UINTEGER)`);
    else if (hotType === 'json') expressions.set(name, `trusted_json(${quoted})`);
  }
  return expressions;
}

/** A condition for all rows but those that `except` names. */
export function withoutRows(except: readonly RowCondition[]): string {
  const terms = exceptTerms(except);
  return terms.length === 0 ? 'true' : terms.join(' AND ');
}

function exceptTerms(except: readonly RowCondition[]): string[] {
  return except
    .filter(({ values }) => values.length > 0)
    .map(({ column, values }) => {
      const name = quoteName(column);
      return `(${name} IS NULL OR ${name} NOT IN (${values.join(', ')}))`;
    });
}

function storedBounds(columns: readonly ColdColumn[], bounds: readonly ScanBound[]): string[] {
  const terms: string[] = [];
  for (const { column, min, max } of bounds) {
    const type = columns.find(({ name }) => name === column)?.type;
    if (type !== 'long' && type !== 'int') continue;
    if (min > INT64_MIN) terms.push(`${quoteName(column)} >= ${min}`);
    if (max < INT64_MAX) terms.push(`${quoteName(column)} <= ${max}`);
  }
  return terms;
}

export function quoteText(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

export function quoteName(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
