/**
 * What the decoder must make of a payload, by JSON.parse: accepted or refused, and the rows.
 *
 * The rows come from the reference decoder, which reads plain objects. What plain objects cannot carry is
 * taken care of here, on both sides of the comparison:
 * - numbers are compared by their digits, as identifiers and JSON columns keep them, not by value;
 * - times are read by a grammar of their own and handed on as milliseconds; a finer one is not compared;
 * - half surrogate pairs are replaced by U+FFFD before the reference reads, and each event that holds one
 *   is warned about;
 * - numbers out of range and depth, which JSON.parse lets pass, are refused.
 */
import { isUtf8 } from 'node:buffer';
import { isDeepStrictEqual } from 'node:util';
import { LIMITS } from '../../base/limits.ts';
import { EVENT_TYPES } from '../../engine/types.ts';
import { type ReferenceRow, referenceRows } from '../support/reference-decoder.ts';
import { type Decoding, RECEIVED_AT_MICROS, SOURCE_NAME } from './decoder-probe.ts';

type JsonObject = Record<string, unknown>;

/** What is wrong with a decoding, or '' when it is what JSON.parse makes of the payload. */
export type Oracle = (payload: Buffer, typeOfPath: number, decoding: Decoding) => string;

/** A string, a number, an empty container, an opening or a closing bracket. */
const TOKEN =
  /"[^"\\]*(?:\\.[^"\\]*)*"|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[[{][ \t\r\n]*[\]}]|[[{]|[\]}]|true|false|null/gs;
/** A pair, half a pair, or any other escape. */
const ESCAPE = /\\u[dD][89abAB]..\\u[dD][c-fC-F]..|\\u[dD][89a-fA-F]..|\\./g;
const HALF_PAIR_BYTES = 6;
const HALF_PAIR = /(?<!\\)(?:\\\\)*\\u[dD][89a-fA-F]/;
const SURROGATE = /\p{Surrogate}/u;
const INTEGER_MIN = -(2n ** 63n);
const INTEGER_MAX = 2n ** 64n - 1n;
const JSON_COLUMNS = ['properties', 'traits', 'context', 'integrations', 'extra'];
const TIME_COLUMNS = ['timestamp', 'original_timestamp', 'sent_at'];
const TIME_FIELDS = ['timestamp', 'originalTimestamp', 'sentAt'];
/** Below it no event is too large, however its text is written again: quotes at most double a number. */
const COMPARED_BYTES_MAX = LIMITS.eventBytesMax / 2;

export const payloadOracle: Oracle = (payload, typeOfPath, decoding) => {
  const events = readEvents(payload);
  const isAccepted = decoding.code === '';
  if (events === undefined) return isAccepted ? 'accepted, but to be refused' : '';
  if (!isAccepted) return `refused with ${decoding.code}, but to be accepted`;
  if (decoding.rows.length !== events.count) {
    return `${decoding.rows.length} rows, but ${events.count} events`;
  }
  const hidden = decoding.rows.flatMap((row, index) => (row.hidden ? [index] : []));
  if (!isDeepStrictEqual(hidden, decoding.rejected)) {
    return `rows ${hidden} are hidden, but ${decoding.rejected} rejected`;
  }
  const unwarned = events.broken.find((index) => !decoding.repaired.includes(index));
  if (unwarned !== undefined) return `event ${unwarned} was repaired without a warning`;
  if (!HALF_PAIR.test(payload.toString('latin1')) && decoding.repaired.length > 0) {
    return `warned about events ${decoding.repaired}, which hold no half surrogate pair`;
  }
  if (payload.length > COMPARED_BYTES_MAX) return '';
  return compareRows(decoding, expectedRows(events.root, typeOfPath, decoding));
};

interface Events {
  /** The body as JSON.parse reads it, its numbers as strings of their digits. */
  readonly root: JsonObject;
  readonly count: number;
  /** Positions of the events that hold half a surrogate pair. */
  readonly broken: readonly number[];
}

/** The events of a payload, or undefined when it is to be refused as a whole. */
function readEvents(payload: Buffer): Events | undefined {
  if (!isUtf8(payload)) return undefined;
  const text = payload.toString('utf8');
  let sent: unknown;
  try {
    sent = JSON.parse(text);
  } catch {
    return undefined;
  }
  const quoted = quoteNumbers(repairHalfPairs(text));
  const root: unknown = quoted === undefined ? undefined : JSON.parse(quoted);
  if (!isObject(root)) return undefined;
  if (!Object.hasOwn(root, 'batch')) return { root, count: 1, broken: brokenEvents([sent]) };
  const batch = root['batch'];
  if (!Array.isArray(batch) || batch.length > LIMITS.batchEventsMax) return undefined;
  const broken = brokenEvents((sent as { batch: unknown[] }).batch);
  return { root, count: batch.length, broken };
}

/** JSON.stringify escapes surrogates where they stand alone, and only there. */
function brokenEvents(events: readonly unknown[]): number[] {
  return events.flatMap((event, index) =>
    isObject(event) && HALF_PAIR.test(JSON.stringify(event)) ? [index] : [],
  );
}

function repairHalfPairs(json: string): string {
  return json.replace(ESCAPE, (found) => {
    const isHalf = found.length === HALF_PAIR_BYTES && /^\\u[dD][89a-fA-F]/.test(found);
    return isHalf ? '\\ufffd' : found;
  });
}

/** Valid JSON with its numbers as strings, or undefined when it holds what the decoder refuses. */
function quoteNumbers(json: string): string | undefined {
  let depth = 0;
  let isRefused = false;
  const quoted = json.replace(TOKEN, (token) => {
    const first = token.charCodeAt(0);
    const isClosing = first === 0x5d || first === 0x7d;
    // Every value counts as a level, the innermost too.
    if (depth >= LIMITS.jsonDepthMax && !isClosing) isRefused = true;
    if (first === 0x22) {
      if (HALF_PAIR.test(token) && SURROGATE.test(JSON.parse(token))) isRefused = true;
      return token;
    }
    if (isClosing) {
      depth -= 1;
      return token;
    }
    if (token === '[' || token === '{') {
      depth += 1;
      return token;
    }
    if (first !== 0x2d && (first < 0x30 || first > 0x39)) return token;
    if (!isInRange(token)) isRefused = true;
    return `"${token}"`;
  });
  return isRefused ? undefined : quoted;
}

function isInRange(number: string): boolean {
  if (/[.eE]/.test(number)) return Number.isFinite(Number(number));
  if (number.length < 19) return true;
  const value = BigInt(number);
  return value >= INTEGER_MIN && value <= INTEGER_MAX;
}

/** Rows of the reference, without the times it cannot express. */
function expectedRows(
  root: JsonObject,
  typeOfPath: number,
  { sender, sequence }: Decoding,
): JsonObject[] {
  const isBatch = Object.hasOwn(root, 'batch');
  const events = isBatch ? (root['batch'] as unknown[]) : [root];
  const isRootFine = isBatch && rewriteTimes(root, ['sentAt']);
  const isFine = events.map((event) => isObject(event) && rewriteTimes(event, TIME_FIELDS));
  const type = EVENT_TYPES[typeOfPath];
  if (type !== undefined) for (const event of events) if (isObject(event)) event['type'] = type;
  const text = JSON.stringify(root);
  const rows = referenceRows(text, sequence, RECEIVED_AT_MICROS, SOURCE_NAME, sender);
  return rows.map((row, index) => (isRootFine || isFine[index] ? withoutTimes(row) : { ...row }));
}

function compareRows({ rows }: Decoding, expected: readonly JsonObject[]): string {
  for (const [index, row] of rows.entries()) {
    const read: JsonObject = { ...row };
    for (const column of JSON_COLUMNS) {
      const cell = read[column];
      if (typeof cell === 'string') read[column] = JSON.parse(quoteNumbers(cell) ?? '"refused"');
    }
    const want = expected[index]!;
    for (const column of new Set([...Object.keys(want), ...Object.keys(read)])) {
      if (TIME_COLUMNS.includes(column) && !Object.hasOwn(want, column)) continue;
      if (!isDeepStrictEqual(read[column], want[column])) {
        return `row ${index}, ${column}: ${show(read[column])}, but ${show(want[column])} expected`;
      }
    }
  }
  return '';
}

function withoutTimes(row: ReferenceRow): JsonObject {
  return Object.fromEntries(
    Object.entries(row).filter(([column]) => !TIME_COLUMNS.includes(column)),
  );
}

// ── times ────────────────────────────────────────────────────────────────────────────────────────

const TIME =
  /^(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?)?$/;
const NO_TIME = 'no time';
const ANY_TIME = '2026-03-01T12:00:00.000Z';

/**
 * Writes times as Date.prototype.toISOString does, the one form the reference reads.
 * @returns whether one of them is finer or further away than that form can tell.
 */
function rewriteTimes(object: JsonObject, fields: readonly string[]): boolean {
  let isFine = false;
  for (const field of fields) {
    const text = object[field];
    if (typeof text !== 'string' || text === '') continue;
    const milliseconds = millisecondsOf(text);
    const iso = milliseconds === undefined ? NO_TIME : isoOf(milliseconds);
    if (iso === undefined) isFine = true;
    object[field] = iso ?? ANY_TIME;
  }
  return isFine;
}

/** ISO 8601 as docs/http.md takes it. @returns milliseconds, fractions included. */
function millisecondsOf(text: string): number | undefined {
  const parts = TIME.exec(text);
  if (parts === null) return undefined;
  const number = (index: number): number => Number(parts[index] ?? 0);
  const [year, month, day, hour, minute, second] = [1, 2, 3, 4, 5, 6].map(number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [offsetHours, offsetMinutes] = [number(9), number(10)];
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (month < 1 || date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  if (hour > 23 || minute > 59 || second > 60 || offsetHours > 23 || offsetMinutes > 59) {
    return undefined;
  }
  const offset = (offsetHours * 60 + offsetMinutes) * (parts[8] === '-' ? -1 : 1);
  const fraction = Number(`0.${(parts[7] ?? '0').slice(0, 6)}`) * 1000;
  return date.getTime() + ((hour * 60 + minute - offset) * 60 + second) * 1000 + fraction;
}

function isoOf(milliseconds: number): string | undefined {
  if (!Number.isInteger(milliseconds)) return undefined;
  const iso = new Date(milliseconds).toISOString();
  return iso.length === ANY_TIME.length ? iso : undefined;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  if (typeof value === 'bigint') return `${value}`;
  return JSON.stringify(value)?.slice(0, 200) ?? 'nothing';
}
