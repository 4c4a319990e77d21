/**
 * The requests of a stream: text frames that hold one JSON object, told apart by their first key.
 *
 *     {"hello":{"key":"…","admin_key":"…","stream":"…","acknowledged":16}}
 *     {"subscribe":"tail","id":1,"filters":{"type":["track"],"userId":"ada"}}
 *     {"unsubscribe":1}
 *     {"resolve":[{"type":"user_id","value":"ada"}],"id":2}
 *     {"resolve":{"type":"user_id","values":["ada"]},"id":3}
 */
import { LIMITS } from '../base/limits.ts';
import type { Identifier } from './ports.ts';
import { parseIdentifiers } from './resolve-request.ts';
import { parseResume, RESUME_RULE, type StreamResume } from './stream-resume.ts';

/** Fields of an event that a tail can be narrowed by, in the spelling of the tracking API. */
const FILTER_FIELDS = ['type', 'event', 'userId', 'anonymousId', 'messageId', 'source'] as const;
export type FilterField = (typeof FILTER_FIELDS)[number];

/** For each field the values that let an event through; an event passes when all fields agree. */
export type TailFilters = ReadonlyMap<FilterField, ReadonlySet<string>>;

export type StreamRequest =
  | {
      readonly kind: 'hello';
      /** A write key or an admin key. */
      readonly key: string | undefined;
      readonly adminKey: string | undefined;
      readonly resume: StreamResume | undefined;
    }
  | { readonly kind: 'subscribe'; readonly id: number; readonly filters: TailFilters }
  | { readonly kind: 'unsubscribe'; readonly id: number }
  | { readonly kind: 'resolve'; readonly id: number; readonly identifiers: readonly Identifier[] }
  | { readonly kind: 'malformed'; readonly reason: string };

type Fields = Readonly<Record<string, unknown>>;

const ID_MAX = 0xffff_ffff;
const KINDS = 'a frame that starts with { is a hello, subscribe, unsubscribe or resolve';

export function parseRequest(message: Uint8Array): StreamRequest {
  if (message.length > LIMITS.requestBytesMax) {
    return malformed(`a request is at most ${LIMITS.requestBytesMax} bytes`);
  }
  const text = Buffer.from(message.buffer, message.byteOffset, message.byteLength).toString('utf8');
  let fields: unknown;
  try {
    fields = JSON.parse(text);
  } catch {
    return malformed('a frame that starts with { is JSON');
  }
  if (!isObject(fields)) return malformed(KINDS);
  if (isObject(fields['hello'])) return parseHello(fields['hello']);
  if (fields['subscribe'] !== undefined) return parseSubscribe(fields);
  if (fields['unsubscribe'] !== undefined) {
    const id = fields['unsubscribe'];
    return isId(id) ? { kind: 'unsubscribe', id } : malformed('unsubscribe takes an id');
  }
  return fields['resolve'] === undefined
    ? malformed(KINDS)
    : parseResolve(fields['resolve'], fields['id']);
}

function parseHello(hello: Fields): StreamRequest {
  const { acknowledged, admin_key: adminKey, key, stream } = hello;
  if (!isTextOrAbsent(key) || !isTextOrAbsent(adminKey) || (key ?? adminKey) === undefined) {
    return malformed('a hello has a key, an admin_key or both, as texts');
  }
  if (stream === undefined) return { kind: 'hello', key, adminKey, resume: undefined };
  const resume = parseResume(stream, acknowledged);
  return resume === undefined ? malformed(RESUME_RULE) : { kind: 'hello', key, adminKey, resume };
}

function parseSubscribe({ filters = {}, id, subscribe }: Fields): StreamRequest {
  if (subscribe !== 'tail') return malformed('what can be subscribed to is "tail"');
  if (!isId(id)) return malformed(`an id is a number from 0 to ${ID_MAX}`);
  if (!isObject(filters)) return malformed('filters is an object');
  const parsed = new Map<FilterField, ReadonlySet<string>>();
  for (const [name, given] of Object.entries(filters)) {
    const field = FILTER_FIELDS.find((known) => known === name);
    if (field === undefined) return malformed(`filters know ${FILTER_FIELDS.join(', ')}`);
    const values: unknown[] = Array.isArray(given) ? given : [given];
    if (values.length > LIMITS.tailFilterValuesMax || !values.every(isText)) {
      return malformed(`a filter is a text, or up to ${LIMITS.tailFilterValuesMax} of them`);
    }
    parsed.set(field, new Set(values));
  }
  return { kind: 'subscribe', id, filters: parsed };
}

function parseResolve(given: unknown, id: unknown): StreamRequest {
  if (!isId(id)) return malformed(`an id is a number from 0 to ${ID_MAX}`);
  const identifiers = parseIdentifiers(given);
  return typeof identifiers === 'string'
    ? malformed(identifiers)
    : { kind: 'resolve', id, identifiers };
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}

function isTextOrAbsent(value: unknown): value is string | undefined {
  return value === undefined || isText(value);
}

function isId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= ID_MAX;
}

function malformed(reason: string): StreamRequest {
  return { kind: 'malformed', reason };
}
