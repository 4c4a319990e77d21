/**
 * `/v1/retention`: an admin sees and sets how many days the rows of a tenant's tables are kept.
 *
 *     GET /v1/retention                        {"days":{"events":30,…},"own":{"events":30}}
 *     PUT /v1/retention {"events":30}          the tenant's own; null goes back to the appliance's
 *
 * 0 keeps rows for ever. Tables that are not named stay as they are. It holds from the next round of
 * maintenance on, within the hour; `POST /v1/lake/tasks {"task":"retain"}` drops now.
 */
import { TributaryError } from '../base/errors.ts';
import { type OwnRetention, RETAINED_TABLES, RETENTION_DAYS_MAX } from '../engine/retention.ts';
import { type AdminContext, AdminRoutes } from './admin-routes.ts';
import { parseJson } from './json-body.ts';
import type { RetentionKeeper } from './ports.ts';
import type { TemplatedApp } from './uws.ts';

export const RETENTION_PATH = '/v1/retention';

export interface RetentionContext extends AdminContext {
  readonly retention: RetentionKeeper;
}

export function serveRetention(app: TemplatedApp, context: RetentionContext): void {
  const { retention } = context;
  const routes = new AdminRoutes(app, context);
  const answer = (tenantId: string): { text: string } => ({
    text: JSON.stringify({ days: retention.days(tenantId), own: retention.own(tenantId) }),
  });
  routes.get(RETENTION_PATH, async (_request, tenantId) => answer(tenantId));
  routes.write('put', RETENTION_PATH, (_request, tenantId) => async (body) => {
    await retention.change(tenantId, changeIn(body));
    return answer(tenantId);
  });
}

/** @throws TRIBUTARY_INGEST_JSON_MALFORMED, TRIBUTARY_INGEST_REQUEST_INVALID */
function changeIn(body: string): OwnRetention {
  const value = parseJson(body);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw invalid('the body is no JSON object');
  }
  for (const [table, days] of Object.entries(value)) {
    if (!RETAINED_TABLES.some((known) => known === table)) {
      throw invalid(
        `${JSON.stringify(table.slice(0, 64))} is none of ${RETAINED_TABLES.join(', ')}`,
      );
    }
    if (days === null) continue;
    if (!Number.isSafeInteger(days) || days < 0 || days > RETENTION_DAYS_MAX) {
      throw invalid(`${table} is no number of days from 0 to ${RETENTION_DAYS_MAX}, nor null`);
    }
  }
  return value as OwnRetention;
}

function invalid(reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
}
