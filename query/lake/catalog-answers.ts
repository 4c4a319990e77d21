/**
 * Answers of the Iceberg REST catalog, errors included, as its specification writes them.
 *
 * An error's `type` is the name of an exception of Iceberg's Java library: clients switch on it.
 */
import type { PlainAnswer } from '../../base/plain-http.ts';

const ERRORS = {
  BadRequestException: 400,
  NotAuthorizedException: 401,
  ForbiddenException: 403,
  NoSuchNamespaceException: 404,
  NoSuchTableException: 404,
  NoSuchWarehouseException: 404,
  NotFoundException: 404,
  UnsupportedOperationException: 406,
} as const;

export type CatalogErrorType = keyof typeof ERRORS;

const JSON_HEADERS = { 'Content-Type': 'application/json' };
const NOTHING = new Uint8Array();

export function json(body: unknown): PlainAnswer {
  return jsonText(JSON.stringify(body));
}

/** JSON that is written already. */
export function jsonText(text: string): PlainAnswer {
  return { status: 200, headers: JSON_HEADERS, body: Buffer.from(text) };
}

export const NO_CONTENT: PlainAnswer = { status: 204, headers: {}, body: NOTHING };

export function catalogError(type: CatalogErrorType, message: string): PlainAnswer {
  const code = ERRORS[type];
  const challenge = code === 401 ? { 'WWW-Authenticate': 'Bearer' } : {};
  const body = JSON.stringify({ error: { message, type, code } });
  return { status: code, headers: { ...JSON_HEADERS, ...challenge }, body: Buffer.from(body) };
}

/** An error of the OAuth endpoint, whose form is RFC 6749 section 5.2. */
export function oauthError(status: 400 | 401, error: string, description: string): PlainAnswer {
  const body = JSON.stringify({ error, error_description: description });
  return { status, headers: JSON_HEADERS, body: Buffer.from(body) };
}
