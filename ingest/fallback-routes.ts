/** What no other route took: preflights of browsers, wrong methods, unknown paths. */
import { TributaryError } from '../base/errors.ts';
import { HttpExchange } from './http-exchange.ts';
import { TRACKING_PATHS } from './tracking-routes.ts';
import type { HttpRequest, HttpResponse, TemplatedApp } from './uws.ts';

const GET_PATHS: readonly string[] = ['/healthz', '/readyz', '/metrics', '/v1/stream'];
/** Two hours: what Chromium keeps at most. */
const PREFLIGHT_SECONDS = '7200';

export function serveFallbacks(app: TemplatedApp): void {
  for (const path of TRACKING_PATHS.keys()) app.options(path, answerPreflight);
  app.any('/*', (response, request) => {
    const path = request.getUrl();
    const allowed = methodOf(path);
    const method = request.getMethod().toUpperCase();
    const error =
      allowed === undefined
        ? new TributaryError('TRIBUTARY_INGEST_PATH_UNKNOWN', { path })
        : new TributaryError('TRIBUTARY_INGEST_METHOD_NOT_ALLOWED', { path, method, allowed });
    new HttpExchange(response, request).answerError(error);
  });
}

function methodOf(path: string): string | undefined {
  if (TRACKING_PATHS.has(path) || path === '/v1/sql') return 'POST';
  return GET_PATHS.includes(path) ? 'GET' : undefined;
}

/**
 * Lets any page send events: the write key is in the page anyway, and grants nothing but sending. Origin
 * and headers are echoed, because `*` does not cover Authorization, which SDKs send.
 */
function answerPreflight(response: HttpResponse, request: HttpRequest): void {
  const origin = request.getHeader('origin');
  const headers = request.getHeader('access-control-request-headers');
  response.cork(() => {
    response.writeStatus('204 No Content');
    response.writeHeader('Access-Control-Allow-Origin', origin === '' ? '*' : origin);
    response.writeHeader('Access-Control-Allow-Methods', 'GET,POST,OPTIONS');
    if (headers !== '') response.writeHeader('Access-Control-Allow-Headers', headers);
    response.writeHeader('Access-Control-Allow-Credentials', 'true');
    response.writeHeader('Access-Control-Max-Age', PREFLIGHT_SECONDS);
    response.writeHeader('Vary', 'Origin, Access-Control-Request-Headers');
    response.endWithoutBody();
  });
}
