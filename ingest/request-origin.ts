/** How the client of a request reaches the appliance: what it is told to come back to. */
import { TributaryError } from '../base/errors.ts';
import type { HttpRequest } from './uws.ts';

/** @throws TributaryError TRIBUTARY_INGEST_REQUEST_INVALID when the Host header is no host. */
export function requestHost(request: HttpRequest): string {
  const host = request.getHeader('host');
  if (/^[\w.-]+(?::\d+)?$|^\[[\da-f:.]+\](?::\d+)?$/i.test(host)) return host;
  throw new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason: 'Host is not a host' });
}

/**
 * Scheme, host and port, without a slash at the end.
 * @param publicUrl how clients reach the appliance; '' takes what the request was sent to.
 * @throws TributaryError TRIBUTARY_INGEST_REQUEST_INVALID when the Host header is no host.
 */
export function requestOrigin(request: HttpRequest, publicUrl: string): string {
  return publicUrl === '' ? `http://${requestHost(request)}` : new URL(publicUrl).origin;
}
