/**
 * What a body is written in, by its Content-Type.
 *
 * SDKs send JSON as text/plain and even as a form, so every type that is not known is JSON.
 */

export type BodyFormat = 'json' | 'ndjson' | 'msgpack';

const NDJSON = /^application\/(?:x-)?(?:ndjson|jsonl|jsonlines)\s*(?:;|$)/i;
const MSGPACK = /^application\/(?:x-|vnd\.)?msgpack\s*(?:;|$)/i;

export function formatOf(contentType: string): BodyFormat {
  if (NDJSON.test(contentType)) return 'ndjson';
  return MSGPACK.test(contentType) ? 'msgpack' : 'json';
}
