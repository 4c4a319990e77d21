/**
 * Reads a request's body within bounds: of size, of time, and of bytes in flight over all connections.
 *
 * A body that arrives in one piece, as nearly all do, is handed on without a copy. Others are copied
 * into one growing buffer, because the library takes its own back after each callback, and because a
 * list of pieces would let a client that sends single bytes cost a hundred times what it sent.
 *
 * - `receive` is called at most once, and either it or `refuse`, never both, and neither once the client
 *   is gone.
 * - Bytes taken from the budget are given back by the caller's `release`, or here when `refuse`d or gone.
 * - What arrives after a refusal is read and dropped, so that the client can read its answer; a body
 *   that is far larger than allowed is answered with a closed connection instead.
 */
import { TributaryError } from '../base/errors.ts';
import type { BodyWatch, WatchedBody } from './body-watch.ts';
import { type ByteBudget, inFlightFull } from './byte-budget.ts';
import type { HttpExchange } from './http-exchange.ts';

const EMPTY = Buffer.alloc(0);

export interface BodyReader {
  /**
   * Takes the whole body. It may be valid only until this returns: use or copy it before an await.
   * @param release gives the bytes back to the budget; call it once, when the body is settled.
   */
  receive(body: Uint8Array, release: () => void): void;
  refuse(error: TributaryError, closeConnection: boolean): void;
}

/** The bounds of one body: its own, and those of all bodies together. */
export interface BodyBounds {
  readonly bytesMax: number;
  readonly budget: ByteBudget;
  readonly watch: BodyWatch;
}

/** @param declaredBytes the Content-Length, or 0 when there is none. */
export function readBody(
  exchange: HttpExchange,
  declaredBytes: number,
  bounds: BodyBounds,
  reader: BodyReader,
): void {
  const { budget, bytesMax, watch } = bounds;
  if (declaredBytes > bytesMax) {
    reader.refuse(tooLarge(bytesMax), declaredBytes > 2 * bytesMax);
    return;
  }
  let held: Buffer = EMPTY;
  let bytes = 0;
  let watched: WatchedBody | undefined;
  let done = false;

  const settle = (): void => {
    done = true;
    held = EMPTY;
    if (watched !== undefined) watch.delete(watched);
  };
  const release = (): void => budget.release(bytes);
  const refuse = (error: TributaryError, closeConnection: boolean): void => {
    settle();
    release();
    reader.refuse(error, closeConnection);
  };

  exchange.onGone(() => {
    if (done) return;
    settle();
    release();
  });
  exchange.response.onData((buffer, isLast) => {
    if (done) return;
    const piece = new Uint8Array(buffer);
    if (bytes + piece.length > bytesMax) return refuse(tooLarge(bytesMax), !isLast);
    if (!budget.tryTake(piece.length)) return refuse(inFlightFull(budget), false);
    const isOnly = isLast && bytes === 0;
    if (!isOnly) {
      held = withRoom(held, bytes, bytes + piece.length);
      held.set(piece, bytes);
    }
    bytes += piece.length;
    if (isLast) {
      const body = isOnly ? piece : held.subarray(0, bytes);
      settle();
      reader.receive(body, release);
      return;
    }
    if (watched !== undefined) return;
    watched = {
      startMs: watch.nowMs,
      get bytes() {
        return bytes;
      },
      refuse: (error) => refuse(error, true),
    };
    watch.add(watched);
  });
}

/** A buffer that starts with the `used` bytes of `held` and has room for `needed`, at least doubled. */
function withRoom(held: Buffer, used: number, needed: number): Buffer {
  if (needed <= held.length) return held;
  const grown = Buffer.allocUnsafe(Math.max(needed, 2 * held.length));
  held.copy(grown, 0, 0, used);
  return grown;
}

function tooLarge(limitBytes: number): TributaryError {
  return new TributaryError('TRIBUTARY_INGEST_BODY_TOO_LARGE', { limitBytes });
}
