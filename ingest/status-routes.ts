/**
 * What operators and load balancers ask: `/healthz` (the process answers), `/readyz` (it takes batches and
 * queries), `/metrics` (Prometheus).
 */
import type { Logger } from '../base/log.ts';
import { asTributaryError, HttpExchange, serveGet } from './http-exchange.ts';
import type { Metrics } from './metrics.ts';
import type { ApplianceState } from './ports.ts';
import type { TemplatedApp } from './uws.ts';

export function serveStatus(
  app: TemplatedApp,
  state: () => ApplianceState,
  metrics: Metrics,
  logger: Logger,
): void {
  serveGet(app, '/healthz', (response, request) => {
    new HttpExchange(response, request).answer(200, { ok: true });
  });
  serveGet(app, '/readyz', (response, request) => {
    const current = state();
    const failure = current.phase === 'ready' ? current.failure?.() : undefined;
    const body = {
      ready: current.phase === 'ready' && failure === undefined,
      phase: failure === undefined ? current.phase : 'failed',
      ...(failure !== undefined && { error: failure }),
      ...(current.phase === 'starting' && { progress: current.progress }),
    };
    new HttpExchange(response, request).answer(body.ready ? 200 : 503, body);
  });
  serveGet(app, '/metrics', (response, request) => {
    const exchange = new HttpExchange(response, request);
    metrics.expose().then(
      (text) => exchange.answerText(200, metrics.contentType, text),
      (error: unknown) => {
        logger.log('error', 'the metrics could not be read', { error });
        exchange.answerError(asTributaryError(error));
      },
    );
  });
}
