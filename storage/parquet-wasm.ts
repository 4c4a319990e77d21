/**
 * Record batches from Parquet files that others made. The only module that imports parquet-wasm.
 *
 * Ownership: objects of the package live in WebAssembly memory, which never shrinks; each is handed on
 * here, and what leaves this module is record batches over plain bytes.
 */
import { ParquetFile, type RecordBatch as WasmRecordBatch } from 'parquet-wasm';
import { type RecordBatch, RecordBatchReader } from './arrow.ts';

const READ_BATCH_ROWS = 8192;

/**
 * The rows of a file that may be anybody's. The file is held whole, since its index is at its end; its
 * row groups are decoded one at a time, in batches of {@link READ_BATCH_ROWS}.
 * @throws what parquet-wasm says of a file it cannot read.
 */
export async function* recordBatchesOfParquet(
  pieces: Iterable<Uint8Array>,
): AsyncGenerator<RecordBatch> {
  const file = await ParquetFile.fromFile(new Blob([...pieces]));
  const batches: AsyncIterable<WasmRecordBatch> = await file.stream({ batchSize: READ_BATCH_ROWS });
  for await (const batch of batches) yield* RecordBatchReader.from(batch.intoIPCStream());
}
