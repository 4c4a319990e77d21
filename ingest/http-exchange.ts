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
import { writeCrossOrigin } from './cross-origin.ts';
import type { HttpRequest, HttpResponse, TemplatedApp } from './uws.ts';

/** When nothing better is known. */
const RETRY_AFTER_SECONDS = 1;

export interface AnswerOptions {
  readonly headers?: Readonly<Record<string, string>>;
  /** Whether the connection ends with the answer. */
  readonly close?: boolean;
}

export interface ErrorAnswerOptions extends AnswerOptions {
  /** More members of the body, beside the error. */
  readonly details?: object;
  /** Whole seconds; clients read nothing else. Used for 429 and 503 only. */
  readonly retryAfterSeconds?: number;
}

export class HttpExchange {
  readonly response: HttpResponse;
  /** The page that may read the answer in its browser; '' for every other client. */
  readonly #origin: string;
  /** HEAD asks for the answer to GET without its body (RFC 9110 section 9.3.2). */
  readonly isHead: boolean;
  #gone = false;
  #answered = false;
  #onGone: (() => void) | undefined;
  #onOver: (() => void) | undefined;

  /**
   * Call it in the route handler, where the request is still there.
   * @param isCrossOrigin whether pages of other origins may read the answer.
   */
  constructor(response: HttpResponse, request: HttpRequest, isCrossOrigin = false) {
    this.response = response;
    this.#origin = isCrossOrigin ? request.getHeader('origin') : '';
    this.isHead = request.getMethod() === 'head';
    response.onAborted(() => {
      this.#gone = true;
      this.#onGone?.();
      this.#takeOnOver()?.();
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

  /** Runs `handler` once, when the answer is complete or the client is gone; also if it is already. */
  onOver(handler: () => void): void {
    if (this.over) handler();
    else this.#onOver = handler;
  }

  /** Answers with JSON, unless the client is gone. */
  answer(status: number, body: unknown, options: AnswerOptions = {}): void {
    this.#send(status, 'application/json', Buffer.from(`${JSON.stringify(body)}\n`), options);
  }

  answerText(status: number, contentType: string, text: string): void {
    this.#send(status, contentType, Buffer.from(text), {});
  }

  answerBytes(status: number, contentType: string, bytes: Buffer, options: AnswerOptions): void {
    this.#send(status, contentType, bytes, options);
  }

  /** Answers an error as every endpoint does; 429 and 503 tell when to come back. */
  answerError(error: TributaryError, options: ErrorAnswerOptions = {}): void {
    const { details = {}, retryAfterSeconds = error.retryAfterSeconds } = options;
    const body = { success: false, ok: false, error: error.toJSON(), ...details };
    const isBusy = error.status === 429 || error.status === 503;
    const wait = isBusy && { 'Retry-After': String(retryAfterSeconds ?? RETRY_AFTER_SECONDS) };
    this.answer(error.status, body, { ...options, headers: { ...options.headers, ...wait } });
  }

  /** Answers as to HEAD: the length of a body, and no body. */
  answerLength(status: number, contentType: string, bytes: number, options: AnswerOptions): void {
    this.#answer(status, contentType, options, (close) =>
      this.response.endWithoutBody(bytes, close),
    );
  }

  /**
   * Starts a streamed answer. The caller writes to `response` and then calls `finish`, or `settle` when
   * it has ended the response.
   */
  begin(contentType: string, headers: Readonly<Record<string, string>>, status = 200): void {
    if (this.over) return;
    this.response.cork(() => this.#writeHead(status, contentType, headers));
  }

  /** Notes that the caller has ended a streamed answer of known length itself. */
  settle(): void {
    this.#answered = true;
    this.#takeOnOver()?.();
  }

  /** Ends a streamed answer. */
  finish(): void {
    if (this.over) return;
    this.#answered = true;
    this.response.cork(() => this.response.end());
    this.#takeOnOver()?.();
  }

  /** Cuts the connection: a streamed answer that failed must not look complete. */
  destroy(): void {
    if (this.over) return;
    this.#answered = true;
    this.response.close();
    this.#takeOnOver()?.();
  }

  #send(status: number, contentType: string, body: Buffer, options: AnswerOptions): void {
    this.#answer(status, contentType, options, (close) => {
      // RFC 9110 section 8.6: these carry no length. The library takes undefined for a number.
      if (status === 204 || status === 304) this.response.endWithoutBody();
      else if (this.isHead) this.response.endWithoutBody(body.length, close);
      else this.response.end(body, close);
    });
  }

  #answer(
    status: number,
    contentType: string,
    options: AnswerOptions,
    end: (close: boolean) => void,
  ): void {
    if (this.#gone) return;
    assert(!this.#answered, 'a request is answered once');
    this.#answered = true;
    const { headers = {}, close = false } = options;
    this.response.cork(() => {
      this.#writeHead(status, contentType, headers);
      end(close);
    });
    this.#takeOnOver()?.();
  }

  #writeHead(status: number, contentType: string, headers: Readonly<Record<string, string>>): void {
    this.response.writeStatus(statusText(status));
    if (contentType !== '') this.response.writeHeader('Content-Type', contentType);
    this.#writeCommonHeaders();
    for (const [name, value] of Object.entries(headers)) this.response.writeHeader(name, value);
  }

  #takeOnOver(): (() => void) | undefined {
    const handler = this.#onOver;
    this.#onOver = undefined;
    return handler;
  }

  #writeCommonHeaders(): void {
    writeSafety(this.response);
    writeCrossOrigin(this.response, this.#origin);
  }
}

/** Serves GET, and HEAD as the same without a body: answer it through an {@link HttpExchange}. */
export function serveGet(
  app: TemplatedApp,
  path: string,
  handler: (response: HttpResponse, request: HttpRequest) => void,
): void {
  app.get(path, handler);
  app.head(path, handler);
}

/**
 * Answers a request of {@link serveGet} with JSON while its handler runs, for whom an exchange costs as much as what
 * is asked for: it needs no cork, and nobody is told when the client goes away.
 */
export function answerAtOnce(response: HttpResponse, request: HttpRequest, json: string): void {
  if (request.getMethod() === 'head') {
    // To the library an answer without its body is not over when the handler returns.
    new HttpExchange(response, request).answerText(200, 'application/json', json);
    return;
  }
  response.writeHeader('Content-Type', 'application/json');
  writeSafety(response);
  response.end(json);
}

/** Of every answer. */
function writeSafety(response: HttpResponse): void {
  response.writeHeader('X-Content-Type-Options', 'nosniff');
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
