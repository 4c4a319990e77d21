/**
 * The program that reads the files others made: a filter from an Arrow or Parquet file on standard input to
 * batches of events in a memory file, told of on standard output (file-batches.ts).
 *
 *     node engine/file-rows-worker.js FORMAT BYTES IMPORT_ID FIRST_ROW
 *
 * Why a process: both formats are offsets into themselves, read by large libraries. Whatever a file does to
 * them, it does with BYTES of memory, at the lowest priority, to a process that can be killed.
 *
 * - Row n gets the message id `import-IMPORT_ID-n`, unless it has its own.
 * - Rows are written natively where all columns are of the common types, and else in JavaScript.
 * - Arrow streams are passed on batch by batch. A Parquet file has its index at its end: it is held whole.
 * - Input and output are waited for, one at a time: this process has nothing else to do.
 * - Exit code 2: the file cannot be read, and the last line of standard error says why. Every other end
 *   but 0 is that of a process that had too little memory.
 */
import { setPriority } from 'node:os';
import { LIMITS } from '../base/limits.ts';
import { native } from '../native/index.ts';
import { type RecordBatch, RecordBatchReader } from '../storage/arrow.ts';
import { MemoryFile } from '../storage/memory-file.ts';
import { awaitByte, StandardInput, writeStandardOutput } from '../storage/standard-io.ts';
import { eventWriterOf, type WriteEvent } from './event-columns.ts';
import { BatchWriter, FILE_BATCH_BYTES_MAX } from './file-batches.ts';
import {
  type FileFormat,
  RELEASES_DESCRIPTOR,
  SLOTS_DESCRIPTOR,
  WORKER_EXIT_MALFORMED,
} from './file-rows.ts';
import { JsonWriter } from './json-writer.ts';
import { nativeRowsOf } from './native-columns.ts';
import { newNativeRows } from './native-rows.ts';

const PRIORITY_LOWEST = 19;
const EXIT_NO_MEMORY = 3;

/** Bytes of rows that were written, and what copies them to where they go. */
interface RowTexts {
  readonly rows: number;
  readonly bytes: number;
  readonly copy: (target: Uint8Array) => void;
}

async function writeBatches(
  batches: Iterable<RecordBatch> | AsyncIterable<RecordBatch>,
  importId: string,
  firstRow: number,
): Promise<void> {
  const nativeRows = newNativeRows();
  const copyNative = (target: Uint8Array): void => nativeRows.copyText(target);
  const out = new JsonWriter();
  const slots = new MemoryFile(SLOTS_DESCRIPTOR);
  const batchWriter = new BatchWriter({
    write: (position, bytes) => slots.write(position, bytes),
    tell: writeStandardOutput,
    awaitSlot() {
      if (!awaitByte(RELEASES_DESCRIPTOR)) throw new Error('nobody reads the batches');
    },
  });
  const idPrefix = `import-${importId}-`;
  let number = firstRow;
  for await (const batch of batches) {
    const rows = nativeRowsOf(batch, nativeRows);
    const write = rows === undefined ? eventWriterOf(batch) : undefined;
    for (let row = 0; row < batch.numRows; ) {
      let written: RowTexts;
      if (rows !== undefined) {
        const { batchEventsMax } = LIMITS;
        const count = rows.write(row, idPrefix, number, FILE_BATCH_BYTES_MAX, batchEventsMax);
        written = { rows: count, bytes: rows.textBytes, copy: copyNative };
      } else {
        written = writeRows(out, write!, row, batch.numRows, idPrefix, number);
      }
      row += written.rows;
      number += written.rows;
      batchWriter.write(written.rows, written.bytes, written.copy);
    }
  }
}

/** The slow and general way: what {@link native.ColumnRows} does natively for some types. */
function writeRows(
  out: JsonWriter,
  write: WriteEvent,
  first: number,
  end: number,
  idPrefix: string,
  number: number,
): RowTexts {
  let rows = 0;
  for (let row = first; row < end && rows < LIMITS.batchEventsMax; row += 1) {
    out.beginRow();
    write(out, row, `${idPrefix}${number + rows}`);
    if (out.length > FILE_BATCH_BYTES_MAX && rows > 0) {
      out.dropRow();
      break;
    }
    rows += 1;
  }
  const text = out.take();
  return { rows, bytes: text.length, copy: (target) => target.set(text) };
}

/** The library of Parquet is loaded by those who need it. */
async function recordBatchesOfFile(
  format: FileFormat,
  input: Iterable<Uint8Array>,
): Promise<Iterable<RecordBatch> | AsyncIterable<RecordBatch>> {
  if (format === 'arrow') return recordBatchesOfArrow(input);
  const { recordBatchesOfParquet } = await import('../storage/parquet-wasm.ts');
  return recordBatchesOfParquet(input);
}

/**
 * The batches of a file, or of streams one behind the other, as `cat` makes them: of those the library would read
 * the first and say nothing of the rest. A stream may end without a mark, so one cut between two batches passes.
 */
function* recordBatchesOfArrow(input: Iterable<Uint8Array>): Generator<RecordBatch> {
  let hasSchema = false;
  for (const reader of RecordBatchReader.readAll(input)) {
    hasSchema = true;
    yield* reader;
  }
  if (!hasSchema) throw new Error('it has no schema');
}

async function run([format, dataBytesMax, importId, firstRow]: readonly string[]): Promise<void> {
  setPriority(PRIORITY_LOWEST);
  const reason = native.limitDataBytes(Number(dataBytesMax));
  if (reason !== '') throw new Error(`RLIMIT_DATA: ${reason}`);
  const batches = await recordBatchesOfFile(format as FileFormat, new StandardInput());
  await writeBatches(batches, importId!, Number(firstRow));
}

/** The libraries also fail beside their promises, or leave one unsettled for ever. */
let isDone = false;
function fail(error: unknown): void {
  isDone = true;
  process.stderr.write(`${reasonOf(error)}\n`);
  const hasNoMemory = error instanceof RangeError && error.message.includes('allocation failed');
  process.exitCode = hasNoMemory ? EXIT_NO_MEMORY : WORKER_EXIT_MALFORMED;
}

/** What is wrong with the file. The libraries stumble over some damage, and then speak of their own variables. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const hasStumbled = error instanceof TypeError || error.name === 'RuntimeError';
  return hasStumbled ? 'it is damaged, or not all of it is there' : error.message;
}
process.on('uncaughtException', fail);
process.on('exit', () => {
  if (!isDone) process.exitCode = WORKER_EXIT_MALFORMED;
});

run(process.argv.slice(2)).then(() => {
  isDone = true;
}, fail);
