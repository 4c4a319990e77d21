/**
 * Objects and arrays of JSON taken apart as texts, so that one can be put together again in another way
 * and no number loses a digit on the way through JavaScript.
 */

export interface Member {
  readonly name: string;
  /** `"name": value`, as it was written. */
  readonly text: string;
  /** The value alone. */
  readonly value: string;
}

/** The elements of an array, or the members of an object. @param text is JSON, of one of the two. */
export function partsOf(text: string): string[] {
  const parts: string[] = [];
  const last = text.lastIndexOf(text.trimStart().startsWith('{') ? '}' : ']');
  let start = text.search(/[[{]/) + 1;
  let depth = 0;
  for (let at = start; at < last; at += 1) {
    const sign = text[at]!;
    if (sign === '"') at = endOfString(text, at);
    else if (sign === '{' || sign === '[') depth += 1;
    else if (sign === '}' || sign === ']') depth -= 1;
    else if (sign === ',' && depth === 0) {
      parts.push(text.slice(start, at).trim());
      start = at + 1;
    }
  }
  const rest = text.slice(start, last).trim();
  return rest === '' ? parts : [...parts, rest];
}

/** The members of an object, repeated names included. @param text is JSON of an object. */
export function membersOf(text: string): Member[] {
  return partsOf(text).map((part) => {
    const end = endOfString(part, 0) + 1;
    const value = part.slice(part.indexOf(':', end) + 1).trim();
    return { name: JSON.parse(part.slice(0, end)) as string, text: part, value };
  });
}

/** The position of the quote that ends the string which begins at `start`. */
function endOfString(text: string, start: number): number {
  let at = start + 1;
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1;
  return at;
}
