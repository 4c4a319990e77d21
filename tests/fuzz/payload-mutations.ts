/** Damage and change to a payload, at the level of bytes, tokens and structure. */
import { NOT_UTF8, NUMBERS_OUT_OF_RANGE, NUMBERS_ROUNDED, VALID } from './json-cases.ts';
import { FIELD_NAMES, IDENTIFIERS, TIMES } from './payload-material.ts';
import { below, pick, type Random } from './random-draw.ts';

const INSERTED_TOKENS = [
  '{',
  '}',
  '[',
  ']',
  ',',
  ':',
  '"',
  '\\',
  '\\"',
  '\\u',
  '\\ud83d',
  '\\ude00',
  '\\u0000',
  '0',
  '-',
  '.',
  'e',
  '1e999',
  '1e-999',
  '18446744073709551616',
  'true',
  'false',
  'null',
  'nul',
  '\0',
  '\n',
  '\x1f',
  ' ',
  '/*',
  '//',
  '\ufeff',
  '\u2028',
  '"batch":',
  '"batch":[',
  '"sentAt":"2026-03-01T11:00:00Z",',
  '{}',
  '[]',
];
const HALF_SEQUENCES = [
  '\xc3',
  '\xe2\x82',
  '\xf0\x9f\x98',
  '\xff',
  '\x80',
  '\xed\xa0\x80',
  '\xc0\x80',
  '\xf8',
];

const NUMBERS = [...NUMBERS_OUT_OF_RANGE, ...NUMBERS_ROUNDED, ...VALID]
  .map((text) => text.toString())
  .filter((text) => /^\[[-0-9.eE+]+\]$/.test(text))
  .map((text) => text.slice(1, -1));

type Mutation = (payload: Buffer, random: Random) => Buffer;

const MUTATIONS: readonly Mutation[] = [
  flipBit,
  setByte,
  truncate,
  removeSlice,
  repeatSlice,
  insertToken,
  insertToken,
  replaceNumber,
  replaceString,
  replaceString,
  swapTokens,
  nest,
  breakUtf8,
  lengthenString,
];

/** The payload with one change; an empty one stays empty. */
export function mutated(payload: Buffer, random: Random): Buffer {
  return payload.length === 0 ? payload : pick(MUTATIONS, random)(payload, random);
}

function spliced(payload: Buffer, start: number, end: number, inserted: string | Buffer): Buffer {
  const middle = typeof inserted === 'string' ? Buffer.from(inserted) : inserted;
  return Buffer.concat([payload.subarray(0, start), middle, payload.subarray(end)]);
}

function flipBit(payload: Buffer, random: Random): Buffer {
  const changed = Buffer.from(payload);
  changed[below(payload.length, random)]! ^= 1 << below(8, random);
  return changed;
}

function setByte(payload: Buffer, random: Random): Buffer {
  const changed = Buffer.from(payload);
  changed[below(payload.length, random)] = below(256, random);
  return changed;
}

function truncate(payload: Buffer, random: Random): Buffer {
  return payload.subarray(0, below(payload.length, random));
}

function removeSlice(payload: Buffer, random: Random): Buffer {
  const start = below(payload.length, random);
  return spliced(payload, start, Math.min(payload.length, start + 1 + below(20, random)), '');
}

function repeatSlice(payload: Buffer, random: Random): Buffer {
  const start = below(payload.length, random);
  const slice = payload.subarray(start, start + 1 + below(80, random));
  return spliced(payload, start, start, slice);
}

function insertToken(payload: Buffer, random: Random): Buffer {
  const at = below(payload.length + 1, random);
  return spliced(payload, at, at, pick(INSERTED_TOKENS, random));
}

/** Every token of the text: strings, numbers, literals, brackets. */
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.eE+-]*|true|false|null|[[\]{}:,]/gs;

interface Token {
  readonly start: number;
  readonly end: number;
}

/** In latin1, so that positions are those of bytes. */
function tokensOf(payload: Buffer, isWanted: (first: string) => boolean): Token[] {
  const tokens: Token[] = [];
  for (const match of payload.toString('latin1').matchAll(TOKEN)) {
    if (isWanted(match[0][0]!))
      tokens.push({ start: match.index, end: match.index + match[0].length });
  }
  return tokens;
}

function replaceToken(
  payload: Buffer,
  first: RegExp,
  values: readonly string[],
  random: Random,
): Buffer {
  const tokens = tokensOf(payload, (character) => first.test(character));
  if (tokens.length === 0) return payload;
  const { start, end } = pick(tokens, random);
  return spliced(payload, start, end, pick(values, random));
}

function replaceNumber(payload: Buffer, random: Random): Buffer {
  return replaceToken(payload, /[-0-9tfn]/, [...NUMBERS, '"1"', '[]', '{}'], random);
}

function replaceString(payload: Buffer, random: Random): Buffer {
  return replaceToken(
    payload,
    /"/,
    [...IDENTIFIERS, ...TIMES, ...FIELD_NAMES.map((name) => `"${name}"`)],
    random,
  );
}

function swapTokens(payload: Buffer, random: Random): Buffer {
  const tokens = tokensOf(payload, () => true);
  if (tokens.length < 2) return payload;
  const at = below(tokens.length - 1, random);
  const [one, two] = [
    tokens[at]!,
    tokens[at + 1 + below(Math.min(6, tokens.length - at - 1), random)]!,
  ];
  const between = payload.subarray(one.end, two.start);
  const swapped = [
    payload.subarray(two.start, two.end),
    between,
    payload.subarray(one.start, one.end),
  ];
  return spliced(payload, one.start, two.end, Buffer.concat(swapped));
}

/** Wraps a value in arrays or objects, around the limit of depth more often than elsewhere. */
function nest(payload: Buffer, random: Random): Buffer {
  const tokens = tokensOf(payload, (first) => /["\-0-9tfn]/.test(first));
  if (tokens.length === 0) return payload;
  const { start, end } = pick(tokens, random);
  const levels = random() < 0.7 ? 56 + below(10, random) : below(300, random);
  const [open, close] = pick(
    [
      ['[', ']'],
      ['{"a":', '}'],
      ['[{"":', '}]'],
    ] as const,
    random,
  );
  const value = random() < 0.3 ? '' : payload.toString('latin1', start, end);
  const nested = `${open.repeat(levels)}${value}${close.repeat(levels)}`;
  return spliced(payload, start, end, Buffer.from(nested, 'latin1'));
}

function breakUtf8(payload: Buffer, random: Random): Buffer {
  const at = below(payload.length + 1, random);
  const broken =
    random() < 0.8 ? pick(HALF_SEQUENCES, random) : pick(NOT_UTF8, random).toString('latin1');
  return spliced(payload, at, at, Buffer.from(broken, 'latin1'));
}

/** Past simdjson's block of 64 bytes, past its page, past what an event may hold. */
function lengthenString(payload: Buffer, random: Random): Buffer {
  const tokens = tokensOf(payload, (first) => first === '"');
  if (tokens.length === 0) return payload;
  const { end } = pick(tokens, random);
  const length = pick([63, 64, 65, 900, 1100, 5000, 40_000], random);
  const filling = pick(['x', 'é', '\\\\', '\\n', String.raw`\u00e9`, '{"'], random);
  return spliced(payload, end - 1, end - 1, filling.repeat(Math.ceil(length / filling.length)));
}
