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
import { LAKE_TASKS, type LakeKeeper, type LakeTask } from '../engine/lake-keeper.ts';
import { type AdminContext, AdminRoutes } from './admin-routes.ts';
import { requireReady } from './batch-intake.ts';
import { parseJson } from './json-body.ts';
import type { TemplatedApp } from './uws.ts';

export function serveLakeTasks(app: TemplatedApp, context: AdminContext): void {
  const routes = new AdminRoutes(app, context);
  routes.get('/v1/lake/files', async (_request, tenantId) => ({
    text: JSON.stringify(await keeperOf(context).files(tenantId)),
  }));
  routes.write('post', '/v1/lake/tasks', (_request, tenantId) => async (body) => {
    const { task, dryRun } = readTask(body);
    return { text: JSON.stringify(await keeperOf(context).run(tenantId, task, dryRun)) };
  });
}

function keeperOf({ state }: AdminContext): LakeKeeper {
  const { lakeKeeper } = requireReady(state());
  if (lakeKeeper === undefined) throw new TributaryError('TRIBUTARY_LAKE_ABSENT', {});
  return lakeKeeper;
}

/** @throws TributaryError TRIBUTARY_INGEST_JSON_MALFORMED, TRIBUTARY_INGEST_REQUEST_INVALID */
function readTask(text: string): { task: LakeTask; dryRun: boolean } {
  const value = parseJson(text);
  const fields = typeof value === 'object' && value !== null ? value : {};
  const { task: named, dry_run: dryRun = false } = fields as Record<string, unknown>;
  const task = LAKE_TASKS.find((known) => known === named);
  if (task === undefined || typeof dryRun !== 'boolean') {
    const reason = `task is not one of ${LAKE_TASKS.join(', ')}, or dry_run is not true or false`;
    throw new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
  }
  return { task, dryRun };
}
