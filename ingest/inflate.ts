/**
 * Inflates gzip bodies within bounds, so that a small body cannot become a large one in memory.
 *
 * The input is complete when this is called (bodies are bounded); the output is produced piece by piece
 * and given up at the first piece beyond a limit. A bomb is so refused after `limit` bytes, not after it
 * has gone off.
 *
 * - Output is at most `outputBytesMax`, and at most `LIMITS.gzipRatioMax` times the input beyond the
 *   first 64 KiB (small bodies of repeated text are honest at any ratio).
 */
import { createGunzip } from 'node:zlib';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { KIB } from '../base/units.ts';
import { type ByteBudget, inFlightFull } from './byte-budget.ts';

const FREE_BYTES = 64 * KIB;

/**
 * @param body gzip (RFC 1952), one or more members. Not changed until this settles.
 * @param budget what the output is taken from; the caller gives `length` bytes of it back.
 * @throws TributaryError TRIBUTARY_INGEST_GZIP_MALFORMED, _GZIP_RATIO, _BODY_TOO_LARGE or
 *   _IN_FLIGHT_FULL; then nothing is left taken.
 */
export async function inflate(
  body: Uint8Array,
  outputBytesMax: number,
  budget: ByteBudget,
): Promise<Uint8Array> {
  const ratioBytesMax = FREE_BYTES + body.length * LIMITS.gzipRatioMax;
  const pieces: Buffer[] = [];
  let bytes = 0;
  let taken = 0;
  const gunzip = createGunzip();
  gunzip.end(body);
  try {
    for await (const piece of gunzip as AsyncIterable<Buffer>) {
      bytes += piece.length;
      if (bytes > ratioBytesMax) {
        throw new TributaryError('TRIBUTARY_INGEST_GZIP_RATIO', { limit: LIMITS.gzipRatioMax });
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
    throw new TributaryError('TRIBUTARY_INGEST_GZIP_MALFORMED', { reason }, error);
  }
  return pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces, bytes);
}
