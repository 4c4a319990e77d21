/**
 * The one rule for query parameters of the appliance's own routes: each names those it takes, and any other
 * is refused, as is one that is given twice. A mistyped `since` would else show everything, and a `dry_run` in
 * the wrong place would do what it was to try.
 *
 * - An admin key lets nobody in without it: `authenticateAdmin` asks every route for its names.
 * - What others' software calls with parameters of its own is left alone: the tracking API, probes, Prometheus.
 * - Names are compared as they are written; nobody percent-encodes these.
 */
import { TributaryError } from '../base/errors.ts';
import { hintOf, nearestName } from '../base/nearest-name.ts';
import type { HttpRequest } from './uws.ts';

/** Characters of a name that an answer repeats. */
const NAME_CHARACTERS_MAX = 64;

/** @throws TributaryError TRIBUTARY_INGEST_PARAMETER_UNKNOWN, TRIBUTARY_INGEST_PARAMETER_REPEATED */
export function requireTaken(request: HttpRequest, taken: readonly string[]): void {
  const query = request.getQuery();
  if (query === undefined || query === '') return;
  const seen: string[] = [];
  for (const part of query.split('&')) {
    if (part === '') continue;
    const end = part.indexOf('=');
    const name = end < 0 ? part : part.slice(0, end);
    if (!taken.includes(name)) throw unknown(request.getUrl(), name, taken);
    if (seen.includes(name)) {
      throw new TributaryError('TRIBUTARY_INGEST_PARAMETER_REPEATED', { name });
    }
    seen.push(name);
  }
}

function unknown(path: string, written: string, taken: readonly string[]): TributaryError {
  const name = written.slice(0, NAME_CHARACTERS_MAX);
  return new TributaryError('TRIBUTARY_INGEST_PARAMETER_UNKNOWN', {
    path,
    name,
    hint: hintOf(nearestName(name, taken)),
    known: taken.join(', ') || 'none',
  });
}
