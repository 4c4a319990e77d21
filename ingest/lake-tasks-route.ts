/**
 * `/v1/lake/files` and `/v1/lake/tasks`: an admin sees the files of the tenant's lake, and has them
 * compacted, dropped and tidied now.
 *
 *     GET /v1/lake/files                                      counts by table and day
 *     POST /v1/lake/tasks {"task":"orphans","dry_run":true}   what a task did, or would do, by table
 *
 * A task waits for those that run: at most one works in the whole appliance.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import { LAKE_TASKS, type LakeKeeper, type LakeTask } from '../engine/lake-keeper.ts';
import { requireReady } from './batch-intake.ts';
import { readBody } from './body-reader.ts';
import type { BodyWatch } from './body-watch.ts';
import type { ByteBudget } from './byte-budget.ts';
import { authenticateAdmin } from './credentials.ts';
import { asTributaryError, HttpExchange, serveGet } from './http-exchange.ts';
import type { ApplianceState, Authenticator } from './ports.ts';
import type { TemplatedApp } from './uws.ts';

export interface LakeTasksContext {
  readonly authenticator: Authenticator;
  readonly inFlight: ByteBudget;
  readonly bodies: BodyWatch;
  readonly logger: Logger;
  state(): ApplianceState;
}

export function serveLakeTasks(app: TemplatedApp, context: LakeTasksContext): void {
  const { authenticator, bodies: watch, inFlight: budget, logger } = context;
  const answer = (exchange: HttpExchange, work: () => Promise<object>): void => {
    const answered = async (): Promise<void> => exchange.answer(200, await work());
    answered().catch((error: unknown) => {
      const named = asTributaryError(error);
      if (named.status === 500) logger.log('error', 'a task of the lake failed', { error });
      exchange.answerError(named);
    });
  };
  serveGet(app, '/v1/lake/files', (response, request) => {
    const exchange = new HttpExchange(response, request);
    try {
      const { tenantId } = authenticateAdmin(authenticator, request);
      answer(exchange, () => keeperOf(context).files(tenantId));
    } catch (error) {
      exchange.answerError(asTributaryError(error));
    }
  });
  app.post('/v1/lake/tasks', (response, request) => {
    const exchange = new HttpExchange(response, request);
    try {
      const { tenantId } = authenticateAdmin(authenticator, request);
      const declaredBytes = Number(request.getHeader('content-length')) || 0;
      const bounds = { bytesMax: LIMITS.requestBytesMax, budget, watch };
      readBody(exchange, declaredBytes, bounds, {
        receive(body, release) {
          const text = Buffer.from(body).toString('utf8');
          release();
          answer(exchange, async () => {
            const { task, dryRun } = readTask(text);
            return keeperOf(context).run(tenantId, task, dryRun);
          });
        },
        refuse: (error, close) => exchange.answerError(error, { close }),
      });
    } catch (error) {
      exchange.answerError(asTributaryError(error));
    }
  });
}

function keeperOf({ state }: LakeTasksContext): LakeKeeper {
  const { lakeKeeper } = requireReady(state());
  if (lakeKeeper === undefined) throw new TributaryError('TRIBUTARY_LAKE_ABSENT', {});
  return lakeKeeper;
}

/** @throws TributaryError TRIBUTARY_INGEST_JSON_MALFORMED, TRIBUTARY_INGEST_REQUEST_INVALID */
function readTask(text: string): { task: LakeTask; dryRun: boolean } {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TributaryError('TRIBUTARY_INGEST_JSON_MALFORMED', { reason }, cause);
  }
  const fields = typeof value === 'object' && value !== null ? value : {};
  const { task: named, dry_run: dryRun = false } = fields as Record<string, unknown>;
  const task = LAKE_TASKS.find((known) => known === named);
  if (task === undefined || typeof dryRun !== 'boolean') {
    const reason = `task is not one of ${LAKE_TASKS.join(', ')}, or dry_run is not true or false`;
    throw new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
  }
  return { task, dryRun };
}
