/**
 * Reads the constants of bounds that are plain literals: most statements compare a time with a text such as
 * '2026-01-31 12:00:00Z', and to ask DuckDB takes as long as a small statement.
 *
 * Only what DuckDB reads in one way is read here, the zone being UTC (worker-database.ts): whole numbers, dates,
 * and times to the second or finer, in years 1000 to 9999. Of everything else the value is unknown.
 */
import type { BoundColumn } from './catalog.ts';
import { nodeAt, type TreeNode, textAt } from './sql-tree.ts';

const INTEGER = /^U?(TINY|SMALL|BIG)?INT(EGER)?$/;
const DATE = /^[1-9]\d{3}-\d\d-\d\d$/;
const TIME = /^([1-9]\d{3}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(?:\.(\d{1,6}))?(Z?)$/;
/** Types a text is cast to by `DATE '…'` and the like. */
const WITH_ZONE = 'TIMESTAMP WITH TIME ZONE';
const WITHOUT_ZONE = 'TIMESTAMP';

/** @returns microseconds since 1970 or the number itself; undefined for what DuckDB has to say. */
export function literalValue(expression: TreeNode, kind: BoundColumn['kind']): bigint | undefined {
  if (kind === 'integer') return integerOf(expression);
  // A bare text is compared with the column as the column's type.
  if (expression['class'] === 'CONSTANT') return momentOf(textOf(expression), WITH_ZONE);
  const type = nodeAt(expression, 'cast_type');
  const child = nodeAt(expression, 'child');
  if (expression['class'] !== 'CAST' || type === null || child === null) return undefined;
  return momentOf(textOf(child), textAt(type, 'id'));
}

function integerOf(node: TreeNode): bigint | undefined {
  const value = constantOf(node);
  const type = value && nodeAt(value, 'type');
  const content = value?.['value'];
  if (!type || !INTEGER.test(textAt(type, 'id'))) return undefined;
  return Number.isSafeInteger(content) ? BigInt(content as number) : undefined;
}

function textOf(node: TreeNode): string | undefined {
  const value = constantOf(node);
  const type = value && nodeAt(value, 'type');
  const content = value?.['value'];
  const isText = type && textAt(type, 'id') === 'VARCHAR' && typeof content === 'string';
  return isText ? content : undefined;
}

/** The value of a literal that is not NULL. */
function constantOf(node: TreeNode): TreeNode | null {
  const value = node['class'] === 'CONSTANT' ? nodeAt(node, 'value') : null;
  return value !== null && value['is_null'] === false ? value : null;
}

function momentOf(text: string | undefined, type: string): bigint | undefined {
  if (text === undefined) return undefined;
  if (DATE.test(text) && (type === 'DATE' || type === WITHOUT_ZONE || type === WITH_ZONE)) {
    return microsOf(text, '00:00:00', '');
  }
  const [, date, time, fraction = '', zone] = TIME.exec(text) ?? [];
  if (date === undefined || time === undefined) return undefined;
  const isRead = type === WITH_ZONE || (type === WITHOUT_ZONE && zone === '');
  return isRead ? microsOf(date, time, fraction) : undefined;
}

/** @returns undefined for a day or a time that there is not. */
function microsOf(date: string, time: string, fraction: string): bigint | undefined {
  const iso = `${date}T${time}.000Z`;
  const millis = Date.parse(iso);
  // JavaScript takes 24:00:00 and, in places, the 30th of February for the day after.
  if (Number.isNaN(millis) || new Date(millis).toISOString() !== iso) return undefined;
  return BigInt(millis) * 1000n + BigInt(fraction.padEnd(6, '0'));
}
