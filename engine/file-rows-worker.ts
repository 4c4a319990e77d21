/**
 * The program that reads the files others made: a filter from an Arrow or Parquet file on standard input to
 * batches of events on standard output (file-batches.ts).
 *
 *     node engine/file-rows-worker.js FORMAT BYTES IMPORT_ID FIRST_ROW
 *
 * Why a process: both formats are offsets into themselves, read by large libraries. Whatever a file does to
 * them, it does with BYTES of memory, at the lowest priority, to a process that can be killed.
 *
 * - Row n gets the message id `import-IMPORT_ID-n`, unless it has its own.
 * - Rows are written natively where all columns are of the common types, and else in JavaScript.
 * - Arrow streams are passed on batch by batch. A Parquet file has its index at its end: it is held whole.
 * - Output waits for its reader.
 * - Exit code 2: the file cannot be read, and the last line of standard error says why. Every other end
 *   but 0 is that of a process that had too little memory.
 */
import { once } from 'node:events';
import { setPriority } from 'node:os';
import { LIMITS } from '../base/limits.ts';
import { native } from '../native/index.ts';
import { type RecordBatch, RecordBatchReader } from '../storage/arrow.ts';
import { eventWriterOf, type WriteEvent } from './event-columns.ts';
import { FILE_BATCH_BYTES_MAX, frameOf } from './file-batches.ts';
import { type FileFormat, WORKER_EXIT_MALFORMED } from './file-rows.ts';
import { JsonWriter } from './json-writer.ts';
import { nativeRowsOf } from './native-columns.ts';

const PRIORITY_LOWEST = 19;
/** Rows of one batch as text. */
interface RowTexts {
  readonly text: Uint8Array;
  readonly rows: number;
}

async function writeBatches(
  batches: AsyncIterable<RecordBatch>,
  importId: string,
  firstRow: number,
): Promise<void> {
  const nativeRows = new native.ColumnRows();
  const out = new JsonWriter();
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
        written = { text: rows.text, rows: count };
      } else {
        written = writeRows(out, write!, row, batch.numRows, idPrefix, number);
      }
      row += written.rows;
      number += written.rows;
      const frame = frameOf(written.text, written.rows);
      if (!process.stdout.write(frame)) await once(process.stdout, 'drain');
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
  return { text: out.take(), rows };
}

async function* recordBatchesOfArrow(
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<RecordBatch> {
  yield* await RecordBatchReader.from(input);
}

/** The library is loaded by those who need it. */
async function recordBatchesOfFile(
  format: FileFormat,
  input: AsyncIterable<Uint8Array>,
): Promise<AsyncIterable<RecordBatch>> {
  if (format === 'arrow') return recordBatchesOfArrow(input);
  const { recordBatchesOfParquet } = await import('../storage/parquet-wasm.ts');
  return recordBatchesOfParquet(input);
}

async function run([format, dataBytesMax, importId, firstRow]: readonly string[]): Promise<void> {
  setPriority(PRIORITY_LOWEST);
  const reason = native.limitDataBytes(Number(dataBytesMax));
  if (reason !== '') throw new Error(`RLIMIT_DATA: ${reason}`);
  const batches = await recordBatchesOfFile(format as FileFormat, process.stdin);
  await writeBatches(batches, importId!, Number(firstRow));
}

/** The libraries also fail beside their promises, or leave one unsettled for ever. */
let isDone = false;
function fail(error: unknown): void {
  isDone = true;
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = WORKER_EXIT_MALFORMED;
  process.stdin.destroy();
}
process.on('uncaughtException', fail);
process.on('exit', () => {
  if (!isDone) process.exitCode = WORKER_EXIT_MALFORMED;
});

run(process.argv.slice(2)).then(() => {
  isDone = true;
}, fail);
