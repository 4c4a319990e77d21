/** What no other route took: preflights of browsers, wrong methods, unknown paths. */
import { TributaryError } from '../base/errors.ts';
import { hintOf } from '../base/nearest-name.ts';
import { answerPreflight } from './cross-origin.ts';
import { HttpExchange } from './http-exchange.ts';
import type { RouteTable } from './route-table.ts';
import { PIXEL_PATHS, TRACKING_PATHS } from './tracking-paths.ts';
import type { TemplatedApp } from './uws.ts';

/** @param routes all that were made before. */
export function serveFallbacks(app: TemplatedApp, routes: RouteTable): void {
  for (const path of TRACKING_PATHS.keys()) app.options(path, answerPreflight);
  for (const path of PIXEL_PATHS.keys()) app.options(path, answerPreflight);
  app.any('/*', (response, request) => {
    const path = request.getUrl();
    const method = request.getMethod().toUpperCase();
    const exchange = new HttpExchange(response, request);
    const methods = routes.methodsAt(path);
    if (methods === undefined) {
      const hint = hintOf(routes.nearestTo(path));
      exchange.answerError(new TributaryError('TRIBUTARY_INGEST_PATH_UNKNOWN', { path, hint }));
      return;
    }
    if (methods.includes(method)) {
      // Only the stream takes a method without taking every request of it.
      const error = new TributaryError('TRIBUTARY_INGEST_UPGRADE_MISSING', { path });
      exchange.answerError(error, { headers: { Upgrade: 'websocket' } });
      return;
    }
    const allowed = methods.join(', ');
    const parameters = { path, method, allowed };
    const error = new TributaryError('TRIBUTARY_INGEST_METHOD_NOT_ALLOWED', parameters);
    exchange.answerError(error, { headers: { Allow: allowed } });
  });
}
