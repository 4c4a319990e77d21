/**
 * The body of an import as an async sequence of pieces, at the pace of whoever takes them.
 *
 * While nobody waits for a piece the socket is not read, so that the kernel's buffers and the client's fill and it
 * waits: at most a piece or two are held here, however fast the client is (ingest/uws.ts says what that takes).
 *
 * A piece is valid until the next one is asked for: its memory is used again. Made anew for each, half a mebibyte at a
 * time, it kept the garbage collector's threads busy.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { HttpExchange } from './http-exchange.ts';

/** The server library cuts a connection that sends nothing for 10 s, unless it is paused and resumed. */
const KEEP_ALIVE_MS = 4000;

/** One is filled while another is read. */
const SPARE_PIECES = 2;

/** The client went away before its body was complete: nobody is left to be told. */
export class BodyCutError extends Error {
  override readonly name = 'BodyCutError';
}

export class ImportBody implements AsyncIterableIterator<Uint8Array> {
  readonly #exchange: HttpExchange;
  readonly #held: Buffer[] = [];
  readonly #memory = new PieceMemory();
  #handedOut: Buffer | undefined;
  #isComplete = false;
  #isDropped = false;
  #isPaused = false;
  #wake: (() => void) | undefined;

  /** Call it in the route handler: what arrives before anybody listens is lost. */
  constructor(exchange: HttpExchange) {
    this.#exchange = exchange;
    exchange.onGone(() => this.#wakeUp());
    // Also once the body is complete: what reads a file may take longer than that to its first row.
    const keepAlive = setInterval(() => this.#keepAlive(), KEEP_ALIVE_MS);
    exchange.onOver(() => clearInterval(keepAlive));
    exchange.response.onData((buffer, isLast) => {
      if (this.#isDropped) return;
      this.#held.push(this.#memory.copyOf(buffer));
      this.#isComplete = isLast;
      if (!isLast && this.#wake === undefined) this.#pause();
      this.#wakeUp();
    });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  /** @throws BodyCutError, TRIBUTARY_INGEST_IMPORT_STALLED */
  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#takeBack();
    for (;;) {
      const piece = this.#held.shift();
      this.#handedOut = piece;
      if (piece !== undefined) return { done: false, value: piece };
      if (this.#exchange.over) throw new BodyCutError();
      if (this.#isComplete) return this.#end();
      await this.#more();
    }
  }

  /** Reads and drops the rest, so that the client can read its answer. Idempotent. */
  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#isDropped = true;
    this.#held.length = 0;
    return this.#end();
  }

  #takeBack(): void {
    if (this.#handedOut !== undefined) this.#memory.takeBack(this.#handedOut);
    this.#handedOut = undefined;
  }

  /** The socket is read again: the connection has more requests. */
  #end(): IteratorResult<Uint8Array, undefined> {
    if (!this.#exchange.over) this.#resume();
    return { done: true, value: undefined };
  }

  #more(): Promise<void> {
    return new Promise((resolve, reject) => {
      const limitMs = LIMITS.importStallMs;
      const timer = setTimeout(() => {
        this.#wake = undefined;
        reject(new TributaryError('TRIBUTARY_INGEST_IMPORT_STALLED', { limitMs }));
      }, limitMs);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#resume();
    });
  }

  #keepAlive(): void {
    if (this.#isPaused) return;
    this.#pause();
    this.#resume();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  #pause(): void {
    if (!this.#isPaused) this.#exchange.response.pause();
    this.#isPaused = true;
  }

  #resume(): void {
    if (this.#isPaused) this.#exchange.response.resume();
    this.#isPaused = false;
  }
}

/** Copies of pieces, in memory that was taken back where there is some: not cleared, which takes longer than copying. */
class PieceMemory {
  readonly #spare: Buffer[] = [];

  copyOf(piece: ArrayBuffer): Buffer {
    const memory = this.#spare.pop();
    const isEnough = memory !== undefined && memory.buffer.byteLength >= piece.byteLength;
    const { buffer } = isEnough ? memory : Buffer.allocUnsafeSlow(piece.byteLength);
    const copy = Buffer.from(buffer, 0, piece.byteLength);
    copy.set(new Uint8Array(piece));
    return copy;
  }

  takeBack(copy: Buffer): void {
    if (this.#spare.length < SPARE_PIECES) this.#spare.push(copy);
  }
}
