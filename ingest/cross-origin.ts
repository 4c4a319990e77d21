/**
 * What browsers must be told before a page of another origin may send events (the Fetch standard's CORS).
 *
 * Any page may: the write key stands in the page anyway and grants nothing but sending. Origin and headers
 * are echoed, because `*` covers neither Authorization, which SDKs send, nor requests with credentials.
 */
import type { HttpRequest, HttpResponse } from './uws.ts';

/** Two hours: what Chromium keeps at most. */
const PREFLIGHT_SECONDS = '7200';
/** What SDKs send; answered when a preflight does not say what it asks for. */
const REQUEST_HEADERS =
  'authorization, content-type, content-encoding, x-retry-count, x-write-key, x-strict-mode, ' +
  'x-enable-debug, x-ip-policy, anonymousid';
/** Answer headers a page may read; without Retry-After its SDK would not know how long to wait. */
const ANSWER_HEADERS = 'Retry-After, X-RateLimit-Reset';

/** Writes the headers that let a page of `origin` read the answer; none for '' (no browser). */
export function writeCrossOrigin(response: HttpResponse, origin: string): void {
  if (origin === '') return;
  response.writeHeader('Access-Control-Allow-Origin', origin);
  response.writeHeader('Access-Control-Allow-Credentials', 'true');
  response.writeHeader('Access-Control-Expose-Headers', ANSWER_HEADERS);
  response.writeHeader('Vary', 'Origin');
}

/** Answers OPTIONS. A page on the internet may reach an appliance in its own network, if it asks to. */
export function answerPreflight(response: HttpResponse, request: HttpRequest): void {
  const origin = request.getHeader('origin');
  const headers = request.getHeader('access-control-request-headers');
  const isPrivate = request.getHeader('access-control-request-private-network') === 'true';
  response.cork(() => {
    response.writeStatus('204 No Content');
    response.writeHeader('Access-Control-Allow-Origin', origin === '' ? '*' : origin);
    response.writeHeader('Access-Control-Allow-Methods', 'GET,POST,OPTIONS');
    response.writeHeader(
      'Access-Control-Allow-Headers',
      headers === '' ? REQUEST_HEADERS : headers,
    );
    if (origin !== '') response.writeHeader('Access-Control-Allow-Credentials', 'true');
    if (isPrivate) response.writeHeader('Access-Control-Allow-Private-Network', 'true');
    response.writeHeader('Access-Control-Max-Age', PREFLIGHT_SECONDS);
    response.writeHeader('Vary', 'Origin, Access-Control-Request-Headers');
    response.endWithoutBody();
  });
}
