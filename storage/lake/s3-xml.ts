/**
 * The few elements that are read of an S3 store's answers.
 *
 * No parser of XML: the answers are S3's own and flat where they are read, their names are fixed, and they
 * have neither attributes in these elements nor comments or CDATA.
 */

/** The text of the first element of that name. */
export function textIn(xml: string, name: string): string | undefined {
  return elementsIn(xml, name)
    .next()
    .value?.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, decodeEntity);
}

/** What stands in each element of that name, in order. */
export function* elementsIn(xml: string, name: string): Generator<string, undefined> {
  const pattern = new RegExp(`<${name}(?: [^>]*)?>([\\s\\S]*?)</${name}>`, 'g');
  for (const [, content] of xml.matchAll(pattern)) yield content!;
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: '&',
  lt: '<',
  gt: '>',
  quot: '"',
  apos: "'",
};

function decodeEntity(whole: string, hex?: string, decimal?: string, name?: string): string {
  if (name !== undefined) return ENTITIES[name.toLowerCase()] ?? whole;
  const codePoint = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
  return codePoint <= 0x10ffff ? String.fromCodePoint(codePoint) : whole;
}
