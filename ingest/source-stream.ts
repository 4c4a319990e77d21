/**
 * Sends a source of bytes as the body of an answer, as fast as the client takes it and no faster.
 *
 * One piece is held at a time, and the next one is read when the client has room: a slow reader costs a
 * piece, not a file. The length is known, so the answer carries it, and a body that ends early is seen.
 *
 * - Pieces are taken from a budget over all answers; without room nothing is begun.
 * - A source that fails after the first byte cuts the connection.
 */
import type { ByteSource } from '../base/plain-http.ts';
import { MIB } from '../base/units.ts';
import { type AnswerOptions, asTributaryError, type HttpExchange } from './http-exchange.ts';

/** Large enough to hide the way to the disk, small enough to hold many. */
const PIECE_BYTES = MIB;

/** What one answer holds of the budget while it is sent. */
export function heldBytes(source: ByteSource): number {
  return Math.min(source.length, PIECE_BYTES);
}

/**
 * Answers with the whole source, or with its length alone when the request was HEAD. Resolves when the
 * client has it or is gone.
 * @returns bytes sent.
 */
export async function sendSource(
  exchange: HttpExchange,
  status: number,
  contentType: string,
  source: ByteSource,
  options: AnswerOptions,
): Promise<number> {
  if (exchange.isHead || source.length === 0) {
    exchange.answerLength(status, contentType, source.length, options);
    return 0;
  }
  let whenGone = (): void => {};
  const gone = new Promise<void>((resolve) => {
    whenGone = resolve;
  });
  exchange.onGone(whenGone);
  let sent = 0;
  try {
    while (sent < source.length && !exchange.over) {
      const piece = await source.read(sent, Math.min(PIECE_BYTES, source.length - sent));
      if (exchange.over) break;
      if (sent === 0) exchange.begin(contentType, options.headers ?? {}, status);
      await Promise.race([sendPiece(exchange, piece, source.length), gone]);
      sent += piece.length;
    }
  } catch (error) {
    if (sent === 0) exchange.answerError(asTributaryError(error));
    else exchange.destroy();
    throw error;
  }
  return sent;
}

/** Resolves when the library has taken the whole piece. */
function sendPiece(exchange: HttpExchange, piece: Uint8Array, totalBytes: number): Promise<void> {
  const { response } = exchange;
  return new Promise((resolve) => {
    const start = response.getWriteOffset();
    let isTaken = false;
    const attempt = (from: number): boolean => {
      if (isTaken) return true; // A late call for room that the next piece has found already.
      let isDone = false;
      response.cork(() => {
        [isTaken, isDone] = response.tryEnd(piece.subarray(from), totalBytes);
      });
      isTaken ||= isDone;
      if (isDone) exchange.settle();
      if (isTaken) resolve();
      return isTaken;
    };
    if (!attempt(0)) response.onWritable((offset) => attempt(offset - start));
  });
}
