/**
 * Damaged Arrow streams: whatever is in one, reading it ends in rows or in an error, natively and in
 * JavaScript, and where both have rows they are the same. What goes wrong in native memory ends the process,
 * or is found by the sanitizers (`npm run test:sanitize`).
 *
 * A case is a table of a few rows of the common types; then bits and words of its buffers are changed, and
 * buffers of a column are cut off. It is a function of seed and number. What hostile metadata does to
 * apache-arrow, it does to the process that reads files, and no further; so only the appliance's own reader is given
 * streams that are damaged anywhere: it ends in rows or leaves them to the process. What it reads of the others is
 * what the library reads.
 */
import * as arrow from 'apache-arrow';
import { seededRandom } from '../../base/random.ts';
import { eventWriterOf } from '../../engine/event-columns.ts';
import { JsonWriter } from '../../engine/json-writer.ts';
import { nativeRowsOf } from '../../engine/native-columns.ts';
import { RecordBatchReader } from '../../storage/arrow.ts';
import { textOfRows } from '../support/column-rows.ts';
import type { FuzzFailure, FuzzReport } from './decoder-fuzz.ts';
import { plainTextOf } from './plain-arrow.ts';
import { below, pick, type Random } from './random-draw.ts';

export interface ArrowFuzzOptions {
  readonly seed: number;
  readonly first: number;
  readonly cases: number;
  readonly onProgress?: (done: number) => void;
}

/** A batch may claim any number of rows. */
const ROWS_READ_MAX = 40;
const PROGRESS_CASES = 10_000;
const BYTES_MAX = 64 * 1024;
/** A mark and the length of the metadata that follows. */
const PREFIX_BYTES = 8;
/** Lengths and offsets at the edges of what readers reckon with. */
const HOSTILE_WORDS = [
  0, 1, 7, 8, 0x7f, 0x80, 0xffff, 0x7fffffff, 0x80000000, 0xfffffff8, 0xffffffff,
];

/** @param change makes a canary: the rows of the native writer are changed before they are compared. */
export async function fuzzArrow(
  { seed, first, cases, onProgress }: ArrowFuzzOptions,
  change: (rows: string) => string = (rows) => rows,
): Promise<FuzzReport> {
  let [accepted, rows] = [0, 0];
  for (let done = 0; done < cases; done += 1) {
    const index = first + done;
    const payload = arrowCase(seed, index);
    const read = await readCase(payload, change);
    const difference = read.difference || (await readDamaged(payload, index));
    if (difference !== '') {
      const failure: FuzzFailure = { index, payload, typeOfPath: 0, difference };
      return { cases: done + 1, accepted, rows, hiddenRows: 0, failure };
    }
    if (read.isWhole) accepted += 1;
    rows += read.rows;
    if ((done + 1) % PROGRESS_CASES === 0) onProgress?.(done + 1);
  }
  return { cases, accepted, rows, hiddenRows: 0, failure: undefined };
}

interface Read {
  /** Whether every batch gave rows. */
  readonly isWhole: boolean;
  readonly rows: number;
  readonly difference: string;
}

async function readCase(payload: Buffer, change: (rows: string) => string): Promise<Read> {
  let rows = 0;
  const plain = await plainTextOf(payload);
  try {
    for (const whole of RecordBatchReader.from(payload)) {
      const batch = withShortColumn(whole, seededRandom(payload.length ^ payload.readInt32LE(8)));
      const natively = rowsOf(() => nativeText(batch));
      const slowly = rowsOf(() => slowText(batch));
      if (plain !== undefined && batch === whole && slowly !== undefined) {
        const difference = compare(change(plain), slowly);
        if (difference !== '') return { isWhole: true, rows, difference: `plain: ${difference}` };
      }
      if (natively !== undefined && slowly !== undefined) {
        const difference = compare(change(natively), slowly);
        if (difference !== '') return { isWhole: true, rows, difference };
      }
      if (natively === undefined) return { isWhole: false, rows, difference: '' };
      rows += Math.min(batch.numRows, ROWS_READ_MAX);
    }
    return { isWhole: true, rows, difference: '' };
  } catch {
    return { isWhole: false, rows, difference: '' };
  }
}

/** @returns what the appliance's own reader did other than to read, or to leave reading to others. */
async function readDamaged(payload: Buffer, index: number): Promise<string> {
  const random = seededRandom(index);
  const stream = Buffer.from(payload);
  for (let change = below(3, random); change >= 0; change -= 1) damage(stream, random);
  try {
    await plainTextOf(stream);
    return '';
  } catch (error) {
    return `damaged anywhere: ${String(error)}`;
  }
}

/** Now and then one column has less in its buffers than its length says. */
function withShortColumn(batch: arrow.RecordBatch, random: Random): arrow.RecordBatch {
  if (random() < 0.5) return batch;
  const children = [...batch.data.children];
  const at = below(children.length, random);
  const { type, offset, length, nullCount, children: inner, dictionary, ...data } = children[at]!;
  const cut = <Bytes extends { subarray(start: number, end: number): Bytes; length: number }>(
    bytes: Bytes | undefined,
  ): Bytes | undefined =>
    bytes === undefined || random() < 0.5
      ? bytes
      : bytes.subarray(0, below(bytes.length + 1, random));
  const buffers = [cut(data.valueOffsets), cut(data.values), cut(data.nullBitmap), data.typeIds];
  children[at] = new arrow.Data(
    type,
    offset,
    length,
    nullCount,
    buffers as never,
    inner,
    dictionary,
  );
  const struct = batch.data.clone(batch.data.type, 0, batch.numRows, 0, undefined, children);
  return new arrow.RecordBatch(batch.schema, struct);
}

/** Undefined when the batch is refused. */
function rowsOf(read: () => string): string | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

function nativeText(batch: arrow.RecordBatch): string {
  const rows = nativeRowsOf(batch);
  if (rows === undefined) return slowText(batch);
  const count = rows.write(0, 'import-x-', 0, BYTES_MAX, ROWS_READ_MAX);
  // What fits within the bytes is compared.
  return count < Math.min(batch.numRows, ROWS_READ_MAX) ? '' : textOfRows(rows);
}

function slowText(batch: arrow.RecordBatch): string {
  const write = eventWriterOf(batch);
  const out = new JsonWriter();
  for (let row = 0; row < Math.min(batch.numRows, ROWS_READ_MAX); row += 1) {
    out.beginRow();
    write(out, row, `import-x-${row}`);
  }
  return out.take().toString('utf8');
}

/** Bytes that are no UTF-8, and JSON that is refused for its numbers or its depth, differ in form. */
function compare(natively: string, slowly: string): string {
  if (natively === '' || natively === slowly) return '';
  if (slowly.includes('\ufffd') || /\d{19}|\\u[dD]/.test(slowly)) return '';
  try {
    const [left, right] = [natively, slowly].map((text) => JSON.stringify(JSON.parse(`[${text}]`)));
    return left === right ? '' : `${natively}, but slowly ${slowly}`;
  } catch (error) {
    return `${natively} is no JSON: ${String(error)}`;
  }
}

/** Case `index` of `seed`. */
export function arrowCase(seed: number, index: number): Buffer {
  const random = seededRandom(Math.imul(seed + 1, 0x85ebca6b) ^ Math.imul(index + 1, 0x9e3779b1));
  const stream = Buffer.from(arrow.tableToIPC(tableOf(random), 'stream'));
  const changes = random() < 0.1 ? 0 : 1 + below(4, random);
  const bodies = bodiesOf(stream);
  // A table of nothing but nulls has none.
  for (let change = 0; change < changes && bodies.length > 0; change += 1) {
    damage(pick(bodies, random), random);
  }
  return stream;
}

/** The buffers of the stream's batches, each as one range. */
function bodiesOf(stream: Buffer): Buffer[] {
  const reader = new arrow.MessageReader(stream);
  const bodies: Buffer[] = [];
  let at = 0;
  for (let message = reader.readMessage(); message !== null; message = reader.readMessage()) {
    const { bodyLength } = message;
    at += PREFIX_BYTES + stream.readInt32LE(at + PREFIX_BYTES / 2);
    if (bodyLength > PREFIX_BYTES) bodies.push(stream.subarray(at, at + bodyLength));
    reader.readMessageBody(bodyLength);
    at += bodyLength;
  }
  return bodies;
}

function tableOf(random: Random): arrow.Table {
  const length = 1 + below(12, random);
  const some = <Value>(value: () => Value): (Value | null)[] =>
    Array.from({ length }, () => (random() < 0.2 ? null : value()));
  const text = (): string => pick(['', 'ada', 'a "b"\n', 'é'.repeat(20), 'x'.repeat(70)], random);
  const object = (): string => pick(['{}', '{"a":1}', ' null', '[]', 'x', '{"b":"{"}'], random);
  const vector = (type: arrow.DataType, values: readonly unknown[]): arrow.Vector =>
    arrow.vectorFromArray(values as unknown[], type);
  const dictionary = new arrow.Dictionary(new arrow.Utf8(), new arrow.Int8());
  const struct = new arrow.Struct([
    new arrow.Field('name', new arrow.Utf8(), true),
    new arrow.Field('count', new arrow.Int16(), true),
  ]);
  const columns: Record<string, () => arrow.Vector> = {
    userId: () => vector(new arrow.Utf8(), some(text)),
    event: () => vector(dictionary, some(text)),
    timestamp: () =>
      vector(
        new arrow.TimestampMillisecond(),
        some(() => below(1e12, random)),
      ),
    properties: () => vector(new arrow.Utf8(), some(object)),
    context: () =>
      vector(
        struct,
        some(() => ({ name: text(), count: below(9, random) })),
      ),
    price: () => vector(new arrow.Float64(), some(random)),
    big: () =>
      vector(
        new arrow.Int64(),
        some(() => BigInt(below(1e9, random))),
      ),
    flag: () =>
      vector(
        new arrow.Bool(),
        some(() => random() < 0.5),
      ),
    sizes: () =>
      vector(
        new arrow.List(new arrow.Field('item', new arrow.Int32(), true)),
        some(() => [1, 2]),
      ),
  };
  // Lists are not written natively: one of them in a few tables.
  const names = Object.keys(columns).filter((name) => random() < (name === 'sizes' ? 0.1 : 0.6));
  if (names.length === 0) names.push('userId');
  return new arrow.Table(Object.fromEntries(names.map((name) => [name, columns[name]!()])));
}

function damage(body: Buffer, random: Random): void {
  const at = below(body.length - 4, random);
  if (random() < 0.5) body[at] = body[at]! ^ (1 << below(8, random));
  else body.writeUInt32LE(pick(HOSTILE_WORDS, random), at & ~3);
}
