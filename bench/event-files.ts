/**
 * The generated events as the files of a bulk import: what a warehouse or a script would export. Arrow and
 * Parquet have a column for each field, timestamps as timestamps, and objects as JSON text.
 */

import {
  type RecordBatch,
  Table,
  TimestampMillisecond,
  tableToIPC,
  Utf8,
  type Vector,
  vectorFromArray,
} from 'apache-arrow';
import { Packr } from 'msgpackr';
import {
  Compression,
  Table as WasmTable,
  WriterPropertiesBuilder,
  writeParquet,
} from 'parquet-wasm';
import type { EventBatch } from './event-generator.ts';

/** Rows of an Arrow record batch, as exports commonly have. */
const RECORD_BATCH_ROWS = 50_000;
const TEXT_FIELDS = [
  ...['messageId', 'type', 'event', 'name', 'userId', 'anonymousId', 'groupId', 'previousId'],
];
const OBJECT_FIELDS = ['properties', 'traits', 'context'];

type Event = Record<string, unknown>;

export function ndjsonFile(batches: readonly EventBatch[]): Buffer {
  return Buffer.concat(batches.map(({ ndjson }) => ndjson()));
}

export function jsonFile(batches: readonly EventBatch[]): Buffer {
  return Buffer.from(JSON.stringify(eventsOf(batches)));
}

export function msgpackFile(batches: readonly EventBatch[]): Buffer {
  const packr = new Packr({ useRecords: false });
  return Buffer.concat(eventsOf(batches).map((event) => Buffer.from(packr.pack(event))));
}

export function arrowFile(batches: readonly EventBatch[]): Uint8Array {
  return tableToIPC(new Table(recordBatches(batches)), 'stream');
}

export function parquetFile(batches: readonly EventBatch[]): Uint8Array {
  const properties = new WriterPropertiesBuilder().setCompression(Compression.ZSTD).build();
  return writeParquet(WasmTable.fromIPCStream(arrowFile(batches)), properties);
}

function eventsOf(batches: readonly EventBatch[]): Event[] {
  return batches.flatMap(({ ndjson }) =>
    ndjson()
      .toString('utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Event),
  );
}

function recordBatches(batches: readonly EventBatch[]): RecordBatch[] {
  const events = eventsOf(batches);
  const records: RecordBatch[] = [];
  for (let start = 0; start < events.length; start += RECORD_BATCH_ROWS) {
    records.push(recordBatch(events.slice(start, start + RECORD_BATCH_ROWS)));
  }
  return records;
}

function recordBatch(events: readonly Event[]): RecordBatch {
  const texts = (name: string, text: (value: unknown) => string): Vector =>
    vectorFromArray(
      events.map((event) => (event[name] === undefined ? null : text(event[name]))),
      new Utf8(),
    );
  const columns: Record<string, Vector> = {};
  for (const name of TEXT_FIELDS) columns[name] = texts(name, String);
  columns['timestamp'] = vectorFromArray(
    events.map(({ timestamp }) => Date.parse(String(timestamp))),
    new TimestampMillisecond('UTC'),
  );
  for (const name of OBJECT_FIELDS) columns[name] = texts(name, JSON.stringify);
  return new Table(columns).batches[0]!;
}
