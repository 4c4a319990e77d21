/**
 * Finds conditions about one column of few values, such as the name of an event, so that files that hold none
 * of the wanted values are left out. Pure functions over the gated tree.
 *
 * Each file's distinct values of such columns are known. So a condition needs no reading of ours: DuckDB itself
 * says for each known value, and for NULL, whether it holds (statement-parser.ts), whatever the operators.
 *
 * A condition is an AND term of the WHERE, found as pruning.ts finds bounds, in which nothing but the one
 * column, literals and parameters stand, joined by what gives the same answer for the same value always. A term
 * that fails for a value bounds nothing: the statement itself tells what is wrong.
 */
import type { ColdFile } from '../storage/cold-list.ts';
import type { Catalog } from './catalog.ts';
import type { Parameter } from './duckdb.ts';
import {
  andTerms,
  isColumn,
  isRenamed,
  isSafeConstant,
  parameterConstant,
  readersOf,
} from './pruning.ts';
import { isNode, nodeAt, nodesAt, type TreeNode, textAt } from './sql-tree.ts';

/** A condition that rows of a table must meet, about one of its columns. */
export interface ValueCondition {
  readonly table: string;
  readonly column: string;
  /** Names the column without a table, and has parameters filled in. */
  readonly expression: TreeNode;
}

/** The values that meet a condition; NULL may be one of them. */
export interface AcceptedValues {
  readonly column: string;
  readonly values: ReadonlySet<string | null>;
  /** How many were asked about, but NULL. */
  readonly known: number;
}

/** Those of `values`, and NULL, that meet a condition; null when nobody can tell. */
export type AcceptValues = (
  condition: ValueCondition,
  values: ReadonlySet<string>,
) => Promise<ReadonlySet<string | null> | null>;

/** Of all files of a table together, about which a condition is asked once. */
const KNOWN_VALUES_MAX = 10_000;

const OPERATORS: ReadonlySet<string> = new Set([
  ...['COMPARE_IN', 'COMPARE_NOT_IN', 'OPERATOR_NOT', 'OPERATOR_IS_NULL', 'OPERATOR_IS_NOT_NULL'],
  'OPERATOR_COALESCE',
]);

/** The same answer for the same text, in every session; none of them makes much of little. */
const FUNCTIONS: ReadonlySet<string> = new Set([
  ...['~~', '!~~', '~~*', '!~~*', '~~~', 'like_escape', 'not_like_escape', 'ilike_escape', '||'],
  ...['^@', 'starts_with', 'prefix', 'suffix', 'ends_with', 'contains', 'regexp_matches'],
  ...['regexp_full_match', 'lower', 'upper', 'lcase', 'ucase', 'trim', 'ltrim', 'rtrim'],
  ...['length', 'strlen', 'left', 'right', 'substring', 'substr', 'nullif'],
]);

const CAST_TYPES: ReadonlySet<string> = new Set([
  ...['VARCHAR', 'BOOLEAN', 'TINYINT', 'SMALLINT', 'INTEGER', 'BIGINT', 'HUGEINT', 'DOUBLE'],
]);

/** @param relationUses how often each relation is named, as the gate counted. */
export function findValueConditions(
  root: TreeNode,
  relationUses: ReadonlyMap<string, number>,
  catalog: Catalog,
  parameters: readonly Parameter[],
): ValueCondition[] {
  const conditions: ValueCondition[] = [];
  for (const { relation, table, reader } of readersOf(root, relationUses, catalog)) {
    const where = nodeAt(reader.select, 'where_clause');
    if (where === null) continue;
    const columns = (relation.valueColumns ?? []).filter((column) => !isRenamed(reader, column));
    for (const term of andTerms(where)) {
      for (const column of columns) {
        const subject = { alias: reader.alias, column, found: false };
        const expression = ownExpression(term, subject, parameters);
        if (expression !== null && subject.found) conditions.push({ table, column, expression });
      }
    }
  }
  return conditions;
}

/** What the files of a table hold of each condition's values. Conditions that tell nothing are left out. */
export async function acceptedOf(
  files: readonly ColdFile[],
  conditions: readonly ValueCondition[],
  accept: AcceptValues,
): Promise<AcceptedValues[]> {
  const accepted: AcceptedValues[] = [];
  for (const condition of conditions) {
    const { column } = condition;
    const known = new Set<string>();
    for (const file of files) {
      for (const value of file.values[column] ?? []) if (value !== null) known.add(value);
    }
    if (known.size === 0 || known.size > KNOWN_VALUES_MAX) continue;
    const values = await accept(condition, known);
    if (values !== null) accepted.push({ column, values, known: known.size });
  }
  return accepted;
}

/** In words. */
export function acceptedText({ column, values, known }: AcceptedValues): string {
  const orNull = values.has(null) ? ', and NULL' : '';
  return `${column} in ${values.size - (values.has(null) ? 1 : 0)} of ${known} values${orNull}`;
}

interface Subject {
  readonly alias: string;
  readonly column: string;
  /** Whether an expression named it. */
  found: boolean;
}

/**
 * A copy of `node` when it is made of what we know, else null. The copy loses the locations, whose 64-bit -1
 * JSON.parse has rounded past what DuckDB reads back.
 */
function ownExpression(
  node: TreeNode,
  subject: Subject,
  parameters: readonly Parameter[],
): TreeNode | null {
  const base = { class: node['class'], type: node['type'], alias: '', query_location: 0 };
  const partsAt = (...keys: readonly string[]): Record<string, TreeNode> | null => {
    const parts: Record<string, TreeNode> = {};
    for (const key of keys) {
      const child = nodeAt(node, key);
      const part = child === null ? null : ownExpression(child, subject, parameters);
      if (part === null) return null;
      parts[key] = part;
    }
    return parts;
  };
  const childrenOf = (): TreeNode[] | null => {
    const children = nodesAt(node, 'children').map((child) =>
      ownExpression(child, subject, parameters),
    );
    return children.every((child) => child !== null) ? children : null;
  };
  switch (node['class']) {
    case 'COLUMN_REF':
      if (!isColumn(node, subject.alias, subject.column)) return null;
      subject.found = true;
      return { ...base, column_names: [subject.column] };
    case 'CONSTANT': {
      const value = nodeAt(node, 'value');
      return value !== null && isSafeConstant(value) ? { ...base, value } : null;
    }
    case 'PARAMETER':
      return parameterConstant(parameters[Number(textAt(node, 'identifier')) - 1]);
    case 'COMPARISON': {
      const parts = partsAt('left', 'right');
      return parts && { ...base, ...parts };
    }
    case 'BETWEEN': {
      const parts = partsAt('input', 'lower', 'upper');
      return parts && { ...base, ...parts };
    }
    case 'CAST': {
      const type = nodeAt(node, 'cast_type');
      if (type === null || !CAST_TYPES.has(textAt(type, 'id')) || isNode(type['type_info']))
        return null;
      const parts = partsAt('child');
      return parts && { ...base, ...parts, cast_type: type, try_cast: node['try_cast'] };
    }
    case 'OPERATOR':
      if (!OPERATORS.has(textAt(node, 'type'))) return null;
      return withChildren(base, childrenOf());
    case 'CONJUNCTION':
      return withChildren(base, childrenOf());
    case 'FUNCTION': {
      const name = textAt(node, 'function_name').toLowerCase();
      if (!FUNCTIONS.has(name) || isNode(node['filter']) || node['distinct'] === true) return null;
      return withChildren({ ...node, ...base, filter: null }, childrenOf());
    }
    default:
      return null;
  }
}

function withChildren(base: TreeNode, children: readonly TreeNode[] | null): TreeNode | null {
  return children && { ...base, children };
}
