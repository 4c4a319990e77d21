/**
 * Percent-encoding of paths and queries as SigV4 and S3 have it (RFC 3986, unreserved characters only).
 *
 * - What came in is decoded exactly once: `%252e` is the text `%2e`, and no way up a directory.
 * - Malformed encoding is an answer, not an exception.
 */

/** @returns undefined when `text` is not the encoding of UTF-8. */
export function decodePercent(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** All but letters, digits and `-_.~` encoded; the hexadecimal digits in upper case. */
export function encodePercent(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** The same with slashes left alone. */
export function encodePath(path: string): string {
  return path.split('/').map(encodePercent).join('/');
}

export type QueryParameter = readonly [name: string, value: string];

/**
 * The parameters of a query, in their order; `a` and `a=` have the value ''. A plus is a space.
 * @returns undefined when a part is not the encoding of UTF-8.
 */
export function parseQuery(query: string): readonly QueryParameter[] | undefined {
  const parameters: QueryParameter[] = [];
  for (const part of query.split('&')) {
    if (part === '') continue;
    const equals = part.indexOf('=');
    const name = decodePercent(plain(equals < 0 ? part : part.slice(0, equals)));
    const value = equals < 0 ? '' : decodePercent(plain(part.slice(equals + 1)));
    if (name === undefined || value === undefined) return undefined;
    parameters.push([name, value]);
  }
  return parameters;
}

/** The value of the first parameter of that name. */
export function parameter(parameters: readonly QueryParameter[], name: string): string | undefined {
  return parameters.find(([candidate]) => candidate === name)?.[1];
}

function plain(text: string): string {
  return text.replaceAll('+', ' ');
}
