/**
 * Events from places that can only load an image: mails, pages without scripts.
 *
 * The answer is always the same transparent GIF, since a broken image would be seen by people; what became of
 * the event is in the metrics. The GIF is sent once the event is durable or refused.
 */
import type { EventType } from '../engine/types.ts';
import { authenticateWriteKey, keyOfBody } from './credentials.ts';
import { HttpExchange, serveGet } from './http-exchange.ts';
import { eventOfQuery } from './pixel-event.ts';
import { PIXEL_PATHS } from './tracking-paths.ts';
import { keyMissing, keyUnknown, type TrackingContext } from './tracking-routes.ts';
import type { HttpRequest, HttpResponse, TemplatedApp } from './uws.ts';

/** GIF89a, 1 × 1, transparent. */
const GIF = Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');

export function servePixels(app: TemplatedApp, context: TrackingContext): void {
  for (const [path, type] of PIXEL_PATHS) {
    serveGet(app, path, (response, request) => {
      const exchange = new HttpExchange(response, request, true);
      takePixel(context, response, request, type)
        .catch((error: unknown) => context.logger.log('debug', 'a pixel was refused', { error }))
        .finally(() => {
          exchange.answerBytes(200, 'image/gif', GIF, { headers: { 'Cache-Control': 'no-store' } });
        });
    });
  }
}

/** Reads `request` before its first await. */
async function takePixel(
  { authenticator, clock, intake, senders }: TrackingContext,
  response: HttpResponse,
  request: HttpRequest,
  type: EventType,
): Promise<void> {
  const receivedAtMicros = clock.nowMicros();
  const event = eventOfQuery(request.getQuery());
  const key = request.getQuery('writeKey') ?? keyOfBody(event);
  if (key === undefined) throw keyMissing();
  const principal = authenticateWriteKey(authenticator, key);
  if (principal === undefined) throw keyUnknown();
  const { address: senderAddress } = senders.of(response, request);
  const origin = { typeOfPath: type, senderAddress };
  await intake.append(principal, 'json', event, receivedAtMicros, origin);
}
