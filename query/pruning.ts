/**
 * Finds what a statement says about the time and sequence of the events it reads, so that a scan can
 * skip segments that lie wholly outside. Pure functions over the gated tree.
 *
 * A bound is taken only when it is certain that no skipped row could have changed the answer:
 * - The scanned table is read once in the whole statement, so that the bound cannot hit another read.
 * - The comparison is a top-level AND term of the WHERE of the very SELECT that reads it.
 * - Between the two lie only INNER and CROSS joins, or the left side of a LEFT one. An ASOF join picks
 *   the nearest row, so a missing row would let another one in; the rest is left alone likewise.
 * - No sample: it would be drawn from other rows.
 * - The other side is made of literals, parameters, now(), intervals and casts. It is evaluated by
 *   DuckDB in the transaction of the statement, so that now() is the same moment for both.
 *
 * Bounds are inclusive; `<` and `>` count as `<=` and `>=`, which skips less.
 */
import type { BoundColumn, Catalog, CatalogRelation } from './catalog.ts';
import type { Parameter } from './duckdb.ts';
import { isEmptyAt, isNode, nodeAt, nodesAt, type TreeNode, textAt, textsAt } from './sql-tree.ts';
import { timestampText } from './time-text.ts';

/** A constant that bounds a column from below (`min`) or above (`max`). */
export interface BoundCandidate {
  readonly table: string;
  readonly column: BoundColumn;
  readonly side: 'min' | 'max';
  /** A constant expression, with parameters filled in. */
  readonly expression: TreeNode;
}

/** What the native scan is told: rows outside [min, max] are not asked for. */
export interface ScanBound {
  readonly table: string;
  readonly column: string;
  readonly kind: BoundColumn['kind'];
  readonly min: bigint;
  readonly max: bigint;
}

const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;

/** The sides a comparison bounds when the column is on its left. */
const SIDES: Readonly<Record<string, readonly ('min' | 'max')[]>> = {
  COMPARE_EQUAL: ['min', 'max'],
  COMPARE_GREATERTHAN: ['min'],
  COMPARE_GREATERTHANOREQUALTO: ['min'],
  COMPARE_LESSTHAN: ['max'],
  COMPARE_LESSTHANOREQUALTO: ['max'],
};

const CONSTANT_FUNCTIONS: ReadonlySet<string> = new Set([
  ...['+', '-', 'now', 'get_current_timestamp', 'transaction_timestamp', 'today'],
  ...['date_trunc', 'trunc', 'to_years', 'to_quarters', 'to_months', 'to_weeks', 'to_days'],
  ...['to_hours', 'to_minutes', 'to_seconds', 'to_milliseconds', 'to_microseconds'],
]);

/** @param relationUses how often each relation is named, as the gate counted. */
export function findBounds(
  root: TreeNode,
  relationUses: ReadonlyMap<string, number>,
  catalog: Catalog,
  parameters: readonly Parameter[],
): BoundCandidate[] {
  return readersOf(root, relationUses, catalog).flatMap(({ relation, table, reader }) =>
    boundsOfWhere(reader, relation, table, parameters),
  );
}

/** A relation whose rows one SELECT reads, and nothing else in the statement. */
export interface RelationReader {
  readonly relation: CatalogRelation;
  /** The table it scans. */
  readonly table: string;
  readonly reader: Reader;
}

/** The relations that may be read in part: those that the first points of the above hold for. */
export function readersOf(
  root: TreeNode,
  relationUses: ReadonlyMap<string, number>,
  catalog: Catalog,
): RelationReader[] {
  const found: RelationReader[] = [];
  for (const relation of catalog.relations) {
    const table = relation.scans[0];
    if (relation.boundColumns.length === 0 || table === undefined) continue;
    if (relationUses.get(relation.name) !== 1 || scansOf(table, relationUses, catalog) !== 1)
      continue;
    if (definesExpression(root, relation.name)) continue;
    const reader = findReader(root, relation.name);
    if (reader !== null) found.push({ relation, table, reader });
  }
  return found;
}

/** In words. */
export function boundText({ column, kind, min, max }: ScanBound): string {
  const text = (value: bigint): string =>
    kind === 'timestamp' ? `${timestampText(value) ?? value}Z` : value.toString();
  const from = min > INT64_MIN ? ` from ${text(min)}` : '';
  const to = max < INT64_MAX ? ` to ${text(max)}` : '';
  return `${column}${from}${to}`;
}

/** Joins evaluated candidates into one bound a column; `null` (an SQL NULL) bounds nothing. */
export function combineBounds(
  evaluated: readonly { readonly candidate: BoundCandidate; readonly value: bigint | null }[],
): ScanBound[] {
  const bounds = new Map<string, ScanBound>();
  for (const { candidate, value } of evaluated) {
    if (value === null) continue;
    const { table, column, side } = candidate;
    const key = `${table}.${column.name}`;
    const { name, kind } = column;
    const known = bounds.get(key) ?? { table, column: name, kind, min: INT64_MIN, max: INT64_MAX };
    const clamped = value < INT64_MIN ? INT64_MIN : value > INT64_MAX ? INT64_MAX : value;
    const min = side === 'min' && clamped > known.min ? clamped : known.min;
    const max = side === 'max' && clamped < known.max ? clamped : known.max;
    bounds.set(key, { ...known, min, max });
  }
  return [...bounds.values()];
}

function scansOf(
  table: string,
  relationUses: ReadonlyMap<string, number>,
  catalog: Catalog,
): number {
  let scans = 0;
  for (const relation of catalog.relations) {
    if (relation.scans.includes(table)) scans += relationUses.get(relation.name) ?? 0;
  }
  return scans;
}

/** Whether a common table expression anywhere takes the relation's name: then names are in doubt. */
function definesExpression(value: unknown, name: string): boolean {
  if (Array.isArray(value)) return value.some((item) => definesExpression(item, name));
  if (!isNode(value)) return false;
  const expressions = nodeAt(value, 'cte_map');
  if (
    expressions !== null &&
    nodesAt(expressions, 'map').some((entry) => textAt(entry, 'key').toLowerCase() === name)
  ) {
    return true;
  }
  return Object.values(value).some((child) => definesExpression(child, name));
}

/** A SELECT that reads the relation, and the name the relation has in it. */
export interface Reader {
  readonly select: TreeNode;
  readonly alias: string;
}

function findReader(value: unknown, name: string): Reader | null {
  if (Array.isArray(value)) {
    for (const item of value) {
      const found = findReader(item, name);
      if (found !== null) return found;
    }
    return null;
  }
  if (!isNode(value)) return null;
  if (value['type'] === 'SELECT_NODE' && isEmptyAt(value, 'sample')) {
    const from = nodeAt(value, 'from_table');
    const alias = from === null ? null : aliasWithin(from, name);
    if (alias !== null) return { select: value, alias };
  }
  return findReader(Object.values(value), name);
}

/** The name under which `from` gives the relation's rows unchanged, or null. */
function aliasWithin(from: TreeNode, name: string): string | null {
  if (!isEmptyAt(from, 'sample')) return null;
  if (from['type'] === 'BASE_TABLE') {
    if (textAt(from, 'table_name').toLowerCase() !== name) return null;
    if (!isEmptyAt(from, 'column_name_alias')) return null;
    return (textAt(from, 'alias') || name).toLowerCase();
  }
  if (from['type'] !== 'JOIN') return null;
  const refType = textAt(from, 'ref_type');
  if (refType !== 'REGULAR' && refType !== 'CROSS') return null;
  const joinType = textAt(from, 'join_type');
  const left = nodeAt(from, 'left');
  const right = nodeAt(from, 'right');
  if (left === null || right === null) return null;
  if (joinType === 'LEFT') return aliasWithin(left, name);
  if (joinType === 'INNER') return aliasWithin(left, name) ?? aliasWithin(right, name);
  return null;
}

function boundsOfWhere(
  reader: Reader,
  relation: CatalogRelation,
  table: string,
  parameters: readonly Parameter[],
): BoundCandidate[] {
  const where = nodeAt(reader.select, 'where_clause');
  if (where === null) return [];
  const columns = relation.boundColumns.filter((column) => !isRenamed(reader, column.name));
  const candidates: BoundCandidate[] = [];
  for (const term of andTerms(where)) {
    for (const { subject, sides, constant } of comparisons(term)) {
      const column = columns.find((bound) => isColumn(subject, reader.alias, bound.name));
      if (column === undefined) continue;
      const expression = constantExpression(constant, parameters);
      if (expression === null) continue;
      for (const side of sides) candidates.push({ table, column, side, expression });
    }
  }
  return candidates;
}

/** Whether the name could mean something else in this SELECT. */
export function isRenamed(reader: Reader, column: string): boolean {
  if (reader.alias === column) return true;
  return nodesAt(reader.select, 'select_list').some(
    (item) =>
      textAt(item, 'alias').toLowerCase() === column && !isColumn(item, reader.alias, column),
  );
}

export function isColumn(node: TreeNode, alias: string, column: string): boolean {
  if (node['class'] !== 'COLUMN_REF') return false;
  const names = textsAt(node, 'column_names').map((name) => name.toLowerCase());
  if (names.length === 1) return names[0] === column;
  return names.length === 2 && names[0] === alias && names[1] === column;
}

export function andTerms(where: TreeNode): TreeNode[] {
  if (where['type'] !== 'CONJUNCTION_AND') return [where];
  return nodesAt(where, 'children').flatMap(andTerms);
}

interface Comparison {
  readonly subject: TreeNode;
  readonly sides: readonly ('min' | 'max')[];
  readonly constant: TreeNode;
}

/** The comparisons a term makes, each side of it taken as the subject once. */
function comparisons(term: TreeNode): Comparison[] {
  const type = textAt(term, 'type');
  if (type === 'COMPARE_BETWEEN') {
    const subject = nodeAt(term, 'input');
    const lower = nodeAt(term, 'lower');
    const upper = nodeAt(term, 'upper');
    if (subject === null || lower === null || upper === null) return [];
    return [
      { subject, sides: ['min'], constant: lower },
      { subject, sides: ['max'], constant: upper },
    ];
  }
  const sides = term['class'] === 'COMPARISON' ? SIDES[type] : undefined;
  const left = nodeAt(term, 'left');
  const right = nodeAt(term, 'right');
  if (sides === undefined || left === null || right === null) return [];
  const flipped = sides.map((side) => (side === 'min' ? 'max' : 'min'));
  return [
    { subject: left, sides, constant: right },
    { subject: right, sides: flipped, constant: left },
  ];
}

/**
 * A copy of `node` when it is a constant we understand, else null. The copy loses the locations, whose
 * 64-bit -1 JSON.parse has rounded past what DuckDB reads back.
 */
function constantExpression(node: TreeNode, parameters: readonly Parameter[]): TreeNode | null {
  const base = { class: node['class'], type: node['type'], alias: '', query_location: 0 };
  switch (node['class']) {
    case 'CONSTANT': {
      const value = nodeAt(node, 'value');
      return value !== null && isSafeConstant(value) ? { ...base, value } : null;
    }
    case 'PARAMETER': {
      const position = Number(textAt(node, 'identifier'));
      return parameterConstant(parameters[position - 1]);
    }
    case 'CAST': {
      const child = nodeAt(node, 'child');
      const inner = child === null ? null : constantExpression(child, parameters);
      if (inner === null) return null;
      return { ...base, child: inner, cast_type: node['cast_type'], try_cast: node['try_cast'] };
    }
    case 'FUNCTION': {
      if (!CONSTANT_FUNCTIONS.has(textAt(node, 'function_name').toLowerCase())) return null;
      const children: TreeNode[] = [];
      for (const child of nodesAt(node, 'children')) {
        const inner = constantExpression(child, parameters);
        if (inner === null) return null;
        children.push(inner);
      }
      return { ...node, ...base, children, filter: null };
    }
    default:
      return null;
  }
}

/** Text, NULL, and numbers whose digits survived JSON.parse. */
export function isSafeConstant(value: TreeNode): boolean {
  const content = value['value'];
  if (value['is_null'] === true || typeof content === 'string') return true;
  return typeof content === 'number' && Number.isSafeInteger(content);
}

/** The literal that stands for a bound parameter: a text or a whole number; null for others. */
export function parameterConstant(value: Parameter | undefined): TreeNode | null {
  if (typeof value !== 'string' && !Number.isSafeInteger(value)) return null;
  const id = typeof value === 'string' ? 'VARCHAR' : 'BIGINT';
  return {
    class: 'CONSTANT',
    type: 'VALUE_CONSTANT',
    alias: '',
    query_location: 0,
    value: { type: { id, type_info: null }, is_null: false, value },
  };
}
