/**
 * `POST /v1/sql`: authenticates an analyst, hands the statement to the query service, streams the result.
 *
 * - Back-pressure: a result waits for its reader; nothing of it is buffered beyond the socket.
 * - A client that goes away cancels its query.
 * - A failure after the first byte ends the body with the error in place of its statistics; where the worker is
 *   lost, the connection is cut. So no client that looks at the end takes half a result for whole.
 */
import type { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { requireReady } from './batch-intake.ts';
import { readBody } from './body-reader.ts';
import type { BodyWatch } from './body-watch.ts';
import type { ByteBudget } from './byte-budget.ts';
import { authenticateAdmin } from './credentials.ts';
import { asTributaryError, HttpExchange } from './http-exchange.ts';
import { parseJson } from './json-body.ts';
import type { ApplianceState, Authenticator, SqlSink } from './ports.ts';
import type { HttpRequest, HttpResponse, TemplatedApp } from './uws.ts';

export interface SqlContext {
  readonly authenticator: Authenticator;
  readonly inFlight: ByteBudget;
  readonly bodies: BodyWatch;
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
  const { tenantId, keyId } = authenticateAdmin(context.authenticator, request, ['format']);
  const format = formatOfHead(request);
  const declaredBytes = Number(request.getHeader('content-length')) || 0;
  const { bodies: watch, inFlight: budget } = context;
  const bounds = { bytesMax: LIMITS.requestBytesMax, budget, watch };
  readBody(exchange, declaredBytes, bounds, {
    receive(body, release) {
      try {
        const { sql } = requireReady(context.state());
        const sink = new ResponseSink(exchange);
        const query = sql.execute(tenantId, withFormat(parseJson(body), format), sink, keyId);
        exchange.onGone(() => query.cancel());
      } catch (error) {
        const answered = asTributaryError(error);
        if (answered.status === 500) context.logger.log('error', 'a query failed', { error });
        exchange.answerError(answered);
      } finally {
        release();
      }
    },
    refuse: (error, close) => exchange.answerError(error, { close }),
  });
}

/** The format that `?format=` asks for, else the Accept header; undefined leaves it to the body. */
function formatOfHead(request: HttpRequest): string | undefined {
  const asked = request.getQuery('format');
  if (asked !== undefined && asked !== '') return asked;
  return /application\/(x-)?ndjson/.test(request.getHeader('accept')) ? 'ndjson' : undefined;
}

/** A `format` in the body wins over the head's. */
function withFormat(value: unknown, format: string | undefined): unknown {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject && format !== undefined ? { format, ...value } : value;
}

/** A result on its way into one response. */
class ResponseSink implements SqlSink {
  readonly #exchange: HttpExchange;
  readonly #response: HttpResponse;

  constructor(exchange: HttpExchange) {
    this.#exchange = exchange;
    this.#response = exchange.response;
  }

  begin(contentType: string, queryId: string): void {
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

  onDrain(callback: () => void): void {
    if (this.#exchange.over) return;
    this.#response.onWritable(() => {
      callback();
      return true;
    });
  }

  end(): void {
    this.#exchange.finish();
  }

  fail(error: TributaryError, body: 'none' | 'explained' | 'broken'): void {
    if (this.#exchange.over) return;
    if (body === 'none') this.#exchange.answerError(error);
    else if (body === 'explained') this.#exchange.finish();
    else this.#exchange.destroy();
  }
}
