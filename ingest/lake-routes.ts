/**
 * What other engines read the lake through: the Iceberg REST catalog at `/iceberg`, and the objects at the
 * path of the lake's bucket, because S3's path style begins with it and most clients keep no path before it.
 *
 * The answers are made by functions that know of no server (query/lake); here requests become values,
 * and answers bytes.
 *
 * - A request is answered for one address group within its limit, and from a bounded number of bytes.
 * - Only the catalog reads bodies; whoever sends one to an object is answered before it.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import type { PlainRequest } from '../base/plain-http.ts';
import type { AddressLimit } from './address-limit.ts';
import { requireReady } from './batch-intake.ts';
import { readBody } from './body-reader.ts';
import type { BodyWatch } from './body-watch.ts';
import { ByteBudget } from './byte-budget.ts';
import { asTributaryError, HttpExchange } from './http-exchange.ts';
import type { ApplianceState, LakeDoor } from './ports.ts';
import { requestOrigin } from './request-origin.ts';
import type { Senders } from './senders.ts';
import { heldBytes, sendSource } from './source-stream.ts';
import type { HttpRequest, HttpResponse, TemplatedApp } from './uws.ts';

/** Where the catalog is. */
export const CATALOG_PATH = '/iceberg';

export interface LakeContext {
  readonly addresses: AddressLimit;
  readonly senders: Senders;
  readonly inFlight: ByteBudget;
  readonly bodies: BodyWatch;
  readonly logger: Logger;
  /** See {@link requestOrigin}. */
  readonly publicUrl: string;
  state(): ApplianceState;
}

export type LakeDoorName = 'catalog' | 'objects';

/** Answers by their first digit, and the bytes of objects that were sent. */
export class LakeFigures {
  readonly #counts = new Map<string, number>();
  sentBytes = 0;

  count(door: LakeDoorName, status: number): void {
    const name = `${door} ${Math.floor(status / 100)}xx`;
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  *[Symbol.iterator](): Generator<{ door: string; status: string; count: number }> {
    for (const [name, count] of this.#counts) {
      const [door, status] = name.split(' ') as [string, string];
      yield { door, status, count };
    }
  }
}

/** @param bucket of the lake. @returns figures for the metrics. */
export function serveLake(app: TemplatedApp, context: LakeContext, bucket: string): LakeFigures {
  const routes = new LakeRoutes(context);
  for (const path of [CATALOG_PATH, `${CATALOG_PATH}/*`]) {
    app.any(path, (response, request) => routes.handle('catalog', response, request));
  }
  for (const path of [`/${bucket}`, `/${bucket}/*`]) {
    app.any(path, (response, request) => routes.handle('objects', response, request));
  }
  return routes.figures;
}

class LakeRoutes {
  readonly figures = new LakeFigures();
  readonly #context: LakeContext;
  readonly #budget = new ByteBudget(LIMITS.lakeReadBytesMax);

  constructor(context: LakeContext) {
    this.#context = context;
  }

  handle(name: LakeDoorName, response: HttpResponse, request: HttpRequest): void {
    const exchange = new HttpExchange(response, request);
    try {
      this.#enter(exchange, request);
      const head = headOf(request, this.#context.publicUrl);
      const declaredBytes = Number(request.getHeader('content-length')) || 0;
      if (name === 'catalog' && head.method === 'POST') {
        this.#readBody(exchange, head, declaredBytes);
      } else {
        this.#answer(exchange, name, head);
      }
    } catch (error) {
      this.#refuse(exchange, name, error);
    }
  }

  #enter(exchange: HttpExchange, request: HttpRequest): void {
    const { addresses, senders } = this.#context;
    const { group } = senders.of(exchange.response, request);
    const crowd = addresses.enter(group);
    if (crowd !== undefined) throw crowd;
    exchange.onOver(() => addresses.leave(group));
  }

  #readBody(exchange: HttpExchange, head: PlainRequest, declaredBytes: number): void {
    const { bodies: watch, inFlight: budget } = this.#context;
    const bounds = { bytesMax: LIMITS.requestBytesMax, budget, watch };
    readBody(exchange, declaredBytes, bounds, {
      receive: (body, release) => {
        this.#answer(exchange, 'catalog', { ...head, body: body.slice() });
        release();
      },
      refuse: (error, close) => exchange.answerError(error, { close }),
    });
  }

  #answer(exchange: HttpExchange, name: LakeDoorName, request: PlainRequest): void {
    this.#send(exchange, name, request).catch((error: unknown) => {
      this.#refuse(exchange, name, error);
    });
  }

  async #send(exchange: HttpExchange, name: LakeDoorName, request: PlainRequest): Promise<void> {
    const door = this.#door();
    const answer = await (name === 'catalog' ? door.catalog(request) : door.objects(request));
    this.figures.count(name, answer.status);
    const { 'Content-Type': contentType = '', ...headers } = answer.headers;
    const { body, status } = answer;
    if (body instanceof Uint8Array) {
      exchange.answerBytes(status, contentType, Buffer.from(body), { headers });
      return;
    }
    const bytes = heldBytes(body);
    if (!this.#budget.tryTake(bytes)) {
      const { used: usedBytes, limit: limitBytes } = this.#budget;
      throw new TributaryError('TRIBUTARY_LAKE_READS_FULL', { usedBytes, limitBytes });
    }
    try {
      this.figures.sentBytes += await sendSource(exchange, status, contentType, body, { headers });
    } finally {
      this.#budget.release(bytes);
    }
  }

  /** @throws TributaryError while the appliance is starting or stopping. */
  #door(): LakeDoor {
    const { lake } = requireReady(this.#context.state());
    if (lake === undefined) throw new TributaryError('TRIBUTARY_LAKE_ABSENT');
    return lake;
  }

  #refuse(exchange: HttpExchange, name: LakeDoorName, error: unknown): void {
    const answered = asTributaryError(error);
    if (answered.status === 500) {
      this.#context.logger.log('error', 'a read of the lake failed', { error });
    }
    if (exchange.over) return;
    this.figures.count(name, answered.status);
    exchange.answerError(answered);
  }
}

/** All that is read of a request before it goes away; the body is added where there is one. */
function headOf(request: HttpRequest, publicUrl: string): PlainRequest {
  const headers: Record<string, string> = {};
  request.forEach((name, value) => {
    headers[name] = headers[name] === undefined ? value : `${headers[name]},${value}`;
  });
  return {
    method: request.getMethod().toUpperCase(),
    path: request.getUrl(),
    query: request.getQuery() ?? '',
    headers,
    body: new Uint8Array(),
    origin: requestOrigin(request, publicUrl),
  };
}
