/**
 * ListObjectsV2: keys below a prefix, rolled up at a delimiter, in pages.
 *
 * Keys come in the order of the store, which is S3's. A continuation token is the last key or common prefix
 * of the page before it; nothing is remembered between pages.
 */
import type { ObjectInfo, ObjectStore } from '../../storage/lake/object-store.ts';
import { encodePath, parameter, type QueryParameter } from './percent-encoding.ts';
import { element, escapeXml } from './s3-answers.ts';

const PAGE_MAX = 1000;
const XMLNS = 'http://s3.amazonaws.com/doc/2006-03-01/';

export interface ListRequest {
  readonly prefix: string;
  readonly delimiter: string;
  readonly keysMax: number;
  /** Everything up to it was listed before; a common prefix with all that lies below. */
  readonly after: string;
  readonly startAfter: string;
  readonly isEncoded: boolean;
}

interface ListPage {
  readonly objects: readonly ObjectInfo[];
  readonly commonPrefixes: readonly string[];
  /** Undefined on the last page. */
  readonly nextAfter: string | undefined;
}

/** @returns undefined when a parameter has a value that it cannot have. */
export function parseListRequest(parameters: readonly QueryParameter[]): ListRequest | undefined {
  const read = (name: string): string => parameter(parameters, name) ?? '';
  const written = read('max-keys') || String(PAGE_MAX);
  const encoding = read('encoding-type');
  const token = read('continuation-token');
  const after = Buffer.from(token, 'base64url').toString('utf8');
  if (!/^\d{1,9}$/.test(written) || !['', 'url'].includes(encoding)) return undefined;
  if (tokenOf(after) !== token) return undefined;
  return {
    prefix: read('prefix'),
    delimiter: read('delimiter'),
    keysMax: Math.min(Number(written), PAGE_MAX),
    after,
    startAfter: read('start-after'),
    isEncoded: encoding === 'url',
  };
}

/** One page; the listing is read no further than the page goes. */
export async function listPage(
  objects: Pick<ObjectStore, 'list'>,
  request: ListRequest,
  isReadable: (key: string) => boolean,
): Promise<ListPage> {
  const { after, keysMax, prefix, startAfter } = request;
  const found: ObjectInfo[] = [];
  const commonPrefixes: string[] = [];
  if (keysMax === 0) return { objects: found, commonPrefixes, nextAfter: undefined };
  let last = after;
  const start = after === '' ? startAfter : after; // A page's token lies behind what the first page started after.
  for await (const entry of objects.list(prefix, start === '' ? {} : { startAfter: start })) {
    const common = commonPrefixOf(entry.key, request);
    if ((common ?? entry.key) === last || !isReadable(entry.key)) continue;
    if (found.length + commonPrefixes.length === keysMax) {
      return { objects: found, commonPrefixes, nextAfter: last };
    }
    if (common === undefined) found.push(entry);
    else commonPrefixes.push(common);
    last = common ?? entry.key;
  }
  return { objects: found, commonPrefixes, nextAfter: undefined };
}

/** The page as S3 writes it. @param etagOf the ETag of an object, with its quotes. */
export function listXml(
  bucket: string,
  request: ListRequest,
  page: ListPage,
  etagOf: (entry: ObjectInfo) => string,
): string {
  const { commonPrefixes, nextAfter, objects } = page;
  const text = (value: string): string => escapeXml(request.isEncoded ? encodePath(value) : value);
  const given = (name: string, value: string): string =>
    value === '' ? '' : element(name, text(value));
  return element(
    'ListBucketResult',
    [
      element('Name', escapeXml(bucket)),
      element('Prefix', text(request.prefix)),
      given('Delimiter', request.delimiter),
      given('StartAfter', request.startAfter),
      request.after === '' ? '' : element('ContinuationToken', tokenOf(request.after)),
      element('KeyCount', String(objects.length + commonPrefixes.length)),
      element('MaxKeys', String(request.keysMax)),
      request.isEncoded ? element('EncodingType', 'url') : '',
      element('IsTruncated', String(nextAfter !== undefined)),
      nextAfter === undefined ? '' : element('NextContinuationToken', tokenOf(nextAfter)),
      ...objects.map((entry) =>
        element('Contents', [
          element('Key', text(entry.key)),
          element('LastModified', new Date(entry.modifiedMicros / 1000).toISOString()),
          element('ETag', escapeXml(etagOf(entry))),
          element('Size', String(entry.bytes)),
          element('StorageClass', 'STANDARD'),
        ]),
      ),
      ...commonPrefixes.map((prefix) =>
        element('CommonPrefixes', [element('Prefix', text(prefix))]),
      ),
    ],
    XMLNS,
  );
}

function commonPrefixOf(key: string, { delimiter, prefix }: ListRequest): string | undefined {
  const end = delimiter === '' ? -1 : key.indexOf(delimiter, prefix.length);
  return end < 0 ? undefined : key.slice(0, end + delimiter.length);
}

function tokenOf(after: string): string {
  return Buffer.from(after).toString('base64url');
}
