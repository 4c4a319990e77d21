/**
 * `GET /v1/dead-letters` and `POST /v1/dead-letters/replay`, with an admin key: what was not accepted, and
 * how it comes back. docs/http.md is the contract.
 */
import type { Clock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import type { AdminPrincipal } from '../engine/control.ts';
import { type BatchIntake, requireReady } from './batch-intake.ts';
import { readBody } from './body-reader.ts';
import type { BodyWatch } from './body-watch.ts';
import type { ByteBudget } from './byte-budget.ts';
import { authenticateAdmin } from './credentials.ts';
import { readReplayRequest, replay } from './dead-letter-replay.ts';
import { readDeadLetters, readFilter, type StoredDeadLetter } from './dead-letters.ts';
import { asTributaryError, HttpExchange, serveGet } from './http-exchange.ts';
import type { ApplianceState, Authenticator } from './ports.ts';
import type { HttpRequest, TemplatedApp } from './uws.ts';

export const DEAD_LETTERS_PATH = '/v1/dead-letters';
/** The query parameters of the list. */
const QUERY_KEYS = ['code', 'source', 'since', 'until', 'after', 'limit'] as const;

export interface DeadLettersContext {
  readonly authenticator: Authenticator;
  readonly intake: BatchIntake;
  readonly inFlight: ByteBudget;
  readonly bodies: BodyWatch;
  readonly clock: Clock;
  readonly logger: Logger;
  state(): ApplianceState;
}

export function serveDeadLetters(app: TemplatedApp, context: DeadLettersContext): void {
  serveGet(app, DEAD_LETTERS_PATH, (response, request) => {
    const exchange = new HttpExchange(response, request);
    answerText(context, exchange, list(context, request));
  });
  app.post(`${DEAD_LETTERS_PATH}/replay`, (response, request) => {
    const exchange = new HttpExchange(response, request);
    try {
      const admin = authenticateAdmin(context.authenticator, request, []);
      const declaredBytes = Number(request.getHeader('content-length')) || 0;
      const bounds = {
        bytesMax: LIMITS.batchBytesMax,
        budget: context.inFlight,
        watch: context.bodies,
      };
      readBody(exchange, declaredBytes, bounds, {
        receive(body, release) {
          const text = Buffer.from(body).toString('utf8');
          answerText(context, exchange, replayText(context, admin, text).finally(release));
        },
        refuse: (error, close) => exchange.answerError(error, { close }),
      });
    } catch (error) {
      exchange.answerError(asTributaryError(error));
    }
  });
}

function answerText(
  { intake, logger }: DeadLettersContext,
  exchange: HttpExchange,
  work: Promise<string>,
): void {
  work.then(
    (text) => exchange.answerText(200, 'application/json', text),
    (error: unknown) => {
      const answered = asTributaryError(error);
      if (answered.status === 500) logger.log('error', 'dead letters failed', { error });
      exchange.answerError(answered, { retryAfterSeconds: intake.retryAfterSeconds(answered) });
    },
  );
}

/** Reads the request before its first await. */
async function list(context: DeadLettersContext, request: HttpRequest): Promise<string> {
  const { tenantId } = authenticateAdmin(context.authenticator, request, QUERY_KEYS);
  const given = QUERY_KEYS.map((key) => [key, request.getQuery(key) || undefined] as const);
  const filter = readFilter(Object.fromEntries(given.filter(([, value]) => value !== undefined)));
  const { sql } = requireReady(context.state());
  const { letters, next } = await readDeadLetters(sql, tenantId, filter);
  return `{"deadLetters":[${letters.map(letterText).join(',')}],"next":${next}}\n`;
}

/** JSON with the payload as it was sent. */
function letterText({ payload, isReplayed, ...letter }: StoredDeadLetter): string {
  const head = JSON.stringify({ ...letter, replayed: isReplayed });
  return `${head.slice(0, -1)},"payload":${payload}}`;
}

async function replayText(
  context: DeadLettersContext,
  admin: AdminPrincipal,
  body: string,
): Promise<string> {
  const request = readReplayRequest(body);
  const { authenticator, clock, intake } = context;
  const { sql } = requireReady(context.state());
  const parts = { authenticator, intake, sql, nowMicros: () => clock.nowMicros() };
  const { events, ...outcome } = await replay(parts, admin, request);
  const head = JSON.stringify(outcome);
  return events === undefined
    ? `${head}\n`
    : `${head.slice(0, -1)},"events":[${events.join(',')}]}\n`;
}
