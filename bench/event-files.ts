/**
 * The generated events as the files of a bulk import: what a warehouse or a script would export. Arrow and
 * Parquet have a column for each field, timestamps as timestamps, and objects as JSON text.
 */
import { Packr } from 'msgpackr';
import {
  type Data,
  Field,
  makeData,
  RecordBatch,
  RecordBatchStreamWriter,
  Schema,
  Struct,
  TimestampMicrosecond,
  Utf8,
} from '../storage/arrow.ts';
import { writeParquet } from '../storage/parquet-wasm.ts';
import type { EventBatch } from './event-generator.ts';

/** Rows of an Arrow record batch, as exports commonly have. */
const RECORD_BATCH_ROWS = 50_000;
const TEXT_FIELDS = [
  ...['messageId', 'type', 'event', 'name', 'userId', 'anonymousId', 'groupId', 'previousId'],
];
const OBJECT_FIELDS = ['properties', 'traits', 'context'];

type Event = Record<string, unknown>;

export function ndjsonFile(batches: readonly EventBatch[]): Buffer {
  return Buffer.concat(batches.map(({ ndjson }) => ndjson));
}

export function jsonFile(batches: readonly EventBatch[]): Buffer {
  return Buffer.from(JSON.stringify(eventsOf(batches)));
}

export function msgpackFile(batches: readonly EventBatch[]): Buffer {
  const packr = new Packr({ useRecords: false });
  return Buffer.concat(eventsOf(batches).map((event) => Buffer.from(packr.pack(event))));
}

export function arrowFile(batches: readonly EventBatch[]): Uint8Array {
  return RecordBatchStreamWriter.writeAll(recordBatches(batches)).toUint8Array(true);
}

export function parquetFile(batches: readonly EventBatch[]): Promise<Uint8Array> {
  async function* source(): AsyncGenerator<RecordBatch> {
    yield* recordBatches(batches);
  }
  const repeats = new Set(['type', 'event', 'name']);
  const names = [...TEXT_FIELDS, 'timestamp', ...OBJECT_FIELDS];
  return writeParquet(
    source(),
    names.map((name) => ({ name, personal: false, repeats: repeats.has(name) })),
  );
}

function eventsOf(batches: readonly EventBatch[]): Event[] {
  return batches.flatMap(({ ndjson }) =>
    ndjson
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
  const fields: Field[] = [];
  const children: Data[] = [];
  const add = (name: string, data: Data): void => {
    fields.push(new Field(name, data.type, true));
    children.push(data);
  };
  for (const name of TEXT_FIELDS) add(name, textColumn(events.map((event) => event[name])));
  const micros = events.map(({ timestamp }) => BigInt(Date.parse(String(timestamp))) * 1000n);
  const type = new TimestampMicrosecond('UTC');
  add('timestamp', makeData({ type, length: events.length, data: new BigInt64Array(micros) }));
  for (const name of OBJECT_FIELDS) {
    add(name, textColumn(events.map((event) => event[name] && JSON.stringify(event[name]))));
  }
  const schema = new Schema(fields);
  const struct = makeData({ type: new Struct(fields), length: events.length, children });
  return new RecordBatch(schema, struct);
}

/** A column of texts; what is undefined is null. */
function textColumn(values: readonly unknown[]): Data<Utf8> {
  const texts = values.map((value) => (value === undefined ? '' : String(value)));
  const valueOffsets = new Int32Array(values.length + 1);
  const nullBitmap = new Uint8Array(Math.ceil(values.length / 8));
  let nullCount = 0;
  for (const [row, text] of texts.entries()) {
    valueOffsets[row + 1] = valueOffsets[row]! + Buffer.byteLength(text);
    if (values[row] === undefined) nullCount += 1;
    else nullBitmap[row >> 3]! |= 1 << (row & 7);
  }
  const data = Buffer.from(texts.join(''));
  const { length } = values;
  return makeData({ type: new Utf8(), length, nullCount, nullBitmap, valueOffsets, data });
}
