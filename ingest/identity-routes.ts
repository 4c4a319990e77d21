/**
 * `/v1/identity/resolve`: who somebody is, for the tenant of an admin key. docs/identity-api.md is the
 * contract.
 *
 *     GET  /v1/identity/resolve?type=user_id&value=ada      {"profile":"…"}
 *     POST /v1/identity/resolve                             {"profiles":["…",null]}
 *
 * Read-only, from shared arrays: a look-up waits for no disk and no other process. An identifier that was
 * never seen is null, not an error.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import { requireReady } from './batch-intake.ts';
import { readBody } from './body-reader.ts';
import type { BodyWatch } from './body-watch.ts';
import type { ByteBudget } from './byte-budget.ts';
import { authenticateAdmin } from './credentials.ts';
import { answerAtOnce, asTributaryError, HttpExchange, serveGet } from './http-exchange.ts';
import { parseJson } from './json-body.ts';
import type { ApplianceState, Authenticator, IdentityResolver } from './ports.ts';
import { parseIdentifiers } from './resolve-request.ts';
import type { HttpRequest, TemplatedApp } from './uws.ts';

const PATH = '/v1/identity/resolve';
/** The query parameters that {@link identifierOf} reads. */
export const IDENTIFIER_KEYS: readonly string[] = ['type', 'value'];
const PROFILES = Buffer.from('{"profiles":');
const END = Buffer.from('}\n');

export interface IdentityContext {
  readonly authenticator: Authenticator;
  readonly bodies: BodyWatch;
  readonly inFlight: ByteBudget;
  state(): ApplianceState;
}

export function serveIdentity(app: TemplatedApp, context: IdentityContext): void {
  serveGet(app, PATH, (response, request) => {
    try {
      const { tenantId } = authenticateAdmin(context.authenticator, request, IDENTIFIER_KEYS);
      const profile = resolverOf(context).resolve(tenantId, identifierOf(request));
      answerAtOnce(response, request, `{"profile":${profile === null ? null : `"${profile}"`}}\n`);
    } catch (error) {
      new HttpExchange(response, request).answerError(asTributaryError(error));
    }
  });
  app.post(PATH, (response, request) => {
    const exchange = new HttpExchange(response, request);
    try {
      const { tenantId } = authenticateAdmin(context.authenticator, request, []);
      const declaredBytes = Number(request.getHeader('content-length')) || 0;
      answerBatch(context, exchange, tenantId, declaredBytes);
    } catch (error) {
      exchange.answerError(asTributaryError(error));
    }
  });
}

function answerBatch(
  context: IdentityContext,
  exchange: HttpExchange,
  tenantId: string,
  declaredBytes: number,
): void {
  const bounds = {
    bytesMax: LIMITS.requestBytesMax,
    budget: context.inFlight,
    watch: context.bodies,
  };
  readBody(exchange, declaredBytes, bounds, {
    receive(body, release) {
      try {
        const answer = profilesOf(resolverOf(context), tenantId, body);
        exchange.answerBytes(200, 'application/json', answer, {});
      } catch (error) {
        exchange.answerError(asTributaryError(error));
      } finally {
        release();
      }
    },
    refuse: (error, close) => exchange.answerError(error, { close }),
  });
}

/** The answer to a batch. @throws TributaryError */
function profilesOf(resolver: IdentityResolver, tenantId: string, body: Uint8Array): Buffer {
  const resolved = resolver.resolveRequest(tenantId, body);
  if (resolved !== undefined) return Buffer.concat([PROFILES, resolved.profiles, END]);
  const identifiers = parseIdentifiers(parseJson(body));
  if (typeof identifiers === 'string') throw invalid(identifiers);
  const profiles = identifiers.map((identifier) => resolver.resolve(tenantId, identifier));
  return Buffer.from(`${JSON.stringify({ profiles })}\n`);
}

/** @throws TRIBUTARY_INGEST_REQUEST_INVALID */
export function identifierOf(request: HttpRequest): { type: string; value: string } {
  const type = request.getQuery('type');
  const value = request.getQuery('value');
  if (type !== undefined && value !== undefined && type !== '') return { type, value };
  throw invalid('a look-up has ?type=…&value=…, percent-encoded');
}

/** @throws TributaryError while the appliance is not ready, or where it has no identity */
function resolverOf(context: IdentityContext): IdentityResolver {
  const { identity } = requireReady(context.state());
  if (identity === undefined) throw invalid('this appliance does not resolve identifiers');
  return identity;
}

function invalid(reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
}
