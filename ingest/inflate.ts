/**
 * Undoes Content-Encoding within bounds, so that a small body cannot become a large one in memory.
 *
 * The input is complete when this is called (bodies are bounded); the output is produced piece by piece
 * and given up at the first piece beyond a limit. A bomb is so refused after `limit` bytes, not after it
 * has gone off.
 *
 * - Output is at most `outputBytesMax`, and at most `LIMITS.gzipRatioMax` times the input beyond the
 *   first 64 KiB (small bodies of repeated text are honest at any ratio).
 */
import type { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import * as zlib from 'node:zlib';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { observedPieces } from '../base/observed-pieces.ts';
import { streamOf } from '../base/piece-stream.ts';
import { KIB } from '../base/units.ts';
import { type ByteBudget, inFlightFull } from './byte-budget.ts';

const FREE_BYTES = 64 * KIB;

/** RFC 1952, RFC 1950 (or bare RFC 1951, which many mean by deflate), RFC 7932, RFC 8878. */
export type Compression = 'gzip' | 'deflate' | 'br' | 'zstd';
export type ContentEncoding = Compression | 'identity';

/** Node 22.15 and newer have it; the types are those of the oldest Node that runs the appliance. */
const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };

/** The compressions this Node can undo. */
export const COMPRESSIONS: readonly Compression[] =
  createZstdDecompress === undefined
    ? ['gzip', 'deflate', 'br']
    : ['gzip', 'deflate', 'br', 'zstd'];

/** A Content-Encoding header, '' included; undefined when it is not understood, or is more than one. */
export function parseEncoding(header: string): ContentEncoding | undefined {
  const name = header.trim().toLowerCase();
  if (name === '' || name === 'identity') return 'identity';
  if (name === 'x-gzip') return 'gzip'; // The same (RFC 9110 section 8.4.1.3).
  return COMPRESSIONS.find((compression) => compression === name);
}

/**
 * @param body one or more whole members. Not changed until this settles.
 * @param budget what the output is taken from; the caller gives `length` bytes of it back.
 * @throws TributaryError TRIBUTARY_INGEST_ENCODING_MALFORMED, _ENCODING_RATIO, _BODY_TOO_LARGE or
 *   _IN_FLIGHT_FULL; then nothing is left taken.
 */
export async function inflate(
  compression: Compression,
  body: Uint8Array,
  outputBytesMax: number,
  budget: ByteBudget,
): Promise<Uint8Array> {
  const ratioBytesMax = FREE_BYTES + body.length * LIMITS.gzipRatioMax;
  const pieces: Buffer[] = [];
  let bytes = 0;
  let taken = 0;
  const decompressor = createDecompressor(compression, body);
  decompressor.end(body);
  try {
    for await (const piece of decompressor as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > ratioBytesMax) {
        throw new TributaryError('TRIBUTARY_INGEST_ENCODING_RATIO', { limit: LIMITS.gzipRatioMax });
      }
      if (bytes > outputBytesMax) {
        throw new TributaryError('TRIBUTARY_INGEST_BODY_TOO_LARGE', { limitBytes: outputBytesMax });
      }
      if (!budget.tryTake(piece.length)) throw inFlightFull(budget);
      taken += piece.length;
      pieces.push(piece);
    }
  } catch (error) {
    budget.release(taken);
    if (error instanceof TributaryError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const parameters = { encoding: compression, reason };
    throw new TributaryError('TRIBUTARY_INGEST_ENCODING_MALFORMED', parameters, error);
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, bytes);
}

/**
 * The same for a body of any length, piece by piece, at the pace of whoever reads the output.
 * @throws TributaryError TRIBUTARY_INGEST_ENCODING_MALFORMED, _ENCODING_RATIO, and what `pieces` throws.
 */
export async function* inflatePieces(
  compression: Compression,
  pieces: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  let inputBytes = 0;
  let failure: unknown;
  const input = observedPieces(pieces, {
    onPiece(bytes) {
      inputBytes += bytes;
    },
    onFailure(error) {
      failure = error;
    },
  });
  const head = await takeHead(input);
  const decompressor = createDecompressor(compression, head);
  let outputBytes = 0;
  try {
    // Its failure is that of the decompressor, which is read below.
    pipeline(streamOf(prepend(head, input)), decompressor).catch(() => {});
    for await (const piece of decompressor as AsyncIterable<Buffer>) {
      outputBytes += piece.length;
      if (outputBytes > FREE_BYTES + inputBytes * LIMITS.gzipRatioMax) {
        throw new TributaryError('TRIBUTARY_INGEST_ENCODING_RATIO', { limit: LIMITS.gzipRatioMax });
      }
      yield piece;
    }
  } catch (error) {
    if (failure !== undefined) throw failure;
    if (error instanceof TributaryError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    const parameters = { encoding: compression, reason };
    throw new TributaryError('TRIBUTARY_INGEST_ENCODING_MALFORMED', parameters, error);
  }
}

async function* prepend(
  head: Uint8Array,
  rest: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  yield head;
  yield* rest;
}

/** The first two bytes, at least, where there are as many: what tells the two kinds of deflate apart. */
async function takeHead(source: AsyncIterator<Uint8Array>): Promise<Uint8Array> {
  let head: Uint8Array = Buffer.alloc(0);
  while (head.length < 2) {
    const next = await source.next();
    if (next.done === true) break;
    head = Buffer.concat([head, next.value]);
  }
  return head;
}

function createDecompressor(compression: Compression, body: Uint8Array): Transform {
  if (compression === 'gzip') return zlib.createGunzip();
  if (compression === 'br') return zlib.createBrotliDecompress();
  if (compression === 'zstd' && createZstdDecompress !== undefined) return createZstdDecompress();
  return hasZlibHead(body) ? zlib.createInflate() : zlib.createInflateRaw();
}

/** RFC 1950 section 2.2: method 8, and the two bytes are a multiple of 31. */
function hasZlibHead(body: Uint8Array): boolean {
  const [method = 0, flags = 0] = body;
  return (method & 0x0f) === 8 && ((method << 8) | flags) % 31 === 0;
}
