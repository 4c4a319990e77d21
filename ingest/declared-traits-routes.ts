/**
 * Declared traits, for the tenant of an admin key. docs/identity-api.md is the contract.
 *
 *     GET /v1/traits
 *     PUT /v1/traits      {"version":3,"traits":[{"name":"plan","path":"plan","type":"string"}]}
 */
import { type AdminAnswer, AdminRoutes } from './admin-routes.ts';
import { etagOf, type IdentityCommandContext, identityKeeper } from './identity-command-routes.ts';
import { readTraitsRequest } from './identity-request.ts';
import type { TemplatedApp } from './uws.ts';

export const TRAITS_PATH = '/v1/traits';

export function serveDeclaredTraits(app: TemplatedApp, context: IdentityCommandContext): void {
  const routes = new AdminRoutes(app, context);
  routes.get(TRAITS_PATH, async (_request, tenantId) => {
    const { declarations } = identityKeeper(context.state(), tenantId);
    return { text: JSON.stringify(declarations), headers: etagOf(declarations.version) };
  });
  routes.write('put', TRAITS_PATH, (request, tenantId) => {
    const ifMatch = request.getHeader('if-match');
    return (body) => declare(context, tenantId, body, ifMatch);
  });
}

async function declare(
  { clock, state }: IdentityCommandContext,
  tenantId: string,
  body: string,
  ifMatch: string,
): Promise<AdminAnswer> {
  const change = readTraitsRequest(body, ifMatch);
  const keeper = identityKeeper(state(), tenantId);
  const version = await keeper.declareTraits(change, clock.nowMicros());
  const text = JSON.stringify({ dry_run: change.isDryRun, version });
  return { text, headers: change.isDryRun ? {} : etagOf(version) };
}
