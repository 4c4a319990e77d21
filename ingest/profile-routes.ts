/**
 * Profiles, for the tenant of an admin key. docs/identity-api.md is the contract.
 *
 *     GET /v1/profiles?type=email&value=ada%40example.com[&as_of=TIME]
 *     GET /v1/profiles/PROFILE[?as_of=TIME]
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { MIB } from '../base/units.ts';
import type { IdentityKeeper, KnownProfile } from '../engine/identity-keeper.ts';
import { type AdminAnswer, type AdminContext, AdminRoutes } from './admin-routes.ts';
import { requireReady } from './batch-intake.ts';
import { identityKeeper } from './identity-command-routes.ts';
import { IDENTIFIER_KEYS, identifierOf } from './identity-routes.ts';
import { profileQuery, profileText } from './profile.ts';
import { queryRows } from './sql-rows.ts';
import { readTime } from './trace-route.ts';
import type { TemplatedApp } from './uws.ts';

export const PROFILES_PATH = '/v1/profiles';
const LIMITS_OF_QUERY = { bytesMax: 16 * MIB, timeoutMs: 30_000 } as const;

export function serveProfiles(app: TemplatedApp, context: AdminContext): void {
  const routes = new AdminRoutes(app, context);
  routes.get(
    PROFILES_PATH,
    async (request, tenantId) => {
      const identifier = identifierOf(request);
      const { type, value } = identifier;
      if (Buffer.byteLength(value) > LIMITS.identifierBytesMax) {
        const reason = `a value is at most ${LIMITS.identifierBytesMax} bytes`;
        throw new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
      }
      const asOf = readTime(request, 'as_of');
      const keeper = identityKeeper(context.state(), tenantId);
      const known = required(keeper.profileOf(identifier), `of ${type} ${value}`);
      return describe(context, tenantId, keeper, known, asOf);
    },
    [...IDENTIFIER_KEYS, 'as_of'],
  );
  routes.get(
    `${PROFILES_PATH}/:id`,
    async (request, tenantId) => {
      const id = request.getParameter(0) ?? '';
      const asOf = readTime(request, 'as_of');
      const keeper = identityKeeper(context.state(), tenantId);
      const known = required(keeper.profileWithId(id), id.slice(0, 64));
      return describe(context, tenantId, keeper, known, asOf);
    },
    ['as_of'],
  );
}

async function describe(
  context: AdminContext,
  tenantId: string,
  keeper: IdentityKeeper,
  known: KnownProfile,
  asOf: string | undefined,
): Promise<AdminAnswer> {
  const { sql } = requireReady(context.state());
  const query = profileQuery(known, asOf);
  const rows = await queryRows(sql, tenantId, { ...query, ...LIMITS_OF_QUERY });
  const isFormer = (id: string): boolean => keeper.currentId(id) === known.profile;
  return { text: profileText(known, rows, isFormer) };
}

function required(known: KnownProfile | undefined, profile: string): KnownProfile {
  if (known !== undefined) return known;
  throw new TributaryError('TRIBUTARY_IDENTITY_PROFILE_UNKNOWN', { profile });
}
