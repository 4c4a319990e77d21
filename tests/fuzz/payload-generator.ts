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
  NUMBERS_OUT_OF_RANGE,
  NUMBERS_ROUNDED,
  VALID,
} from './json-cases.ts';
import { FIELD_NAMES, FIELDS, IDENTIFIERS, OBJECTS, SENDERS, TIMES } from './payload-material.ts';
import { mutated } from './payload-mutations.ts';
import { below, pick, type Random } from './random-draw.ts';

export interface FuzzCase {
  readonly payload: Buffer;
  /** As in BatchFields: a position in EVENT_TYPES, or its length. */
  readonly typeOfPath: number;
  readonly hasSender: boolean;
}

const UNUSUAL: readonly (readonly JsonText[])[] = [
  INVALID,
  LONE_SURROGATES.map(([sent]) => sent),
  NUMBERS_OUT_OF_RANGE,
  NUMBERS_ROUNDED,
];
const SPACES = ['', '', '', '', '', ' ', '\n', '\t', '\r\n  '];

/** Case `index` of `seed`. */
export function fuzzCase(seed: number, index: number): FuzzCase {
  const random = seededRandom(Math.imul(seed + 1, 0x9e3779b1) ^ Math.imul(index + 1, 0x85ebca6b));
  let payload: Buffer = Buffer.from(body(random));
  const changes = random() < 0.45 ? 0 : 1 + Math.floor(random() ** 3 * 6);
  for (let change = 0; change < changes; change += 1) payload = mutated(payload, random);
  const typeOfPath = random() < 0.8 ? EVENT_TYPES.length : below(EVENT_TYPES.length, random);
  return { payload, typeOfPath, hasSender: random() < 0.3 };
}

function body(random: Random): string {
  if (random() < 0.2) return event(random);
  const events = Array.from({ length: below(5, random) }, () =>
    random() < 0.03 ? pick([...IDENTIFIERS, ...OBJECTS], random) : event(random),
  );
  const members = [`"batch":${space(random)}[${events.join(`,${space(random)}`)}]`];
  if (random() < 0.3) members.push(`"sentAt":${pick(TIMES, random)}`);
  if (random() < 0.2) members.push(`"context":${pick([...OBJECTS, ...SENDERS], random)}`);
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
  const text: JsonText = pick(random() < 0.85 ? VALID : pick(UNUSUAL, random), random);
  return text.length > 1000 ? '0' : text.toString();
}

function space(random: Random): string {
  return pick(SPACES, random);
}
