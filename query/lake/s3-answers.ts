/** Answers of the S3 facade: errors and listings as XML, in the words of S3's own API reference. */
import type { PlainAnswer } from '../../base/plain-http.ts';

const ERRORS = {
  AccessDenied: [403, 'Access Denied'],
  AuthorizationHeaderMalformed: [400, 'The authorization header is malformed.'],
  AuthorizationQueryParametersError: [400, 'The query parameters of the signature are malformed.'],
  ExpiredToken: [400, 'The key that was vended has expired.'],
  InvalidAccessKeyId: [403, 'The access key id is not known.'],
  InvalidArgument: [400, 'A parameter has a value that it cannot have.'],
  InvalidRange: [416, 'The requested range is not satisfiable.'],
  InvalidToken: [400, 'The session token is not that of the key.'],
  InvalidURI: [400, 'The URI is not percent-encoded UTF-8.'],
  MethodNotAllowed: [405, 'The objects are written by the appliance alone.'],
  NoSuchBucket: [404, 'The bucket does not exist.'],
  NoSuchKey: [404, 'The key does not exist.'],
  NotImplemented: [501, 'ListObjectsV2 is what lists objects here.'],
  PreconditionFailed: [412, 'A precondition does not hold.'],
  RequestTimeTooSkewed: [403, 'The time of the request and that of the appliance differ too much.'],
  SignatureDoesNotMatch: [403, 'The signature is not that of this request under this key.'],
} as const;

export type S3ErrorCode = keyof typeof ERRORS;

/** @param resource the path, as it was sent. */
export function s3Error(
  code: S3ErrorCode,
  resource: string,
  headers: Readonly<Record<string, string>> = {},
): PlainAnswer {
  const [status, message] = ERRORS[code];
  const body = element('Error', [
    element('Code', code),
    element('Message', message),
    element('Resource', escapeXml(resource)),
  ]);
  return xml(status, body, headers);
}

export function xml(
  status: number,
  body: string,
  headers: Readonly<Record<string, string>> = {},
): PlainAnswer {
  const text = `<?xml version="1.0" encoding="UTF-8"?>\n${body}`;
  return {
    status,
    headers: { 'Content-Type': 'application/xml', ...headers },
    body: Buffer.from(text),
  };
}

/** @param content text that is escaped, or elements. */
export function element(name: string, content: string | readonly string[], xmlns = ''): string {
  const attribute = xmlns === '' ? '' : ` xmlns="${xmlns}"`;
  return `<${name}${attribute}>${typeof content === 'string' ? content : content.join('')}</${name}>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
};

export function escapeXml(text: string): string {
  return text
    .replace(/[&<>"]/g, (character) => ENTITIES[character]!)
    .replace(/\p{Cc}/gu, (character) => `&#x${character.codePointAt(0)!.toString(16)};`);
}
