/**
 * The numbers the native decoder answers with, and what they mean here. The twins of DecodeFailure,
 * RejectCode, WarningCode and Field in native/src; tests/native/decoder.test.ts reaches every one of them.
 */
import { assert } from '../base/assert.ts';
import { type ErrorCode, type ErrorParameters, TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { WarningCode } from './types.ts';

/** Nothing was staged; seal the segment, start the next one and decode again. */
export const DECODE_SEGMENT_FULL = 7;
/** The file system that holds the hot data is full. */
export const DECODE_REGION_FULL = 8;
/** Identity has no room for what the events could bring. */
export const DECODE_IDENTITY_FULL = 13;

const FAILURES: Readonly<Record<number, readonly [ErrorCode, ErrorParameters]>> = {
  1: ['TRIBUTARY_INGEST_JSON_MALFORMED', {}],
  2: ['TRIBUTARY_INGEST_JSON_TOO_DEEP', { limit: LIMITS.jsonDepthMax }],
  3: ['TRIBUTARY_INGEST_NUMBER_OUT_OF_RANGE', {}],
  4: ['TRIBUTARY_INGEST_UTF8_INVALID', {}],
  5: ['TRIBUTARY_INGEST_NOT_AN_EVENT', {}],
  6: ['TRIBUTARY_INGEST_BATCH_TOO_MANY_EVENTS', { limit: LIMITS.batchEventsMax }],
  10: ['TRIBUTARY_INGEST_BATCH_CONTEXT_TOO_LARGE', { limitBytes: LIMITS.batchInheritedBytesMax }],
  11: ['TRIBUTARY_INGEST_MSGPACK_MALFORMED', {}],
  12: ['TRIBUTARY_INGEST_MSGPACK_TOO_LARGE', { limitBytes: LIMITS.msgpackTextBytesMax }],
};

const REJECTIONS: Readonly<Record<number, ErrorCode>> = {
  1: 'TRIBUTARY_INGEST_EVENT_NOT_OBJECT',
  2: 'TRIBUTARY_INGEST_EVENT_TOO_LARGE',
  3: 'TRIBUTARY_INGEST_TYPE_UNKNOWN',
  4: 'TRIBUTARY_INGEST_FIELD_TYPE',
  5: 'TRIBUTARY_INGEST_FIELD_MISSING',
  6: 'TRIBUTARY_INGEST_FIELD_TOO_LONG',
  7: 'TRIBUTARY_INGEST_TIMESTAMP_INVALID',
  8: 'TRIBUTARY_INGEST_NOT_IDENTIFIABLE',
};

/** Codes from here on are warnings: the event was accepted, and altered. */
const WARNING_CODE_MIN = 128;
const WARNINGS: Readonly<Record<number, WarningCode>> = {
  128: 'timestamp_in_future',
  129: 'surrogate_replaced',
  130: 'batch_member_ignored',
};

/** By the decoder's field number, in JSON's spelling. */
const FIELDS = [
  '',
  'type',
  'event',
  'name',
  'userId',
  'anonymousId',
  'groupId',
  'previousId',
  'messageId',
  'timestamp',
  'originalTimestamp',
  'sentAt',
  'properties',
  'traits',
  'context',
  'integrations',
] as const;

/** The error a refused payload is answered with. */
export function decodeError(failure: number, reason: string): TributaryError {
  const [code, parameters] = FAILURES[failure] ?? FAILURES[1]!;
  return new TributaryError(code, { reason, ...parameters });
}

/** Whether a note of the decoder is about an event that was accepted. */
export function isWarning(code: number): boolean {
  return code >= WARNING_CODE_MIN;
}

export function rejectionCode(code: number): ErrorCode {
  return REJECTIONS[code] ?? 'TRIBUTARY_INGEST_EVENT_NOT_OBJECT';
}

export function warningCode(code: number): WarningCode {
  const name = WARNINGS[code];
  assert(name !== undefined, 'the decoder gives known warnings');
  return name;
}

/** The name of a field in JSON; empty for the event as a whole. */
export function fieldName(field: number): string {
  return FIELDS[field] ?? '';
}
