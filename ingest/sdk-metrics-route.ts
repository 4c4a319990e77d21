/**
 * `POST /v1/m`: the browser SDK's figures about itself. They are read, answered and dropped: nothing here
 * needs them, and an SDK that is told 404 would log an error on every page. The settings turn them off.
 */
import { LIMITS } from '../base/limits.ts';
import { readBody } from './body-reader.ts';
import { answerPreflight } from './cross-origin.ts';
import { HttpExchange } from './http-exchange.ts';
import { SDK_METRICS_PATH } from './tracking-paths.ts';
import type { TrackingContext } from './tracking-routes.ts';
import type { TemplatedApp } from './uws.ts';

export function serveSdkMetrics(app: TemplatedApp, context: TrackingContext): void {
  const { bodies: watch, inFlight: budget } = context;
  const bounds = { bytesMax: LIMITS.requestBytesMax, budget, watch };
  app.options(SDK_METRICS_PATH, answerPreflight);
  app.post(SDK_METRICS_PATH, (response, request) => {
    const exchange = new HttpExchange(response, request, true);
    const declaredBytes = Number(request.getHeader('content-length')) || 0;
    readBody(exchange, declaredBytes, bounds, {
      receive(_body, release) {
        release();
        exchange.answer(200, { success: true });
      },
      refuse: (error, close) => exchange.answerError(error, { close }),
    });
  });
}
