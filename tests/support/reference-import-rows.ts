/**
 * Where the rows of an import end, found byte by byte, and lines joined as text: the slow twin of
 * native/src/import_json.cc, import_msgpack.cc and import_rows.cc.
 */

const RECORD_EXTENSION = 0x72;
/** What `endOfValue` says of a value whose end has not come. */
export const CUT_OFF = -1;
export const MALFORMED = -2;

/** Of what is within an array of events, and behind its end as it stands; undefined when a brace ends it. */
export function linesOfArray(text: string): string | undefined {
  let lines = '';
  let depth = 0;
  let isInString = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text[at]!;
    if (isInString) {
      lines += character;
      if (character === '\\') {
        at += 1;
        lines += text[at] ?? '';
      } else if (character === '"') isInString = false;
    } else if (character === ',' && depth === 0) lines += '\n';
    else if (character === '\n') lines += ' ';
    else if (depth === 0 && (character === ']' || character === '}')) {
      return character === ']' ? `${lines}\n${text.slice(at + 1)}` : undefined;
    } else {
      lines += character;
      if (character === '"') isInString = true;
      else if (character === '{' || character === '[') depth += 1;
      else if (character === '}' || character === ']') depth -= 1;
    }
  }
  return lines;
}

/** The position behind the msgpack value at `start`, or CUT_OFF or MALFORMED. */
export function endOfValue(bytes: Buffer, start: number): number {
  let at = start;
  for (let values = 1; values > 0; values -= 1) {
    if (at >= bytes.length) return CUT_OFF;
    const token = bytes[at++]!;
    if (token < 0x80 || token >= 0xe0) continue;
    if (token < 0x90) values += 2 * (token & 0x0f);
    else if (token < 0xa0) values += token & 0x0f;
    else if (token < 0xc0) at += token & 0x1f;
    else {
      const [fixedBytes, lengthBytes, kind] = TOKENS[token - 0xc0]!;
      if (kind === 'never') return MALFORMED;
      if (at + lengthBytes > bytes.length) return CUT_OFF;
      const length = lengthBytes === 0 ? 0 : bytes.readUIntBE(at, lengthBytes);
      at += lengthBytes;
      if (kind === 'extension' && bytes[at] === RECORD_EXTENSION) return MALFORMED;
      if (kind === 'map') values += 2 * length;
      else if (kind === 'array') values += length;
      else at += fixedBytes + length;
    }
  }
  return at <= bytes.length ? at : CUT_OFF;
}

type Token = readonly [fixedBytes: number, lengthBytes: number, kind: TokenKind];
type TokenKind = 'plain' | 'extension' | 'array' | 'map' | 'never';

/** Tokens 0xc0 to 0xdf: bytes behind the token whatever it says, and bytes of a length. */
const TOKENS: readonly Token[] = [
  [0, 0, 'plain'], // nil
  [0, 0, 'never'],
  [0, 0, 'plain'], // false
  [0, 0, 'plain'], // true
  ...lengths(0, 'plain'), // bin
  ...lengths(1, 'extension'),
  [4, 0, 'plain'], // floats
  [8, 0, 'plain'],
  ...[1, 2, 4, 8, 1, 2, 4, 8].map((bytes): Token => [bytes, 0, 'plain']), // integers
  ...[1, 2, 4, 8, 16].map((bytes): Token => [bytes + 1, 0, 'extension']),
  ...lengths(0, 'plain'), // str
  [0, 2, 'array'],
  [0, 4, 'array'],
  [0, 2, 'map'],
  [0, 4, 'map'],
];

/** Three tokens, with a length in one, two and four bytes. */
function lengths(fixedBytes: number, kind: TokenKind): readonly Token[] {
  return [
    [fixedBytes, 1, kind],
    [fixedBytes, 2, kind],
    [fixedBytes, 4, kind],
  ];
}

/** The lines of `text` as events of a batch; those before the first that is no object. */
export function joinedLines(
  text: string,
  idOf?: (row: number) => string,
): { readonly rows: string[]; readonly lines: number; readonly isMalformed: boolean } {
  const rows: string[] = [];
  const lines = text.split(/(?<=\n)/).filter((line) => line !== '');
  for (const [index, line] of lines.entries()) {
    const bare = line.replace(/^[ \t\n\r]+|[ \t\n\r]+$/g, '');
    if (bare === '') continue;
    if (!/^\{.*\}$/s.test(bare)) return { rows, lines: index, isMalformed: true };
    const row = line.slice(line.indexOf('{'));
    const members = row.slice(1).replace(/^[ \t\n\r]+/, '');
    const comma = members.startsWith('}') ? '' : ',';
    rows.push(idOf === undefined ? row : `{"messageId":"${idOf(rows.length)}"${comma}${members}`);
  }
  return { rows, lines: lines.length, isMalformed: false };
}
