/**
 * JSON whose whole numbers are exact: snapshot ids of other writers use 63 bits, and JSON.parse would
 * round them. The one module that imports json-with-bigint.
 */
import { JSONParse, JSONStringify } from 'json-with-bigint';

/** Whole numbers beyond 2^53 come out as bigint, all others as number. @throws SyntaxError */
export function parseJson(text: string): unknown {
  return JSONParse(text);
}

/** A bigint is written as the number it is. */
export function formatJson(value: unknown): string {
  return JSONStringify(value);
}
