/**
 * `POST /v1/sql`: authenticates an analyst, hands the statement to the query service, streams the result.
 *
 * - Back-pressure: a result waits for its reader; nothing of it is buffered beyond the socket.
 * - A client that goes away cancels its query.
 * - A failure after the first byte cuts the connection, so that no client takes half a result for whole.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import type { AdminPrincipal } from '../engine/control.ts';
import { requireReady } from './batch-intake.ts';
import { readBody } from './body-reader.ts';
import type { ByteBudget } from './byte-budget.ts';
import { keyOfAuthorization } from './credentials.ts';
import { asTributaryError, HttpExchange } from './http-exchange.ts';
import type { ApplianceState, Authenticator, SqlExecution, SqlRequest, SqlSink } from './ports.ts';
import { formatOfHead, parseSqlRequest } from './sql-request.ts';
import type { HttpRequest, HttpResponse, TemplatedApp } from './uws.ts';

export interface SqlContext {
  readonly authenticator: Authenticator;
  readonly inFlight: ByteBudget;
  readonly logger: Logger;
  state(): ApplianceState;
}

export function serveSql(app: TemplatedApp, context: SqlContext): void {
  app.post('/v1/sql', (response, request) => {
    const exchange = new HttpExchange(response, request);
    try {
      handleSql(context, exchange, request);
    } catch (error) {
      exchange.answerError(asTributaryError(error));
    }
  });
}

function handleSql(context: SqlContext, exchange: HttpExchange, request: HttpRequest): void {
  const { tenantId } = authenticate(request, context.authenticator);
  const format = formatOfHead(request.getQuery('format') ?? '', request.getHeader('accept'));
  const declaredBytes = Number(request.getHeader('content-length')) || 0;
  readBody(exchange, declaredBytes, LIMITS.requestBytesMax, context.inFlight, {
    receive(body, release) {
      try {
        run(context, exchange, parseSqlRequest(body, tenantId, format));
      } catch (error) {
        const answered = asTributaryError(error);
        if (answered.status === 500) context.logger.log('error', 'a query failed', { error });
        exchange.answerError(answered);
      } finally {
        release();
      }
    },
    refuse: (error, closeConnection) => exchange.answerError(error, closeConnection),
  });
}

function run(context: SqlContext, exchange: HttpExchange, request: SqlRequest): void {
  const { sql } = requireReady(context.state());
  const sink = new ResponseSink(exchange);
  sink.attach(sql.execute(request, sink));
}

/** @throws TributaryError TRIBUTARY_ACCESS_KEY_MISSING or _KEY_UNKNOWN */
function authenticate(request: HttpRequest, authenticator: Authenticator): AdminPrincipal {
  const key = keyOfAuthorization(request.getHeader('authorization'));
  if (key === undefined)
    throw new TributaryError('TRIBUTARY_ACCESS_KEY_MISSING', { kind: 'admin' });
  const principal = authenticator.authenticateAdmin(key);
  if (principal !== undefined) return principal;
  throw new TributaryError('TRIBUTARY_ACCESS_KEY_UNKNOWN', { kind: 'admin' });
}

/** A result on its way into one response. */
class ResponseSink implements SqlSink {
  readonly #exchange: HttpExchange;
  readonly #response: HttpResponse;
  #execution: SqlExecution | undefined;
  #begun = false;

  constructor(exchange: HttpExchange) {
    this.#exchange = exchange;
    this.#response = exchange.response;
  }

  /** Ties the query's life to the client's. */
  attach(execution: SqlExecution): void {
    this.#execution = execution;
    this.#exchange.onGone(() => execution.cancel());
    if (this.#exchange.over) return;
    this.#response.onWritable(() => {
      this.#execution?.resume();
      return true;
    });
  }

  begin(contentType: string, queryId: string): void {
    this.#begun = true;
    this.#exchange.begin(contentType, { 'X-Query-Id': queryId });
  }

  write(bytes: Uint8Array): boolean {
    if (this.#exchange.over) return true;
    let isTaken = true;
    this.#response.cork(() => {
      isTaken = this.#response.write(bytes);
    });
    return isTaken;
  }

  end(): void {
    this.#exchange.finish();
  }

  fail(error: TributaryError): void {
    if (this.#begun) this.#exchange.destroy();
    else if (!this.#exchange.over) this.#exchange.answerError(error);
  }
}
