/**
 * The statement gate: decides whether a parsed statement may run. A pure function over the tree.
 *
 * Why: a locked DuckDB still lets a SELECT read its settings, list its views with their file paths,
 * write to its log and run SQL held in strings. So what runs is what this file knows to be harmless,
 * and everything else is refused: a node, a function or a relation that it does not know, by default.
 *
 * - The whole tree is visited; no key is skipped, so nothing hides under one.
 * - A relation is allowed when it is a common table expression in scope, or listed in the policy and
 *   named without a catalog, in schema `main` or none.
 * - A common table expression is in scope for those after it and for the body; for itself only when it
 *   is recursive. That is DuckDB's own rule: `WITH x AS (FROM x)` reads the relation x.
 * - The verdict says how often each listed relation is read; pruning relies on the count.
 * - `system.queries` is the relation `system_queries`: the verdict says where such names stand, as DuckDB
 *   would look for them in a catalogue of its own.
 *
 * Source: the parse tree of DuckDB 1.5; tests/query/gate-corpus.ts is rerun at each upgrade.
 */
import { LIMITS } from '../base/limits.ts';
import { isNode, nodeAt, nodesAt, type TreeNode, textAt } from './sql-tree.ts';

/** What analysts may name. All names lower case. */
export interface GatePolicy {
  readonly relations: ReadonlySet<string>;
  readonly functions: ReadonlySet<string>;
  readonly tableFunctions: ReadonlySet<string>;
}

export type Verdict =
  | {
      readonly allowed: true;
      /** How often each listed relation is named. */
      readonly relationUses: ReadonlyMap<string, number>;
      /** Where names of the schema `system` begin, bytes. */
      readonly systemNames: readonly number[];
    }
  | Denial;

/** Why a statement may not run; `name` or `what` is shown to the analyst. */
export type Denial =
  | { readonly allowed: false; readonly problem: 'relation' | 'function'; readonly name: string }
  | { readonly allowed: false; readonly problem: 'construct'; readonly what: string };

const EXPRESSION_CLASSES: ReadonlySet<string> = new Set([
  'BETWEEN',
  'CASE',
  'CAST',
  'COLLATE',
  'COLUMN_REF',
  'COMPARISON',
  'CONJUNCTION',
  'CONSTANT',
  'FUNCTION',
  'LAMBDA',
  'OPERATOR',
  'PARAMETER',
  'POSITIONAL_REFERENCE',
  'STAR',
  'SUBQUERY',
  'WINDOW',
]);

/** Query nodes, modifiers and descriptions of types. Table references have a branch of their own. */
const PLAIN_TYPES: ReadonlySet<string> = new Set([
  'SELECT_NODE',
  'SET_OPERATION_NODE',
  'RECURSIVE_CTE_NODE',
  'CTE_NODE',
  'LIMIT_MODIFIER',
  'LIMIT_PERCENT_MODIFIER',
  'ORDER_MODIFIER',
  'DISTINCT_MODIFIER',
  'ORDER_DEFAULT',
  'ASCENDING',
  'DESCENDING',
  'DECIMAL_TYPE_INFO',
  'STRING_TYPE_INFO',
  'LIST_TYPE_INFO',
  'STRUCT_TYPE_INFO',
  'ARRAY_TYPE_INFO',
  'ENUM_TYPE_INFO',
  'GENERIC_TYPE_INFO',
  'UNBOUND_TYPE_INFO',
  'USER_TYPE_INFO',
  'EMPTY',
  'EXPRESSION_LIST',
  'JOIN',
  'SUBQUERY',
]);

/** Names of DuckDB's own relations; a common table expression may not pass for one. */
const RESERVED_NAME = /^(duckdb_|pg_|pragma_|sqlite_|information_schema|__)/;

const SYSTEM = 'system';

type Scope = ReadonlySet<string>;

/**
 * Checks the tree `json_serialize_sql` gave for one text.
 * @param tree the whole answer, with its list of statements.
 */
export function checkStatement(tree: TreeNode, policy: GatePolicy): Verdict {
  const statements = nodesAt(tree, 'statements');
  if (statements.length !== 1) return construct(`A text of ${statements.length} statements`);
  const walk = new Walk(policy);
  const denial = walk.visit(statements[0], new Set(), 0);
  const { relationUses, systemNames } = walk;
  return denial ?? { allowed: true, relationUses, systemNames };
}

class Walk {
  readonly relationUses = new Map<string, number>();
  readonly systemNames: number[] = [];
  readonly #policy: GatePolicy;

  constructor(policy: GatePolicy) {
    this.#policy = policy;
  }

  /** @returns why not, or null when `value` and all below it is allowed. */
  visit(value: unknown, scope: Scope, depth: number): Denial | null {
    if (typeof value !== 'object' || value === null) return null;
    if (depth > LIMITS.sqlTreeDepthMax) return construct('A statement nested this deeply');
    if (!isNode(value)) {
      for (const item of value as readonly unknown[]) {
        const denial = this.visit(item, scope, depth + 1);
        if (denial) return denial;
      }
      return null;
    }
    const denial = this.#check(value, scope);
    if (denial) return denial;
    return this.#visitChildren(value, scope, depth);
  }

  #visitChildren(node: TreeNode, outer: Scope, depth: number): Denial | null {
    let scope = outer;
    const expressions = nodeAt(node, 'cte_map');
    if (expressions !== null) {
      for (const entry of nodesAt(expressions, 'map')) {
        const name = textAt(entry, 'key').toLowerCase();
        if (RESERVED_NAME.test(name)) return { allowed: false, problem: 'relation', name };
        const body = isRecursive(entry) ? new Set(scope).add(name) : scope;
        const denial = this.visit(entry['value'], body, depth + 1);
        if (denial) return denial;
        scope = new Set(scope).add(name);
      }
    }
    for (const key of Object.keys(node)) {
      if (key === 'cte_map') continue;
      const denial = this.visit(node[key], scope, depth + 1);
      if (denial) return denial;
    }
    return null;
  }

  /** Looks at the node itself, not below it. */
  #check(node: TreeNode, scope: Scope): Denial | null {
    const expressionClass = node['class'];
    if (expressionClass !== undefined) return this.#checkExpression(node, expressionClass);
    const type = node['type'];
    if (type === undefined || isNode(type)) return null; // a constant: its type is a node below
    switch (type) {
      case 'BASE_TABLE':
        return this.#checkRelation(node, scope);
      case 'TABLE_FUNCTION':
        return this.#checkTableFunction(node);
      case 'SHOW_REF':
        return checkShow(node);
      case 'PIVOT':
        return nodesAt(node, 'pivots').some((pivot) => textAt(pivot, 'pivot_enum') !== '')
          ? construct('PIVOT over an ENUM type')
          : null;
    }
    if (typeof type !== 'string' || !PLAIN_TYPES.has(type)) {
      return construct(`The construct ${String(type)}`);
    }
    return null;
  }

  #checkExpression(node: TreeNode, expressionClass: unknown): Denial | null {
    if (typeof expressionClass !== 'string' || !EXPRESSION_CLASSES.has(expressionClass)) {
      return construct(`The expression ${String(expressionClass)}`);
    }
    if (expressionClass !== 'FUNCTION' && expressionClass !== 'WINDOW') return null;
    const name = textAt(node, 'function_name').toLowerCase();
    // A table function's call is a FUNCTION node too, below its TABLE_FUNCTION: allowed by either list.
    const known = this.#policy.functions.has(name) || this.#policy.tableFunctions.has(name);
    if (known && isOwnSchema(node, 'catalog', 'schema')) return null;
    return { allowed: false, problem: 'function', name: qualified(node, 'schema', name) };
  }

  #checkTableFunction(node: TreeNode): Denial | null {
    const call = nodeAt(node, 'function');
    const name = call === null ? '' : textAt(call, 'function_name').toLowerCase();
    if (call !== null && call['class'] === 'FUNCTION' && this.#policy.tableFunctions.has(name)) {
      return null;
    }
    return { allowed: false, problem: 'function', name };
  }

  #checkRelation(node: TreeNode, scope: Scope): Denial | null {
    const name = textAt(node, 'table_name').toLowerCase();
    if (node['at_clause'] !== null && node['at_clause'] !== undefined) {
      return construct('Reading a table AT a version');
    }
    const schema = textAt(node, 'schema_name').toLowerCase();
    const unqualified = schema === '' && textAt(node, 'catalog_name') === '';
    if (unqualified && scope.has(name)) return null;
    if (this.#policy.relations.has(name) && isOwnSchema(node, 'catalog_name', 'schema_name')) {
      return this.#countUse(name);
    }
    const location = node['query_location'];
    if (schema === SYSTEM && textAt(node, 'catalog_name') === '' && typeof location === 'number') {
      const known = `${SYSTEM}_${name}`;
      this.systemNames.push(location);
      if (this.#policy.relations.has(known)) return this.#countUse(known);
    }
    const shown = qualified(node, 'schema_name', name);
    return { allowed: false, problem: 'relation', name: shown };
  }

  #countUse(name: string): null {
    this.relationUses.set(name, (this.relationUses.get(name) ?? 0) + 1);
    return null;
  }
}

/** DESCRIBE and SUMMARIZE carry a query, which is visited; without one only SHOW TABLES is open. */
function checkShow(node: TreeNode): Denial | null {
  const showType = textAt(node, 'show_type');
  if (nodeAt(node, 'query') !== null && (showType === 'DESCRIBE' || showType === 'SUMMARY')) {
    return null;
  }
  const subject = textAt(node, 'table_name').replaceAll('"', '');
  if (showType === 'SHOW_UNQUALIFIED' && subject === 'tables') return null;
  return construct(`SHOW ${subject}`.trim());
}

function isRecursive(entry: TreeNode): boolean {
  const value = nodeAt(entry, 'value');
  const query = value === null ? null : nodeAt(value, 'query');
  const node = query === null ? null : nodeAt(query, 'node');
  return node !== null && node['type'] === 'RECURSIVE_CTE_NODE';
}

function isOwnSchema(node: TreeNode, catalogKey: string, schemaKey: string): boolean {
  const schema = textAt(node, schemaKey).toLowerCase();
  return textAt(node, catalogKey) === '' && (schema === '' || schema === 'main');
}

function qualified(node: TreeNode, schemaKey: string, name: string): string {
  const schema = textAt(node, schemaKey);
  return schema === '' || schema === 'main' ? name : `${schema}.${name}`;
}

function construct(what: string): Denial {
  return { allowed: false, problem: 'construct', what };
}
