/**
 * Routes for an admin key that answer one JSON document: the request is read and authenticated in its
 * handler, where the library still holds it; the work may take its time.
 *
 * A failure is answered as an error; one that was not foreseen is also logged.
 */
import { LIMITS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { readBody } from './body-reader.ts';
import type { BodyWatch } from './body-watch.ts';
import type { ByteBudget } from './byte-budget.ts';
import { authenticateAdmin } from './credentials.ts';
import { asTributaryError, HttpExchange, serveGet } from './http-exchange.ts';
import type { ApplianceState, Authenticator } from './ports.ts';
import type { HttpRequest, HttpResponse, TemplatedApp } from './uws.ts';

export interface AdminContext {
  readonly authenticator: Authenticator;
  readonly inFlight: ByteBudget;
  readonly bodies: BodyWatch;
  readonly logger: Logger;
  state(): ApplianceState;
}

export interface AdminAnswer {
  /** 200 unless given. */
  readonly status?: number;
  /** JSON. */
  readonly text: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Reads what it needs of `request` before its first await. May throw or reject with a TributaryError. */
export type AdminRead = (request: HttpRequest, tenantId: string) => Promise<AdminAnswer>;

/** As {@link AdminRead}; what it returns is given the body, as text. */
export type AdminWrite = (
  request: HttpRequest,
  tenantId: string,
) => (body: string) => Promise<AdminAnswer>;

export class AdminRoutes {
  readonly #app: TemplatedApp;
  readonly #context: AdminContext;

  constructor(app: TemplatedApp, context: AdminContext) {
    this.#app = app;
    this.#context = context;
  }

  /** @param taken the query parameters that `read` looks at. */
  get(path: string, read: AdminRead, taken: readonly string[] = []): void {
    serveGet(this.#app, path, this.#reading(path, read, taken));
  }

  delete(path: string, read: AdminRead): void {
    this.#app.del(path, this.#reading(path, read, []));
  }

  /** The body is at most LIMITS.requestBytesMax bytes. There are no query parameters. */
  write(method: 'post' | 'put', path: string, write: AdminWrite): void {
    const { bodies: watch, inFlight: budget } = this.#context;
    this.#app[method](path, (response, request) =>
      this.#guard(response, request, [], (exchange, tenantId) => {
        const declaredBytes = Number(request.getHeader('content-length')) || 0;
        const take = write(request, tenantId);
        const bounds = { bytesMax: LIMITS.requestBytesMax, budget, watch };
        readBody(exchange, declaredBytes, bounds, {
          receive: (body, release) => {
            const text = Buffer.from(body).toString('utf8');
            const work = async (): Promise<AdminAnswer> => take(text);
            this.#answer(path, exchange, work().finally(release));
          },
          refuse: (error, close) => exchange.answerError(error, { close }),
        });
      }),
    );
  }

  #reading(
    path: string,
    read: AdminRead,
    taken: readonly string[],
  ): (response: HttpResponse, request: HttpRequest) => void {
    return (response, request) =>
      this.#guard(response, request, taken, (exchange, tenantId) =>
        this.#answer(path, exchange, read(request, tenantId)),
      );
  }

  #guard(
    response: HttpResponse,
    request: HttpRequest,
    taken: readonly string[],
    handle: (exchange: HttpExchange, tenantId: string) => void,
  ): void {
    const exchange = new HttpExchange(response, request);
    try {
      const { authenticator } = this.#context;
      handle(exchange, authenticateAdmin(authenticator, request, taken).tenantId);
    } catch (error) {
      exchange.answerError(asTributaryError(error));
    }
  }

  #answer(path: string, exchange: HttpExchange, work: Promise<AdminAnswer>): void {
    work.then(
      ({ status = 200, text, headers = {} }) =>
        exchange.answerBytes(status, 'application/json', Buffer.from(`${text}\n`), { headers }),
      (error: unknown) => {
        const answered = asTributaryError(error);
        if (answered.status === 500) {
          this.#context.logger.log('error', 'an admin request failed', { path, error });
        }
        exchange.answerError(answered);
      },
    );
  }
}
