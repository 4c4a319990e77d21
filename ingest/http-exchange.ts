/**
 * One HTTP request and its one answer.
 *
 * A response of uWebSockets.js may be answered once, in a cork, and never after the client is gone.
 * This class keeps those rules, so that handlers need not.
 *
 * - At most one answer; a second is our own mistake.
 * - After an abort or an answer the response is not touched again.
 */
import { STATUS_CODES } from 'node:http';
import { assert } from '../base/assert.ts';
import { TributaryError } from '../base/errors.ts';
import type { HttpRequest, HttpResponse } from './uws.ts';

/** Seconds after which a refused client should try again; clients read integers only. */
const RETRY_AFTER_SECONDS = '1';

export class HttpExchange {
  readonly response: HttpResponse;
  /** The page that may read the answer in its browser; '' for every other client. */
  readonly #origin: string;
  #gone = false;
  #answered = false;
  #onGone: (() => void) | undefined;

  /**
   * Call it in the route handler, where the request is still there.
   * @param isCrossOrigin whether pages of other origins may read the answer.
   */
  constructor(response: HttpResponse, request: HttpRequest, isCrossOrigin = false) {
    this.response = response;
    this.#origin = isCrossOrigin ? request.getHeader('origin') : '';
    response.onAborted(() => {
      this.#gone = true;
      this.#onGone?.();
    });
  }

  /** Whether nothing more can be told to the client: it went away, or has its answer. */
  get over(): boolean {
    return this.#gone || this.#answered;
  }

  /** Runs `handler` when the client goes away before its answer is complete. */
  onGone(handler: () => void): void {
    this.#onGone = handler;
  }

  /** Answers with JSON, unless the client is gone. `close` ends the connection with it. */
  answer(status: number, body: unknown, close = false): void {
    this.#send(status, 'application/json', `${JSON.stringify(body)}\n`, undefined, close);
  }

  answerText(status: number, contentType: string, text: string): void {
    this.#send(status, contentType, text, undefined, false);
  }

  /** Answers an error as every endpoint does; 429 and 503 tell when to come back. */
  answerError(error: TributaryError, close = false, details: object = {}): void {
    const retry = error.status === 429 || error.status === 503 ? RETRY_AFTER_SECONDS : undefined;
    const body = { success: false, ok: false, error: error.toJSON(), ...details };
    this.#send(error.status, 'application/json', `${JSON.stringify(body)}\n`, retry, close);
  }

  /** Starts a streamed answer. The caller writes to `response` and then calls `finish`. */
  begin(contentType: string, headers: Readonly<Record<string, string>>): void {
    if (this.over) return;
    this.response.cork(() => {
      this.response.writeStatus(statusText(200));
      this.response.writeHeader('Content-Type', contentType);
      this.#writeCommonHeaders();
      for (const [name, value] of Object.entries(headers)) this.response.writeHeader(name, value);
    });
  }

  /** Ends a streamed answer. */
  finish(): void {
    if (this.over) return;
    this.#answered = true;
    this.response.cork(() => this.response.end());
  }

  /** Cuts the connection: a streamed answer that failed must not look complete. */
  destroy(): void {
    if (this.over) return;
    this.#answered = true;
    this.response.close();
  }

  #send(
    status: number,
    contentType: string,
    body: string,
    retryAfter: string | undefined,
    close: boolean,
  ): void {
    if (this.#gone) return;
    assert(!this.#answered, 'a request is answered once');
    this.#answered = true;
    const { response } = this;
    response.cork(() => {
      response.writeStatus(statusText(status));
      response.writeHeader('Content-Type', contentType);
      this.#writeCommonHeaders();
      if (retryAfter !== undefined) response.writeHeader('Retry-After', retryAfter);
      response.end(body, close);
    });
  }

  #writeCommonHeaders(): void {
    this.response.writeHeader('X-Content-Type-Options', 'nosniff');
    if (this.#origin === '') return;
    this.response.writeHeader('Access-Control-Allow-Origin', this.#origin);
    this.response.writeHeader('Access-Control-Allow-Credentials', 'true');
    this.response.writeHeader('Vary', 'Origin');
  }
}

function statusText(status: number): string {
  return `${status} ${STATUS_CODES[status] ?? 'Unknown'}`;
}

/** Any thrown value as an error that may be told; what was not foreseen becomes TRIBUTARY_INGEST_INTERNAL. */
export function asTributaryError(error: unknown): TributaryError {
  return error instanceof TributaryError
    ? error
    : new TributaryError('TRIBUTARY_INGEST_INTERNAL', {}, error);
}
