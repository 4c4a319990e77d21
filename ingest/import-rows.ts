/**
 * The rows of an import as lines of NDJSON, or msgpack as it is, whatever the body is written in and
 * compressed with: a chain of async generators, each of which reads only as fast as it is read.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { observedPieces } from '../base/observed-pieces.ts';
import { MIB } from '../base/units.ts';
import { type FileFormat, rowsOfFile } from '../engine/file-rows.ts';
import { linesOfJson } from './import-json.ts';
import { type ContentEncoding, inflatePieces } from './inflate.ts';

export const IMPORT_FORMATS = ['json', 'ndjson', 'msgpack', 'arrow', 'parquet'] as const;
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

/** Rows of repeated values take next to nothing in a file: below this nobody is asked about it. */
const RATIO_FREE_BYTES = 16 * MIB;

/** Whether a format is read by a process of its own. */
export function isFileFormat(format: ImportFormat): format is FileFormat {
  return format === 'arrow' || format === 'parquet';
}

/**
 * @param body ends its iteration when the client has sent all of it.
 * @throws TributaryError TRIBUTARY_INGEST_ENCODING_*, TRIBUTARY_INGEST_IMPORT_*, and what `body` throws.
 */
export function rowsOfImport(
  format: ImportFormat,
  encoding: ContentEncoding,
  body: AsyncIterable<Uint8Array>,
): AsyncIterable<Uint8Array> {
  const pieces = encoding === 'identity' ? body : inflatePieces(encoding, body);
  if (format === 'ndjson' || format === 'msgpack') return pieces;
  return format === 'json' ? linesOfJson(pieces) : rowsWithinRatio(format, pieces);
}

async function* rowsWithinRatio(
  format: FileFormat,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let fileBytes = 0;
  let rowBytes = 0;
  const counted = observedPieces(pieces, {
    onPiece(bytes) {
      fileBytes += bytes;
    },
    onFailure() {},
  });
  for await (const piece of rowsOfFile(format, counted)) {
    rowBytes += piece.length;
    if (rowBytes > RATIO_FREE_BYTES + fileBytes * LIMITS.importRatioMax) {
      throw new TributaryError('TRIBUTARY_INGEST_ENCODING_RATIO', { limit: LIMITS.importRatioMax });
    }
    yield piece;
  }
}
