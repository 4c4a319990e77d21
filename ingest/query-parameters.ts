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

/**
 * Makes no string but the query: a look-up of identity is a few microseconds.
 * @throws TributaryError TRIBUTARY_INGEST_PARAMETER_UNKNOWN, TRIBUTARY_INGEST_PARAMETER_REPEATED
 */
export function requireTaken(request: HttpRequest, taken: readonly string[]): void {
  const query = request.getQuery();
  if (query === undefined) return;
  /** A bit for each name of `taken`. */
  let seen = 0;
  for (let at = 0; at < query.length; ) {
    const end = endOf(query, '&', at, query.length);
    if (end > at) {
      const nameEnd = endOf(query, '=', at, end);
      const place = placeOf(query, at, nameEnd, taken);
      if (place < 0) throw unknown(request.getUrl(), query.slice(at, nameEnd), taken);
      if ((seen & (1 << place)) !== 0) {
        throw new TributaryError('TRIBUTARY_INGEST_PARAMETER_REPEATED', { name: taken[place]! });
      }
      seen |= 1 << place;
    }
    at = end + 1;
  }
}

/** Where the next `mark` stands in [at, end), or `end`. */
function endOf(query: string, mark: string, at: number, end: number): number {
  const found = query.indexOf(mark, at);
  return found < 0 || found > end ? end : found;
}

/** Which of `taken` the name in [at, end) is, or -1. */
function placeOf(query: string, at: number, end: number, taken: readonly string[]): number {
  for (let place = 0; place < taken.length; place += 1) {
    const name = taken[place]!;
    if (name.length === end - at && query.startsWith(name, at)) return place;
  }
  return -1;
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
