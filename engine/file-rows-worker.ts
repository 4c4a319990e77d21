/**
 * The program that reads the files others made: `node engine/file-rows-worker.js FORMAT BYTES`, a filter
 * from an Arrow or Parquet file on standard input to events in NDJSON on standard output.
 *
 * Why a process: both formats are offsets into themselves, read by large libraries. Whatever a file does to
 * them, it does with BYTES of memory, at the lowest priority, to a process that can be killed.
 *
 * - Arrow streams are passed on batch by batch. A Parquet file has its index at its end: it is held whole.
 * - Output waits for its reader.
 * - Exit code 2: the file cannot be read, and the last line of standard error says why. Every other end
 *   but 0 is that of a process that had too little memory.
 */
import { once } from 'node:events';
import { setPriority } from 'node:os';
import { native } from '../native/index.ts';
import { type RecordBatch, RecordBatchReader } from '../storage/arrow.ts';
import { recordBatchesOfParquet } from '../storage/parquet-wasm.ts';
import { eventWriterOf } from './event-columns.ts';
import { type FileFormat, WORKER_EXIT_MALFORMED } from './file-rows.ts';
import { JsonWriter } from './json-writer.ts';

const PIECE_BYTES = 256 * 1024;
const PRIORITY_LOWEST = 19;

async function writeBatches(batches: AsyncIterable<RecordBatch>): Promise<void> {
  const out = new JsonWriter();
  const send = async (): Promise<void> => {
    if (!process.stdout.write(out.take())) await once(process.stdout, 'drain');
  };
  for await (const batch of batches) {
    const write = eventWriterOf(batch);
    for (let row = 0; row < batch.numRows; row += 1) {
      write(out, row);
      if (out.length >= PIECE_BYTES) await send();
    }
  }
  await send();
}

async function* recordBatchesOfArrow(
  input: AsyncIterable<Uint8Array>,
): AsyncGenerator<RecordBatch> {
  yield* await RecordBatchReader.from(input);
}

async function run(format: FileFormat, dataBytesMax: number): Promise<void> {
  setPriority(PRIORITY_LOWEST);
  const reason = native.limitDataBytes(dataBytesMax);
  if (reason !== '') throw new Error(`RLIMIT_DATA: ${reason}`);
  const input: AsyncIterable<Uint8Array> = process.stdin;
  const batches = format === 'arrow' ? recordBatchesOfArrow(input) : recordBatchesOfParquet(input);
  await writeBatches(batches);
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

run(process.argv[2] as FileFormat, Number(process.argv[3])).then(() => {
  isDone = true;
}, fail);
