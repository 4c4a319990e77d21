/**
 * Payloads for the decoder: valid tracking bodies built from material that is close to its edges, then
 * damaged or changed at the level of bytes, tokens and structure. A case is a function of its seed alone,
 * so that it can be made again from the two numbers a failure prints.
 *
 * About half of the cases are still valid JSON, so that rows are compared as often as refusals.
 */
import { seededRandom } from '../../base/random.ts';
import { EVENT_TYPES } from '../../engine/types.ts';
import {
  INVALID,
  type JsonText,
  LONE_SURROGATES,
  NOT_UTF8,
  NUMBERS_OUT_OF_RANGE,
  NUMBERS_ROUNDED,
  VALID,
} from './json-cases.ts';

export interface FuzzCase {
  readonly payload: Buffer;
  /** As in BatchFields: a position in EVENT_TYPES, or its length. */
  readonly typeOfPath: number;
}

type Random = () => number;

const { raw } = String;
const IDENTIFIERS = [
  ...[
    '"u1"',
    '"ada@example.com"',
    '"é€😀"',
    raw`"\u00e9\ud83d\ude00"`,
    '""',
    'null',
    '42',
    '-7',
    '1.50',
  ],
  ...[
    '1e3',
    '18446744073709551615',
    '-9223372036854775808',
    '-0',
    'true',
    '{}',
    '[]',
    '["a"]',
    raw`"\u0000"`,
  ],
  ...[
    `"${'x'.repeat(100)}"`,
    `"${'x'.repeat(101)}"`,
    `"${'é'.repeat(512)}"`,
    `"${'é'.repeat(513)}"`,
  ],
  ...[raw`"\"\\\/"`, '" "', '"0"', raw`"\n"`, '{"id":1}', '0.1', '1E+2'],
];
const TIMES = [
  ...[
    '"2026-03-01T11:59:59.500Z"',
    '"2026-03-01T12:00:00.000Z"',
    '"2026-03-01"',
    '"2026-02-30T00:00:00Z"',
  ],
  ...[
    '"2026-03-01T13:00:00+01:00"',
    '"2026-03-01 12:00:00,25"',
    '"2024-02-29T23:59:60Z"',
    '"today"',
    '""',
  ],
  ...[
    '"2026-03-02T12:00:00.001Z"',
    '"2026-03-01T11:58:59.999Z"',
    '"2026-03-01T11:59:00.000Z"',
    'null',
  ],
  ...[
    '1772366400',
    '"1772366400"',
    '"0001-01-01T00:00:00Z"',
    '"9999-12-31T23:59:59.999Z"',
    '{}',
    '[1]',
  ],
  ...[
    '"2026-03-01T12:00:00.123456Z"',
    '"2026-03-01T12:00-0130"',
    '"2026-03-01T12:00:00.1234567891Z"',
  ],
];
const OBJECTS = [
  ...[
    '{}',
    '{"a":1}',
    'null',
    '{"price":1.50,"items":[{"sku":"a"},{"sku":"b"}]}',
    '{ "a" : [ ] }',
    '[]',
  ],
  ...[
    '{"a":{"b":{"c":{"d":[[[]]]}}}}',
    '"text"',
    '7',
    'false',
    '{"__proto__":{"x":1}}',
    '{"":""}',
    '""',
  ],
  ...[
    raw`{"\u0061":"\u0062"}`,
    '{"a":1,"a":2}',
    '{"n":[1,-1,1.5,1e2,null,true]}',
    '{"t":"[{,:}]\\"\\\\"}',
  ],
];
const FIELDS: Readonly<Record<string, readonly string[]>> = {
  type: [...EVENT_TYPES.map((type) => `"${type}"`), '"purchase"', 'null', '1', raw`"tr\u0061ck"`],
  event: IDENTIFIERS,
  name: IDENTIFIERS,
  userId: IDENTIFIERS,
  anonymousId: IDENTIFIERS,
  groupId: IDENTIFIERS,
  previousId: IDENTIFIERS,
  messageId: IDENTIFIERS,
  timestamp: TIMES,
  originalTimestamp: TIMES,
  sentAt: TIMES,
  properties: OBJECTS,
  traits: OBJECTS,
  context: OBJECTS,
  integrations: OBJECTS,
  channel: [...IDENTIFIERS, ...OBJECTS],
  writeKey: ['"secret"'],
  _metadata: OBJECTS,
  __proto__: OBJECTS,
};
const FIELD_NAMES = Object.keys(FIELDS);
const SPACES = ['', '', '', '', '', ' ', '\n', '\t', '\r\n  '];
const TOKENS = [
  ...[
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
  ],
  ...[
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
  ],
  ...[
    '/*',
    '//',
    '\ufeff',
    '\u2028',
    '"batch":',
    '"batch":[',
    '"sentAt":"2026-03-01T11:00:00Z",',
    '{}',
    '[]',
  ],
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

/** Case `index` of `seed`. */
export function fuzzCase(seed: number, index: number): FuzzCase {
  const random = seededRandom(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  let payload: Buffer = Buffer.from(body(random));
  const changes = random() < 0.45 ? 0 : 1 + Math.floor(random() ** 3 * 6);
  for (let change = 0; change < changes; change += 1) payload = mutated(payload, random);
  const typeOfPath = random() < 0.8 ? EVENT_TYPES.length : below(EVENT_TYPES.length, random);
  return { payload, typeOfPath };
}

function below(count: number, random: Random): number {
  return Math.floor(random() * count);
}

function pick<Item>(items: readonly Item[], random: Random): Item {
  return items[below(items.length, random)]!;
}

// ── valid bodies ─────────────────────────────────────────────────────────────────────────────────

function body(random: Random): string {
  if (random() < 0.2) return event(random);
  const events = Array.from({ length: below(5, random) }, () =>
    random() < 0.03 ? pick([...IDENTIFIERS, ...OBJECTS], random) : event(random),
  );
  const members = [`"batch":${space(random)}[${events.join(`,${space(random)}`)}]`];
  if (random() < 0.3) members.push(`"sentAt":${pick(TIMES, random)}`);
  if (random() < 0.2) members.push(`"context":${pick(OBJECTS, random)}`);
  if (random() < 0.1) members.unshift(`"integrations":${pick(OBJECTS, random)}`);
  if (random() < 0.2) members.unshift(`"x":${pick(OBJECTS, random)}`);
  if (random() < 0.05) members.push(`"batch":${pick(OBJECTS, random)}`);
  if (random() < 0.2) members.reverse();
  return `${space(random)}{${members.join(',')}${space(random)}}${space(random)}`;
}

/** Mostly an event that is accepted; some members are repeated, some keys are written with escapes. */
function event(random: Random): string {
  const type = pick(EVENT_TYPES, random);
  const members = [
    `"type":"${type}"`,
    `"userId":${random() < 0.8 ? '"u1"' : pick(IDENTIFIERS, random)}`,
  ];
  if (type === 'track') members.push('"event":"Seen"');
  if (type === 'group') members.push('"groupId":"g"');
  if (type === 'alias') members.push('"previousId":"p"');
  for (let more = below(4, random); more > 0; more -= 1) members.push(member(random));
  if (random() < 0.3) members.reverse();
  return `{${space(random)}${members.join(`${space(random)},`)}}`;
}

function member(random: Random): string {
  const name = pick(FIELD_NAMES, random);
  const key = random() < 0.95 ? name : escaped(name, random);
  const value = random() < 0.1 ? jsonText(random) : pick(FIELDS[name]!, random);
  return `"${key}"${space(random)}:${space(random)}${value}`;
}

function escaped(text: string, random: Random): string {
  const at = below(text.length, random);
  const unit = text.charCodeAt(at).toString(16).padStart(4, '0');
  return `${text.slice(0, at)}\\u${unit}${text.slice(at + 1)}`;
}

/** A text of the conformance table, valid more often than not. */
function jsonText(random: Random): string {
  const [valid, other] = [VALID, [INVALID, LONE_SURROGATES, NUMBERS_OUT_OF_RANGE, NUMBERS_ROUNDED]];
  const text: JsonText = pick(random() < 0.9 ? valid : pick(other, random), random);
  return text.length > 1000 ? '0' : text.toString();
}

function space(random: Random): string {
  return pick(SPACES, random);
}

// ── changes ──────────────────────────────────────────────────────────────────────────────────────

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

function mutated(payload: Buffer, random: Random): Buffer {
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
  return spliced(payload, at, at, pick(TOKENS, random));
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

const NUMBERS = [...NUMBERS_OUT_OF_RANGE, ...NUMBERS_ROUNDED, ...VALID]
  .map((text) => text.toString())
  .filter((text) => /^\[[-0-9.eE+]+\]$/.test(text))
  .map((text) => text.slice(1, -1));

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
  const filling = pick(['x', 'é', '\\\\', '\\n', raw`\u00e9`, '{"'], random);
  return spliced(payload, end - 1, end - 1, filling.repeat(Math.ceil(length / filling.length)));
}
