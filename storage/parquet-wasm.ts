/**
 * Parquet files from Arrow record batches, and back. The only module that imports parquet-wasm.
 *
 * Files are written so that every engine reads them (docs/lake.md): Parquet v1 with plain and
 * dictionary encodings, ZSTD, field ids, and one row group for each 122,880 rows, the size of ours and
 * of DuckDB's. Statistics of row groups are written but for personal columns.
 *
 * Ownership: objects of the package live in WebAssembly memory, which never shrinks; each is freed or
 * handed on here, and what leaves this module is plain bytes, or record batches over them.
 */
import {
  Compression,
  EnabledStatistics,
  ParquetFile,
  readSchema,
  Table,
  transformParquetStream,
  type RecordBatch as WasmRecordBatch,
  WriterPropertiesBuilder,
  WriterVersion,
} from 'parquet-wasm';
import { LIMITS } from '../base/limits.ts';
import {
  type RecordBatch,
  RecordBatchReader,
  RecordBatchStreamWriter,
  tableFromIPC,
} from './arrow.ts';

export interface ParquetColumn {
  readonly name: string;
  readonly personal: boolean;
  /** Whether values repeat, so that a dictionary page pays. */
  readonly repeats: boolean;
}

/** What the end of a Parquet file says about it. */
export interface ParquetFooter {
  readonly rows: number;
  readonly columns: readonly ParquetFooterColumn[];
  /** Where row groups begin, bytes. */
  readonly splitOffsets: readonly number[];
}

export interface ParquetFooterColumn {
  readonly name: string;
  /** Undefined where the file has none. */
  readonly fieldId: number | undefined;
  /** Compressed, over all row groups. */
  readonly bytes: number;
}

const MAGIC_BYTES = 4;
const READ_BATCH_ROWS = 8192;

/** Writes a file of the batches, which share one schema. @returns its bytes. */
export async function writeParquet(
  batches: AsyncIterable<RecordBatch>,
  columns: readonly ParquetColumn[],
): Promise<Uint8Array> {
  // The package takes a failed source for its end, so the failure is kept here.
  let failure: unknown;
  async function* source(): AsyncGenerator<WasmRecordBatch> {
    try {
      for await (const batch of batches) yield toWasm(batch);
    } catch (error) {
      failure = error;
    }
  }
  const stream = ReadableStream.from(source());
  const written = await transformParquetStream(stream, writerProperties(columns));
  const pieces: Uint8Array[] = [];
  for await (const piece of written) pieces.push(piece as Uint8Array);
  if (failure !== undefined) throw failure;
  return joined(pieces);
}

function toWasm(batch: RecordBatch): WasmRecordBatch {
  const table = Table.fromIPCStream(RecordBatchStreamWriter.writeAll([batch]).toUint8Array(true));
  const [copied] = table.recordBatches();
  table.free();
  return copied!;
}

/**
 * The rows of a file that may be anybody's. The file is held whole, since its index is at its end; its
 * row groups are decoded one at a time, in batches of {@link READ_BATCH_ROWS}.
 * @throws what parquet-wasm says of a file it cannot read.
 */
export async function* recordBatchesOfParquet(
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<RecordBatch> {
  const held: Uint8Array[] = [];
  for await (const piece of pieces) held.push(piece);
  const file = await ParquetFile.fromFile(new Blob(held));
  const batches: AsyncIterable<WasmRecordBatch> = await file.stream({ batchSize: READ_BATCH_ROWS });
  for await (const batch of batches) yield* RecordBatchReader.from(batch.intoIPCStream());
}

/** Reads the footer of a whole file. @throws Error for bytes that are no Parquet file. */
export async function readParquetFooter(bytes: Uint8Array): Promise<ParquetFooter> {
  const file = await ParquetFile.fromFile(new Blob([bytes]));
  const metadata = file.metadata();
  const schema = tableFromIPC(readSchema(bytes).intoIPCStream()).schema;
  const columnBytes = schema.fields.map(() => 0);
  const splitOffsets: number[] = [];
  let offset = MAGIC_BYTES;
  for (const group of metadata.rowGroups()) {
    splitOffsets.push(offset);
    group.columns().forEach((column, index) => {
      columnBytes[index]! += column.compressedSize();
      offset += column.compressedSize();
      column.free();
    });
    group.free();
  }
  const fileMetadata = metadata.fileMetadata();
  const rows = fileMetadata.numRows();
  for (const object of [fileMetadata, metadata, file]) object.free();
  const columns = schema.fields.map(({ name, metadata: own }, index) => {
    const id = own.get('PARQUET:field_id');
    return { name, fieldId: id === undefined ? undefined : Number(id), bytes: columnBytes[index]! };
  });
  return { rows, columns, splitOffsets };
}

/** One array that is nobody else's, so that it can be handed to another thread. */
function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function writerProperties(columns: readonly ParquetColumn[]) {
  let builder = new WriterPropertiesBuilder()
    .setCreatedBy('Tributary')
    .setWriterVersion(WriterVersion.V1)
    .setCompression(Compression.ZSTD)
    .setMaxRowGroupSize(LIMITS.segmentRowsMax)
    .setStatisticsEnabled(EnabledStatistics.Chunk);
  for (const { name, personal, repeats } of columns) {
    builder = builder.setColumnDictionaryEnabled(name, repeats);
    if (personal) builder = builder.setColumnStatisticsEnabled(name, EnabledStatistics.None);
  }
  return builder.build();
}
