/**
 * Accounts, for the tenant of an admin key. docs/identity-api.md is the contract.
 *
 *     GET /v1/accounts?group_id=acme[&as_of=TIME]
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { MIB } from '../base/units.ts';
import { accountQuery, accountText } from './account.ts';
import { type AdminContext, AdminRoutes } from './admin-routes.ts';
import { requireReady } from './batch-intake.ts';
import { queryRows } from './sql-rows.ts';
import { readTime } from './trace-route.ts';
import type { TemplatedApp } from './uws.ts';

export const ACCOUNTS_PATH = '/v1/accounts';
const LIMITS_OF_QUERY = { bytesMax: 16 * MIB, timeoutMs: 30_000 } as const;

export function serveAccounts(app: TemplatedApp, context: AdminContext): void {
  new AdminRoutes(app, context).get(
    ACCOUNTS_PATH,
    async (request, tenantId) => {
      const groupId = request.getQuery('group_id') ?? '';
      if (groupId === '' || Buffer.byteLength(groupId) > LIMITS.identifierBytesMax) {
        const reason = `group_id is needed, at most ${LIMITS.identifierBytesMax} bytes of it`;
        throw new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
      }
      const query = accountQuery(groupId, readTime(request, 'as_of'));
      const { sql } = requireReady(context.state());
      const rows = await queryRows(sql, tenantId, { ...query, ...LIMITS_OF_QUERY });
      const text = accountText(groupId, rows);
      if (text !== undefined) return { text };
      throw new TributaryError('TRIBUTARY_IDENTITY_ACCOUNT_UNKNOWN', { account: groupId });
    },
    ['group_id', 'as_of'],
  );
}
