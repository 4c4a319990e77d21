/**
 * `/v1/lake/tokens`: an admin makes, lists and revokes the tokens with which other engines read the lake.
 *
 *     POST /v1/lake/tokens {"name":"trino"}   the token, this once
 *     GET /v1/lake/tokens                     ids, names and times
 *     DELETE /v1/lake/tokens/ID               ends it, with all keys and sessions that came from it
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { readBody } from './body-reader.ts';
import type { BodyWatch } from './body-watch.ts';
import type { ByteBudget } from './byte-budget.ts';
import { authenticateAdmin } from './credentials.ts';
import { asTributaryError, HttpExchange, serveGet } from './http-exchange.ts';
import type { Authenticator, LakeTokenKeeper } from './ports.ts';
import type { HttpRequest, HttpResponse, TemplatedApp } from './uws.ts';

export const LAKE_TOKENS_PATH = '/v1/lake/tokens';

export interface LakeTokensContext {
  readonly authenticator: Authenticator;
  readonly lakeTokens: LakeTokenKeeper;
  readonly inFlight: ByteBudget;
  readonly bodies: BodyWatch;
  readonly logger: Logger;
}

export function serveLakeTokens(app: TemplatedApp, context: LakeTokensContext): void {
  const { authenticator, bodies: watch, inFlight: budget, lakeTokens, logger } = context;
  const answer = (exchange: HttpExchange, status: number, work: Promise<unknown>): void => {
    work.then(
      (body) => exchange.answer(status, body),
      (error: unknown) => {
        const answered = asTributaryError(error);
        if (answered.status === 500) logger.log('error', 'lake tokens failed', { error });
        exchange.answerError(answered);
      },
    );
  };
  const guarded =
    (handle: (exchange: HttpExchange, request: HttpRequest, tenantId: string) => void) =>
    (response: HttpResponse, request: HttpRequest): void => {
      const exchange = new HttpExchange(response, request);
      try {
        handle(exchange, request, authenticateAdmin(authenticator, request).tenantId);
      } catch (error) {
        exchange.answerError(asTributaryError(error));
      }
    };

  serveGet(
    app,
    LAKE_TOKENS_PATH,
    guarded((exchange, _request, tenantId) => {
      exchange.answer(200, { tokens: lakeTokens.lakeTokens(tenantId) });
    }),
  );
  app.post(
    LAKE_TOKENS_PATH,
    guarded((exchange, request, tenantId) => {
      const declaredBytes = Number(request.getHeader('content-length')) || 0;
      const bounds = { bytesMax: LIMITS.requestBytesMax, budget, watch };
      readBody(exchange, declaredBytes, bounds, {
        receive(body, release) {
          const text = Buffer.from(body).toString('utf8');
          release();
          const create = async (): Promise<unknown> =>
            lakeTokens.createLakeToken(tenantId, nameIn(text));
          answer(exchange, 201, create());
        },
        refuse: (error, close) => exchange.answerError(error, { close }),
      });
    }),
  );
  app.del(
    `${LAKE_TOKENS_PATH}/:id`,
    guarded((exchange, request, tenantId) => {
      const id = request.getParameter(0) ?? '';
      const revoked = lakeTokens.revokeLakeToken(tenantId, id);
      answer(
        exchange,
        200,
        revoked.then(() => ({ revoked: id })),
      );
    }),
  );
}

/** The name in `{"name":"…"}`. @throws TributaryError TRIBUTARY_INGEST_REQUEST_INVALID */
function nameIn(text: string): string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError('TRIBUTARY_INGEST_JSON_MALFORMED', { reason }, cause);
  }
  const name = typeof value === 'object' && value !== null && 'name' in value ? value.name : '';
  const limit = LIMITS.lakeTokenNameCharactersMax;
  if (typeof name === 'string' && name !== '' && name.length <= limit) return name;
  const reason = `name is not a text of 1 to ${limit} characters`;
  throw new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
}
