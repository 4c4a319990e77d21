/** How the commands that talk to an appliance reach it. */
import { TributaryError } from '../base/errors.ts';
import type { CommandContext, CommandLine } from './command-line.ts';

export interface Target {
  /** Without a slash at the end. */
  readonly url: string;
  readonly key: string;
}

/** @throws TributaryError when no key is given or the URL is not one. */
export function targetOf(line: CommandLine, context: CommandContext, kind: string): Target {
  const { TRIBUTARY_URL, TRIBUTARY_KEY } = context.environment;
  const url = String(line.flags['url'] ?? TRIBUTARY_URL ?? 'http://127.0.0.1:8080');
  if (!URL.canParse(url)) {
    throw new TributaryError('TRIBUTARY_CONFIG_INVALID_VALUE', {
      origin: line.flags['url'] === undefined ? 'the environment' : 'the command line',
      key: 'url',
      value: url,
      expected: 'a URL such as http://127.0.0.1:8080',
    });
  }
  const key = line.flags['key'] ?? TRIBUTARY_KEY;
  if (typeof key !== 'string') throw new TributaryError('TRIBUTARY_CONFIG_KEY_MISSING', { kind });
  return { url: url.replace(/\/+$/, ''), key };
}

export function post(target: Target, path: string, body: string): Promise<Response> {
  return ask(target, 'POST', path, body);
}

/**
 * @param body JSON, where there is one.
 * @throws TributaryError TRIBUTARY_CONFIG_UNREACHABLE
 */
export function ask(
  target: Target,
  method: string,
  path: string,
  body?: string,
): Promise<Response> {
  return fetch(target.url + path, {
    method,
    headers: { Authorization: `Bearer ${target.key}`, 'Content-Type': 'application/json' },
    ...(body !== undefined && { body }),
  }).catch((cause: unknown) => {
    throw unreachable(target, cause);
  });
}

/** @param error of `fetch`, or of reading what it answered. */
export function unreachable({ url }: Target, error: unknown): TributaryError {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  const { code, message } = cause as { readonly code?: string; readonly message?: string };
  const reason = code ?? message ?? String(cause);
  return new TributaryError('TRIBUTARY_CONFIG_UNREACHABLE', { url, reason }, error);
}

/** The member `error` of an answer. */
export interface AnsweredError {
  readonly code: string;
  readonly message: string;
  readonly help?: string;
}

export function describeError({ code, message, help = '' }: AnsweredError): string {
  return [`${code}: ${message}`, help].join(' ').trim();
}

/** What an answer says went wrong, as one line. */
export async function describeFailure(response: Response): Promise<string> {
  const text = await response.text();
  try {
    return describeError((JSON.parse(text) as { readonly error: AnsweredError }).error);
  } catch {
    return `HTTP ${response.status}: ${text.slice(0, 200)}`;
  }
}
