/**
 * A statement as DuckDB's `json_serialize_sql` describes it: plain JSON, and helpers to look into it.
 *
 * The shape belongs to DuckDB and changes with its versions. Nothing here trusts it: every field is
 * read as `unknown` and checked where it is used, and the gate refuses a node it does not know.
 *
 * - An expression has a `class` (`COLUMN_REF`) and a finer `type`; a query node, a table reference and
 *   a modifier have only a `type` (`SELECT_NODE`, `BASE_TABLE`, `LIMIT_MODIFIER`).
 * - 64-bit numbers in it have lost their low digits to JSON.parse; `query_location` of -1 is one.
 */

/** One JSON object of the tree. */
export interface TreeNode {
  readonly [key: string]: unknown;
}

export function isNode(value: unknown): value is TreeNode {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The text at `key`, or '' when there is none. */
export function textAt(node: TreeNode, key: string): string {
  const value = node[key];
  return typeof value === 'string' ? value : '';
}

/** The child object at `key`, or null. */
export function nodeAt(node: TreeNode, key: string): TreeNode | null {
  const value = node[key];
  return isNode(value) ? value : null;
}

/** The child objects in the list at `key`; anything else there is left out. */
export function nodesAt(node: TreeNode, key: string): TreeNode[] {
  const value = node[key];
  return Array.isArray(value) ? value.filter(isNode) : [];
}

/** Whether the list at `key` is missing or has no elements. */
export function isEmptyAt(node: TreeNode, key: string): boolean {
  const value = node[key];
  return value === null || value === undefined || (Array.isArray(value) && value.length === 0);
}

/** The texts in the list at `key`; anything else there is left out. */
export function textsAt(node: TreeNode, key: string): string[] {
  const value = node[key];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}
