/** What no other route took: preflights of browsers, wrong methods, unknown paths. */
import { TributaryError } from '../base/errors.ts';
import { ACCOUNTS_PATH } from './account-routes.ts';
import { answerPreflight } from './cross-origin.ts';
import { TRAITS_PATH } from './declared-traits-routes.ts';
import { ERASURES_PATH, SUPPRESSIONS_PATH } from './erasure-routes.ts';
import { HttpExchange } from './http-exchange.ts';
import { IDENTITY_COMMAND_PATHS, IDENTITY_RULES_PATH } from './identity-command-routes.ts';
import { LAKE_TOKENS_PATH } from './lake-tokens-route.ts';
import { PROFILES_PATH } from './profile-routes.ts';
import { RETENTION_PATH } from './retention-route.ts';
import { PIXEL_PATHS, SDK_METRICS_PATH, TRACKING_PATHS } from './tracking-paths.ts';
import type { TemplatedApp } from './uws.ts';
import { WHAT_IF_PATH } from './what-if-routes.ts';

const GET_PATHS: readonly string[] = ['/healthz', '/readyz', '/metrics', '/v1/stream'];

export function serveFallbacks(app: TemplatedApp): void {
  for (const path of TRACKING_PATHS.keys()) app.options(path, answerPreflight);
  for (const path of PIXEL_PATHS.keys()) app.options(path, answerPreflight);
  app.any('/*', (response, request) => {
    const path = request.getUrl();
    const allowed = methodsOf(path);
    const exchange = new HttpExchange(response, request);
    if (allowed === undefined) {
      exchange.answerError(new TributaryError('TRIBUTARY_INGEST_PATH_UNKNOWN', { path }));
      return;
    }
    const method = request.getMethod().toUpperCase();
    const error = new TributaryError('TRIBUTARY_INGEST_METHOD_NOT_ALLOWED', {
      path,
      method,
      allowed,
    });
    exchange.answerError(error, { headers: { Allow: allowed } });
  });
}

/** What `path` takes, as the Allow header says it; undefined when there is nothing at it. */
function methodsOf(path: string): string | undefined {
  if (TRACKING_PATHS.has(path) || path === SDK_METRICS_PATH) return 'POST, OPTIONS';
  if (PIXEL_PATHS.has(path)) return 'GET, HEAD, OPTIONS';
  if (path === '/v1/sql') return 'POST';
  if (path === LAKE_TOKENS_PATH || path === WHAT_IF_PATH) return 'GET, HEAD, POST';
  if (path === ERASURES_PATH) return 'GET, HEAD, POST';
  if (path === RETENTION_PATH) return 'GET, HEAD, PUT';
  if (path === IDENTITY_RULES_PATH || path === TRAITS_PATH) return 'GET, HEAD, PUT';
  if (IDENTITY_COMMAND_PATHS.includes(path)) return 'POST';
  if (path === SUPPRESSIONS_PATH) return 'GET, HEAD';
  if (path === PROFILES_PATH || path === ACCOUNTS_PATH) return 'GET, HEAD';
  return GET_PATHS.includes(path) ? 'GET, HEAD' : undefined;
}
