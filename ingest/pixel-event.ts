/**
 * The event in the query of a pixel.
 *
 * Two forms exist. Segment's carries a whole event, base64 of JSON, in `data`. RudderStack's spells the
 * event out in parameters, where a dot descends: `properties.price=9.5` is `{"properties":{"price":"9.5"}}`.
 *
 * - Values are texts; a query has no other type.
 * - `writeKey` is the credential and no part of the event.
 * - A name that is a value in one parameter and an object in another keeps what came first.
 */

/** An object without a prototype, so that `__proto__` is a name like any other. */
interface Tree {
  [name: string]: string | Tree;
}

/**
 * @param query the raw query, without its question mark.
 * @returns the event as JSON, not yet checked.
 */
export function eventOfQuery(query: string): Uint8Array {
  const parameters = new URLSearchParams(query);
  const data = parameters.get('data');
  // In a query a plus sign is a space, also where base64 meant it.
  if (data !== null) return Buffer.from(data.replaceAll(' ', '+'), 'base64');
  const event = emptyTree();
  for (const [name, value] of parameters) {
    if (name !== 'writeKey') place(event, name.split('.'), value);
  }
  return Buffer.from(JSON.stringify(event));
}

function place(root: Tree, path: readonly string[], value: string): void {
  let tree = root;
  for (const name of path.slice(0, -1)) {
    tree[name] ??= emptyTree();
    const inner: string | Tree = tree[name];
    if (typeof inner === 'string') return;
    tree = inner;
  }
  tree[path.at(-1)!] ??= value;
}

function emptyTree(): Tree {
  return Object.create(null) as Tree;
}
