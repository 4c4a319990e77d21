/**
 * Rule sets of identity tried on the past, for the tenant of an admin key. docs/identity-api.md is the contract.
 *
 *     POST   /v1/identity/what-if         a rule set; answers 202 with the job
 *     GET    /v1/identity/what-if         the newest jobs
 *     GET    /v1/identity/what-if/JOB     how far it is, or its report
 *     DELETE /v1/identity/what-if/JOB     cancels it
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { type AdminContext, AdminRoutes } from './admin-routes.ts';
import { requireReady } from './batch-intake.ts';
import { readWhatIfRequest } from './identity-request.ts';
import type { WhatIfKeeper } from './ports.ts';
import type { HttpRequest, TemplatedApp } from './uws.ts';

export const WHAT_IF_PATH = '/v1/identity/what-if';
const ACCEPTED = 202;
const EXAMPLES = 20;

export function serveWhatIfs(app: TemplatedApp, context: AdminContext): void {
  const routes = new AdminRoutes(app, context);
  const keeper = (tenantId: string): WhatIfKeeper => {
    const { whatIfs } = requireReady(context.state());
    if (whatIfs !== undefined) return whatIfs(tenantId);
    const reason = 'this appliance does not keep identity';
    throw new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
  };
  routes.write('post', WHAT_IF_PATH, (_request, tenantId) => async (body) => {
    const { rules, examples = EXAMPLES } = readWhatIfRequest(body, LIMITS.whatIfExamplesMax);
    return { status: ACCEPTED, text: JSON.stringify(keeper(tenantId).start(rules, examples)) };
  });
  routes.get(WHAT_IF_PATH, async (_request, tenantId) => ({
    text: JSON.stringify({ jobs: keeper(tenantId).list() }),
  }));
  routes.get(`${WHAT_IF_PATH}/:job`, async (request, tenantId) => ({
    text: JSON.stringify(keeper(tenantId).get(jobOf(request))),
  }));
  routes.delete(`${WHAT_IF_PATH}/:job`, async (request, tenantId) => ({
    text: JSON.stringify(await keeper(tenantId).cancel(jobOf(request))),
  }));
}

function jobOf(request: HttpRequest): string {
  return (request.getParameter(0) ?? '').slice(0, 64);
}
