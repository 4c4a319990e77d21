/**
 * `/v1/lake/tokens`: an admin makes, lists and revokes the tokens with which other engines read the lake.
 *
 *     POST /v1/lake/tokens {"name":"trino"}   the token, this once
 *     GET /v1/lake/tokens                     ids, names and times
 *     DELETE /v1/lake/tokens/ID               ends it, with all keys and sessions that came from it
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { type AdminContext, AdminRoutes } from './admin-routes.ts';
import { parseJson } from './json-body.ts';
import type { LakeTokenKeeper } from './ports.ts';
import type { TemplatedApp } from './uws.ts';

export const LAKE_TOKENS_PATH = '/v1/lake/tokens';

export interface LakeTokensContext extends AdminContext {
  readonly lakeTokens: LakeTokenKeeper;
}

export function serveLakeTokens(app: TemplatedApp, context: LakeTokensContext): void {
  const { lakeTokens } = context;
  const routes = new AdminRoutes(app, context);
  routes.get(LAKE_TOKENS_PATH, async (_request, tenantId) => ({
    text: JSON.stringify({ tokens: lakeTokens.lakeTokens(tenantId) }),
  }));
  routes.write('post', LAKE_TOKENS_PATH, (_request, tenantId) => async (body) => {
    const token = await lakeTokens.createLakeToken(tenantId, nameIn(body));
    return { status: 201, text: JSON.stringify(token) };
  });
  routes.delete(`${LAKE_TOKENS_PATH}/:id`, async (request, tenantId) => {
    const id = request.getParameter(0) ?? '';
    await lakeTokens.revokeLakeToken(tenantId, id);
    return { text: JSON.stringify({ revoked: id }) };
  });
}

/** The name in `{"name":"…"}`. @throws TributaryError TRIBUTARY_INGEST_REQUEST_INVALID */
function nameIn(text: string): string {
  const value = parseJson(text);
  const name = typeof value === 'object' && value !== null && 'name' in value ? value.name : '';
  const limit = LIMITS.lakeTokenNameCharactersMax;
  if (typeof name === 'string' && name !== '' && name.length <= limit) return name;
  const reason = `name is not a text of 1 to ${limit} characters`;
  throw new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
}
