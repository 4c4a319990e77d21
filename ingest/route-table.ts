/**
 * The routes of the front door, noted as they are made: so that a request which none of them took is answered by what
 * there is, and no list of paths beside the routes can fall behind them.
 *
 * - A part of a pattern that begins with a colon stands for any one part of a path.
 */
import { nearestName } from '../base/nearest-name.ts';
import type { TemplatedApp } from './uws.ts';

/** The app's functions and their methods, in the order in which an answer lists them. */
const VERBS = [
  ['get', 'GET'],
  ['head', 'HEAD'],
  ['post', 'POST'],
  ['put', 'PUT'],
  ['del', 'DELETE'],
  ['options', 'OPTIONS'],
] as const;
/** Characters of a path that may be a mistyped one: shorter ones are all alike, longer ones cost time to compare. */
const MISTYPED_CHARACTERS_MIN = 7;
const MISTYPED_CHARACTERS_MAX = 64;

export class RouteTable {
  readonly #methods = new Map<string, Set<string>>();

  /** Notes what is registered with `app` from now on. */
  constructor(app: TemplatedApp) {
    for (const [verb, method] of VERBS) {
      const register = app[verb].bind(app);
      app[verb] = (pattern, handler) => {
        this.#note(String(pattern), method);
        return register(pattern, handler);
      };
    }
    const stream = app.ws.bind(app);
    app.ws = (pattern, behavior) => {
      this.#note(String(pattern), 'GET');
      return stream(pattern, behavior);
    };
  }

  /** What `path` takes, in the order of an Allow header; undefined when there is nothing at it. */
  methodsAt(path: string): readonly string[] | undefined {
    const parts = path.split('/');
    const found = new Set<string>();
    for (const [pattern, methods] of this.#methods) {
      if (isAt(pattern, path, parts)) for (const method of methods) found.add(method);
    }
    if (found.size === 0) return undefined;
    return VERBS.map(([, method]) => method).filter((method) => found.has(method));
  }

  /** The path that a mistyped one was meant to be. */
  nearestTo(path: string): string | undefined {
    if (path.length < MISTYPED_CHARACTERS_MIN || path.length > MISTYPED_CHARACTERS_MAX) {
      return undefined;
    }
    const paths = [...this.#methods.keys()].filter((pattern) => !/[:*]/.test(pattern));
    return nearestName(path, paths);
  }

  #note(pattern: string, method: string): void {
    const methods = this.#methods.get(pattern);
    if (methods === undefined) this.#methods.set(pattern, new Set([method]));
    else methods.add(method);
  }
}

function isAt(pattern: string, path: string, parts: readonly string[]): boolean {
  if (pattern === path) return true;
  if (!pattern.includes(':')) return false;
  const wanted = pattern.split('/');
  return (
    wanted.length === parts.length &&
    wanted.every((part, index) => part.startsWith(':') || part === parts[index])
  );
}
