/**
 * `GET /v1/projects/:writeKey/settings`: what Segment's browser SDK loads before its first event.
 *
 * The SDK takes the address it sends to from here, so that a page needs only the key and the address of
 * the appliance. `integrations` holds `Segment.io` alone: with a second name the SDK would load plugins.
 */
import { TributaryError } from '../base/errors.ts';
import { authenticateWriteKey } from './credentials.ts';
import { answerPreflight } from './cross-origin.ts';
import { asTributaryError, HttpExchange, serveGet } from './http-exchange.ts';
import type { Authenticator } from './ports.ts';
import { requestHost } from './request-origin.ts';
import type { HttpRequest, TemplatedApp } from './uws.ts';

const SETTINGS_PATHS: readonly string[] = [
  '/v1/projects/:writeKey/settings',
  '/projects/:writeKey/settings',
];
const CACHE_SECONDS = 300;

/** @param publicUrl how browsers reach the appliance; '' takes what the request was sent to. */
export function serveSettings(
  app: TemplatedApp,
  authenticator: Authenticator,
  publicUrl: string,
): void {
  for (const path of SETTINGS_PATHS) {
    app.options(path, answerPreflight);
    serveGet(app, path, (response, request) => {
      const exchange = new HttpExchange(response, request, true);
      try {
        const writeKey = decodeKey(request.getParameter(0) ?? '');
        if (authenticateWriteKey(authenticator, writeKey) === undefined) {
          throw new TributaryError('TRIBUTARY_INGEST_PATH_UNKNOWN', {
            path: request.getUrl(),
            hint: '',
          });
        }
        const { protocol, apiHost } = addressFor(request, publicUrl);
        const settings = {
          integrations: { 'Segment.io': { apiKey: writeKey, apiHost, protocol } },
          metrics: { sampleRate: 0 },
        };
        const headers = { 'Cache-Control': `public, max-age=${CACHE_SECONDS}` };
        exchange.answer(200, settings, { headers });
      } catch (error) {
        exchange.answerError(asTributaryError(error));
      }
    });
  }
}

function decodeKey(encoded: string): string {
  try {
    return decodeURIComponent(encoded);
  } catch {
    return encoded; // Not percent-encoded; then it is no key either, or a key as it stands.
  }
}

/** @throws TributaryError TRIBUTARY_INGEST_REQUEST_INVALID when the Host header is no host. */
function addressFor(
  request: HttpRequest,
  publicUrl: string,
): { protocol: string; apiHost: string } {
  if (publicUrl !== '') {
    const { protocol, host, pathname } = new URL(publicUrl);
    return { protocol: protocol.slice(0, -1), apiHost: `${host}${pathname.replace(/\/$/, '')}/v1` };
  }
  return { protocol: 'http', apiHost: `${requestHost(request)}/v1` };
}
