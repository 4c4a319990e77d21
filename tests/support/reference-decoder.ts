/**
 * The decoder, written again the slow and obvious way: JSON.parse and plain objects. The native one is
 * held against it. JSON columns are compared as values, everything else to the letter.
 */
import { LIMITS } from '../../base/limits.ts';

const TYPES = ['track', 'identify', 'page', 'screen', 'group', 'alias'];
const JSON_FIELDS = ['properties', 'traits', 'context', 'integrations'];
const KNOWN = new Set([
  ...['type', 'event', 'name', 'userId', 'anonymousId', 'groupId', 'previousId', 'messageId'],
  ...['timestamp', 'originalTimestamp', 'sentAt', 'writeKey'],
  ...JSON_FIELDS,
]);
const DAY_MICROS = 86_400_000_000n;
const SKEW_MICROS = 60_000_000n;

export interface ReferenceRow {
  readonly hidden: boolean;
  readonly [column: string]: unknown;
}

interface Reading {
  reject: boolean;
}

/** The rows of a payload that is valid JSON, as an object per event. */
export function referenceRows(
  payload: string,
  sequence: number,
  receivedAtMicros: number,
  source: string,
  sender?: string,
): ReferenceRow[] {
  const root = JSON.parse(payload) as Record<string, unknown>;
  const isBatch = Object.hasOwn(root, 'batch');
  const events = isBatch ? (root['batch'] as unknown[]) : [root];
  const inherited = isBatch ? { context: root['context'], integrations: root['integrations'] } : {};
  const batchSentAt = typeof root['sentAt'] === 'string' ? micros(root['sentAt']) : undefined;
  return events.map((event, index) =>
    referenceRow(
      withSender(inherit(event, inherited), sender),
      BigInt(sequence + index),
      BigInt(receivedAtMicros),
      source,
      batchSentAt,
    ),
  );
}

/** The event with what its batch says of it, member by member; its own members win. */
function inherit(event: unknown, inherited: Readonly<Record<string, unknown>>): unknown {
  if (!isObject(event)) return event;
  const merged = { ...event };
  for (const [key, value] of Object.entries(inherited)) {
    if (!isObject(value)) continue;
    const own = event[key] ?? {};
    if (isObject(own)) merged[key] = { ...value, ...own };
  }
  return merged;
}

/** The event with the address it came from, unless it names another one and does not ask for this. */
function withSender(event: unknown, ip: string | undefined): unknown {
  if (ip === undefined || !isObject(event)) return event;
  const context = event['context'] ?? {};
  if (!isObject(context)) return event;
  const isTaken = context['direct'] === true || !Object.hasOwn(context, 'ip');
  return isTaken ? { ...event, context: { ...context, ip } } : event;
}

function referenceRow(
  value: unknown,
  sequence: bigint,
  received: bigint,
  source: string,
  batchSentAt: bigint | undefined,
): ReferenceRow {
  const reading: Reading = { reject: false };
  const event = isObject(value) ? value : {};
  if (!isObject(value)) reading.reject = true;
  const type = TYPES.includes(event['type'] as string) ? (event['type'] as string) : undefined;
  if (type === undefined) reading.reject = true;
  const name = (key: string): string | null =>
    identifier(event[key], LIMITS.eventNameBytesMax, reading);
  const id = (key: string): string | null =>
    identifier(event[key], LIMITS.identifierBytesMax, reading);
  const row: Record<string, unknown> = {
    sequence,
    received_at: received,
    source,
    type: type ?? null,
    event: name('event'),
    name: name('name'),
    user_id: id('userId'),
    anonymous_id: id('anonymousId'),
    group_id: id('groupId'),
    previous_id: id('previousId'),
    message_id:
      identifier(event['messageId'], LIMITS.messageIdBytesMax, reading) ?? `seq-${sequence}`,
    anchor: 0,
  };
  for (const key of JSON_FIELDS) row[key] = jsonObject(event[key], reading);
  const extra = Object.entries(event).filter(([key]) => !KNOWN.has(key));
  row['extra'] = extra.length === 0 ? null : Object.fromEntries(extra);
  const timestamp = time(event['timestamp'], reading);
  const original = time(event['originalTimestamp'], reading);
  const sent = time(event['sentAt'], reading) ?? batchSentAt;
  row['timestamp'] = happenedAt(timestamp, original, sent, received);
  row['original_timestamp'] = original ?? timestamp ?? null;
  row['sent_at'] = sent ?? null;

  if (type === 'track' && row['event'] === null) reading.reject = true;
  if (type === 'group' && row['group_id'] === null) reading.reject = true;
  if (type === 'alias' && row['previous_id'] === null) reading.reject = true;
  const anonymousAllowed = type === 'group' || type === 'alias';
  if (!anonymousAllowed && row['user_id'] === null && row['anonymous_id'] === null) {
    reading.reject = true;
  }
  if (Buffer.byteLength(JSON.stringify(value)) > LIMITS.eventBytesMax) reading.reject = true;
  if (!reading.reject) return { ...row, hidden: false };
  const kept = ['sequence', 'received_at', 'source', 'message_id', 'anchor'];
  for (const key of Object.keys(row)) if (!kept.includes(key)) row[key] = null;
  return { ...row, hidden: true };
}

function happenedAt(
  timestamp: bigint | undefined,
  original: bigint | undefined,
  sent: bigint | undefined,
  received: bigint,
): bigint {
  let happened = original ?? timestamp ?? received;
  if (timestamp !== undefined && original !== undefined) {
    happened = timestamp;
  } else {
    const skew = sent === undefined ? 0n : received - sent;
    if (skew > SKEW_MICROS || skew < -SKEW_MICROS) happened += skew;
  }
  return happened > received + DAY_MICROS ? received : happened;
}

function identifier(value: unknown, bytesMax: number, reading: Reading): string | null {
  if (value === undefined || value === null || value === '') return null;
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string' || Buffer.byteLength(text) > bytesMax) {
    reading.reject = true;
    return null;
  }
  return text;
}

function jsonObject(value: unknown, reading: Reading): unknown {
  if (value === undefined || value === null) return null;
  if (!isObject(value)) reading.reject = true;
  return value;
}

function time(value: unknown, reading: Reading): bigint | undefined {
  if (value === undefined || value === null || value === '') return undefined;
  const parsed = typeof value === 'string' ? micros(value) : undefined;
  if (parsed === undefined) reading.reject = true;
  return parsed;
}

/** Only what Date.prototype.toISOString writes: the generator makes nothing else that is valid. */
function micros(text: string): bigint | undefined {
  if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/.test(text)) return undefined;
  const milliseconds = Date.parse(text);
  return Number.isNaN(milliseconds) ? undefined : BigInt(milliseconds) * 1000n;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
