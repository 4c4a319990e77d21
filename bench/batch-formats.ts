/** The formats that a producer may write its batches in, the first of which is the one that others are held against. */
import { Packr } from 'msgpackr';
import { TributaryError } from '../base/errors.ts';
import type { Codec } from '../engine/types.ts';
import { LineJoiner } from '../ingest/import-ndjson.ts';
import type { EventBatch } from './event-generator.ts';

export interface BatchFormat {
  readonly name: string;
  readonly codec: Codec;
  /** The body as a producer sends it. */
  write(batch: EventBatch): Uint8Array;
  /** What the write path makes of the body before it is decoded. */
  prepare(body: Uint8Array): Uint8Array;
}

const asItCame = (body: Uint8Array): Uint8Array => body;
const maps = new Packr({ useRecords: false });
const records = new Packr({ useRecords: true });

export const FORMATS: readonly BatchFormat[] = [
  { name: 'json', codec: 'json', write: ({ payload }) => payload, prepare: asItCame },
  { name: 'ndjson', codec: 'json', write: ({ ndjson }) => ndjson(), prepare: batchFromLines },
  { name: 'msgpack_maps', codec: 'msgpack', write: packWith(maps), prepare: asItCame },
  { name: 'msgpack_records', codec: 'msgpack', write: packWith(records), prepare: asItCame },
];

function packWith(packr: Packr): (batch: EventBatch) => Uint8Array {
  return ({ payload }) => packr.pack(JSON.parse(payload.toString('utf8')));
}

const lineJoiner = new LineJoiner();

function batchFromLines(body: Uint8Array): Uint8Array {
  const batch = lineJoiner.join(body);
  if (batch instanceof TributaryError) throw batch;
  return batch.bytes;
}
