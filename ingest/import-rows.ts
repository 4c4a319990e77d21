/**
 * The batches of an import, whatever its body is written in and compressed with: a chain of async
 * generators, each of which reads only as fast as it is read.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { observedPieces } from '../base/observed-pieces.ts';
import { MIB } from '../base/units.ts';
import { batchesOfFile, FILE_MEMORY, type FileFormat } from '../engine/file-rows.ts';
import type { Codec } from '../engine/types.ts';
import { type ImportBatch, ImportBatcher, type RowBatcher } from './import-batcher.ts';
import { linesOfJson } from './import-json.ts';
import { MsgpackBatcher } from './import-msgpack.ts';
import { type ContentEncoding, inflatePieces } from './inflate.ts';

export const IMPORT_FORMATS = ['json', 'ndjson', 'msgpack', 'arrow', 'parquet'] as const;
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

/** Rows of repeated values take next to nothing in a file: below this nobody is asked about it. */
const RATIO_FREE_BYTES = 16 * MIB;

/** Whether a format may be read by a process of its own. */
export function isFileFormat(format: ImportFormat): format is FileFormat {
  return format === 'arrow' || format === 'parquet';
}

export interface ImportSource {
  readonly format: ImportFormat;
  readonly encoding: ContentEncoding;
  readonly importId: string;
  /** The number of the body's first row. */
  readonly firstRow: number;
}

/** Batches of an import, and what they are written in. */
export interface ImportBatches {
  readonly codec: Codec;
  /** Whether a row is a line, which ends with it. */
  readonly areLines: boolean;
  readonly batches: AsyncIterable<ImportBatch>;
}

/**
 * @param body ends its iteration when the client has sent all of it. A piece may be overwritten once the next one is asked for.
 * @param recordBytesMax of a record batch of Arrow that is held here.
 * @throws TributaryError TRIBUTARY_INGEST_ENCODING_*, TRIBUTARY_INGEST_IMPORT_*, and what `body` throws.
 */
export function batchesOfImport(
  source: ImportSource,
  body: AsyncIterable<Uint8Array>,
  recordBytesMax: number = LIMITS.importRecordBatchBytesMax,
): ImportBatches {
  const { format, encoding, importId, firstRow } = source;
  const pieces = encoding === 'identity' ? body : inflatePieces(encoding, body);
  if (isFileFormat(format)) {
    const batches = batchesWithinRatio(format, source, pieces, recordBytesMax);
    return { codec: 'json', areLines: false, batches };
  }
  const Batcher = format === 'msgpack' ? MsgpackBatcher : ImportBatcher;
  const batcher = new Batcher(importId, firstRow);
  const rows = format === 'json' ? linesOfJson(pieces) : pieces;
  const { codec } = batcher;
  return { codec, areLines: codec === 'json', batches: batchesOfRows(rows, batcher) };
}

async function* batchesOfRows(
  rows: AsyncIterable<Uint8Array>,
  batcher: RowBatcher,
): AsyncGenerator<ImportBatch> {
  for await (const piece of rows) {
    batcher.push(piece);
    yield* taken(batcher, false);
  }
  yield* taken(batcher, true);
}

/** The batches that are there; with `isComplete` also the last, smaller one. */
function* taken(batcher: RowBatcher, isComplete: boolean): Generator<ImportBatch> {
  for (;;) {
    const batch = batcher.take(isComplete);
    if (batch === undefined) return;
    yield batch;
  }
}

async function* batchesWithinRatio(
  format: FileFormat,
  source: ImportSource,
  pieces: AsyncIterable<Uint8Array>,
  recordBytesMax: number,
): AsyncGenerator<ImportBatch> {
  let fileBytes = 0;
  let rowBytes = 0;
  const counted = observedPieces(pieces, {
    onPiece(bytes) {
      fileBytes += bytes;
    },
    onFailure() {},
  });
  const memory = { ...FILE_MEMORY, recordBytesMax };
  for await (const { bytes, rows } of batchesOfFile(format, source, counted, memory)) {
    rowBytes += bytes.length;
    if (rowBytes > RATIO_FREE_BYTES + fileBytes * LIMITS.importRatioMax) {
      throw new TributaryError('TRIBUTARY_INGEST_ENCODING_RATIO', { limit: LIMITS.importRatioMax });
    }
    yield { bytes, rows, importBytes: bytes.length };
  }
}
