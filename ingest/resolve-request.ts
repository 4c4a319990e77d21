/**
 * The identifiers that a request wants resolved, over HTTP or in a stream:
 *
 *     [{"type":"user_id","value":"ada"}, …]        {"type":"user_id","values":["ada", …]}
 *
 * A plain request (these members and no others, known types, well-formed text) is read by the native index
 * in one pass (identifier_request.h); what it leaves comes here and is taken or refused with a reason. The
 * two agree: tests/ingest/resolve-request.test.ts.
 */
import { LIMITS } from '../base/limits.ts';
import type { Identifier } from './ports.ts';

const FORMS = 'identifiers are [{"type":"…","value":"…"}, …] or {"type":"…","values":["…", …]}';
/** How the text of a stream's resolve request begins: told apart by its first key. */
const RESOLVE = Buffer.from('{"resolve"');

/** @returns the identifiers, or why there are none. */
export function parseIdentifiers(given: unknown): readonly Identifier[] | string {
  const list: readonly unknown[] | undefined = Array.isArray(given) ? given : listOf(given);
  if (list === undefined) return FORMS;
  if (list.length > LIMITS.resolveIdentifiersMax) {
    return `resolve takes up to ${LIMITS.resolveIdentifiersMax} identifiers`;
  }
  return isIdentifiers(list) ? list : FORMS;
}

/** Whether a text frame looks like a resolve request, by its first bytes. */
export function isResolveFrame(message: Uint8Array): boolean {
  for (let index = 0; index < RESOLVE.length; index += 1) {
    if (message[index] !== RESOLVE[index]) return false;
  }
  return true;
}

function listOf(given: unknown): readonly unknown[] | undefined {
  if (typeof given !== 'object' || given === null) return undefined;
  const { type, values } = given as Readonly<Record<string, unknown>>;
  return Array.isArray(values) ? values.map((value: unknown) => ({ type, value })) : undefined;
}

function isIdentifiers(list: readonly unknown[]): list is readonly Identifier[] {
  return list.every(isIdentifier);
}

function isIdentifier(given: unknown): given is Identifier {
  if (typeof given !== 'object' || given === null) return false;
  const { type, value } = given as Readonly<Record<string, unknown>>;
  return typeof type === 'string' && typeof value === 'string';
}
