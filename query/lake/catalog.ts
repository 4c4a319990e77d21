/**
 * The Iceberg REST catalog: one namespace per tenant, read only, with keys for the files.
 *
 * Who asks is known by the token, so the tenant is never in the path: its namespace is the only one there
 * is. Outsiders read; tables are written by the appliance alone, because a foreign writer can leave
 * metadata that other engines cannot read. Those requests are answered 403 and are not advertised.
 *
 * - A table's metadata is passed on byte for byte: snapshot ids exceed 2^53.
 * - `s3.endpoint` ends with a slash: ClickHouse doubles the key without one (ClickHouse issue 93283).
 * - Clients find all they may call in `endpoints`; what is not listed does not exist.
 *
 * Specification: https://iceberg.apache.org/rest-catalog-spec/
 */

import type { Clock } from '../../base/clock.ts';
import type { PlainAnswer, PlainRequest } from '../../base/plain-http.ts';
import { SECOND_MICROS } from '../../base/units.ts';
import type { LakePrincipal } from '../../engine/control.ts';
import {
  type CatalogErrorType,
  catalogError,
  json,
  jsonText,
  NO_CONTENT,
  oauthError,
} from './catalog-answers.ts';
import { decodePercent, parameter, parseQuery } from './percent-encoding.ts';
import type { CatalogTable, LakeAccess, TenantTables } from './ports.ts';
import { openSession, principalOfSession, SESSION_SECONDS } from './session-tokens.ts';
import { vendKey } from './vended-keys.ts';

/** Where the catalog is mounted (ingest/lake-routes.ts); clients are given it with or without `/v1`. */
const CATALOG_PATH = '/iceberg';
/** Any region serves; clients refuse keys without one. */
export const REGION = 'us-east-1';

/** Levels of a namespace are joined by the unit separator. */
const LEVEL_SEPARATOR = '\x1f';

const TABLE = '/v1/{prefix}/namespaces/{namespace}/tables/{table}';
const ENDPOINTS: readonly string[] = [
  'GET /v1/{prefix}/namespaces',
  'GET /v1/{prefix}/namespaces/{namespace}',
  'HEAD /v1/{prefix}/namespaces/{namespace}',
  'GET /v1/{prefix}/namespaces/{namespace}/tables',
  `GET ${TABLE}`,
  `HEAD ${TABLE}`,
  `GET ${TABLE}/credentials`,
  `POST ${TABLE}/metrics`,
];

export interface CatalogOptions {
  /** The bucket of the lake: also the name of the warehouse and the prefix of its paths. */
  readonly bucket: string;
  readonly access: LakeAccess;
  /** The tables of a tenant that exists. */
  tables(tenantId: string): TenantTables;
  /**
   * What a client that has keys of its own needs to reach the files on a real S3 store. Absent, keys of the
   * facade are vended.
   */
  readonly store?: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

export class Catalog {
  readonly #options: CatalogOptions;

  constructor(options: CatalogOptions) {
    this.#options = options;
  }

  /** @param request whose path starts with {@link CATALOG_PATH}. */
  async answer(request: PlainRequest): Promise<PlainAnswer> {
    const segments = this.#segmentsOf(request.path);
    if (segments === undefined) {
      return catalogError('BadRequestException', 'The path is not percent-encoded UTF-8.');
    }
    if (segments.join('/') === 'oauth/tokens') return this.#token(request);
    const principal = this.#principalOf(request);
    if (principal === undefined) {
      return catalogError('NotAuthorizedException', 'The lake token is missing or not known.');
    }
    const [collection, ...rest] = segments;
    if (collection === 'config' && rest.length === 0) return this.#config(request);
    if (collection !== 'namespaces') return unknownPath(request);
    return this.#namespaces(request, principal, rest);
  }

  /** What follows `/iceberg/v1/` and, where it is there, the prefix. */
  #segmentsOf(path: string): readonly string[] | undefined {
    const segments = path
      .slice(CATALOG_PATH.length)
      .split('/')
      .filter((segment) => segment !== '')
      .map(decodePercent);
    const decoded = segments.filter((segment) => segment !== undefined);
    if (decoded.length < segments.length) return undefined;
    if (decoded[0] === 'v1') decoded.shift();
    if (decoded[0] === this.#options.bucket) decoded.shift();
    return decoded;
  }

  #principalOf({ headers }: PlainRequest): LakePrincipal | undefined {
    const [, token] = /^bearer +(\S+) *$/i.exec(headers['authorization'] ?? '') ?? [];
    if (token === undefined) return undefined;
    const { access } = this.#options;
    return access.authenticate(token) ?? principalOfSession(access, token, this.#nowSeconds());
  }

  /** RFC 6749 section 4.4; the client's id is ignored, its secret is the lake token. */
  #token(request: PlainRequest): PlainAnswer {
    if (request.method !== 'POST') return unknownPath(request);
    const form = parseQuery(Buffer.from(request.body).toString('utf8')) ?? [];
    if (parameter(form, 'grant_type') !== 'client_credentials') {
      return oauthError(400, 'unsupported_grant_type', 'grant_type is client_credentials');
    }
    const secret = parameter(form, 'client_secret') ?? passwordOf(request);
    const { access } = this.#options;
    const principal = secret === undefined ? undefined : access.authenticate(secret);
    if (principal === undefined) {
      return oauthError(401, 'invalid_client', 'client_secret is not a lake token');
    }
    return json({
      access_token: openSession(access, principal, this.#nowSeconds()),
      issued_token_type: 'urn:ietf:params:oauth:token-type:access_token',
      token_type: 'bearer',
      expires_in: SESSION_SECONDS,
    });
  }

  #config(request: PlainRequest): PlainAnswer {
    if (request.method !== 'GET') return unknownPath(request);
    const { bucket } = this.#options;
    const warehouse = parameter(parseQuery(request.query) ?? [], 'warehouse') ?? '';
    if (!['', bucket, `s3://${bucket}`].includes(warehouse.replace(/\/$/, ''))) {
      const message = `There is no warehouse ${warehouse}; this one is ${bucket}.`;
      return catalogError('NoSuchWarehouseException', message);
    }
    return json({ defaults: {}, overrides: { prefix: bucket }, endpoints: ENDPOINTS });
  }

  async #namespaces(
    request: PlainRequest,
    principal: LakePrincipal,
    [name, collection, table, ...rest]: readonly string[],
  ): Promise<PlainAnswer> {
    const tenant = this.#options.tables(principal.tenantId);
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    if (name === undefined) return isRead ? listNamespaces(request, tenant) : readOnly();
    if (name !== tenant.namespace) {
      const shown = name.replaceAll(LEVEL_SEPARATOR, '.');
      return catalogError('NoSuchNamespaceException', `Namespace does not exist: ${shown}`);
    }
    const namespace = [name];
    if (collection === undefined) {
      if (!isRead) return readOnly();
      return request.method === 'HEAD' ? NO_CONTENT : json({ namespace, properties: {} });
    }
    if (collection !== 'tables') return isRead ? unknownPath(request) : readOnly();
    if (table === undefined) {
      if (!isRead) return readOnly();
      const names = await tenant.list();
      return json({ identifiers: names.map((found) => ({ namespace, name: found })) });
    }
    const found = await tenant.load(table);
    if (found === undefined) {
      return catalogError('NoSuchTableException', `Table does not exist: ${name}.${table}`);
    }
    return this.#table(request, principal, found, `${name}/tables/${table}`, rest);
  }

  #table(
    request: PlainRequest,
    principal: LakePrincipal,
    table: CatalogTable,
    tablePath: string,
    rest: readonly string[],
  ): PlainAnswer {
    const { method } = request;
    const place = rest.join('/');
    if (place === 'metrics' && method === 'POST') return NO_CONTENT;
    if (method !== 'GET' && method !== 'HEAD') return readOnly();
    if (place !== '' && place !== 'credentials') return unknownPath(request);
    if (method === 'HEAD') return NO_CONTENT;
    const config = this.#configOf(request, principal, table, tablePath);
    const credentials = JSON.stringify([{ prefix: `${table.location}/`, config }]);
    if (place === 'credentials') return jsonText(`{"storage-credentials":${credentials}}`);
    const { json: metadata, location } = table.metadata;
    return jsonText(
      `{"metadata-location":${JSON.stringify(location)},"metadata":${metadata},` +
        `"config":${JSON.stringify(config)},"storage-credentials":${credentials}}`,
    );
  }

  /**
   * How a client reads the files of this table, and where it gets new keys before these end: a path below the
   * address of the catalog that the client was given.
   */
  #configOf(
    { origin }: PlainRequest,
    { tenantId, tokenId }: LakePrincipal,
    { location }: CatalogTable,
    tablePath: string,
  ): Readonly<Record<string, string>> {
    const { access, bucket, store } = this.#options;
    if (store !== undefined) return store;
    const prefix = `${location.slice(`s3://${bucket}/`.length)}/`;
    const key = vendKey(access.signingKey(tenantId), tokenId, prefix, this.#nowSeconds());
    return {
      's3.endpoint': `${origin}/`,
      's3.access-key-id': key.accessKeyId,
      's3.secret-access-key': key.secretAccessKey,
      's3.session-token': key.sessionToken,
      's3.session-token-expires-at-ms': String(key.expiresAtSeconds * 1000),
      's3.region': REGION,
      'client.region': REGION,
      's3.path-style-access': 'true',
      'client.refresh-credentials-endpoint': `v1/${bucket}/namespaces/${tablePath}/credentials`,
    };
  }

  #nowSeconds(): number {
    return Math.floor(this.#options.clock.nowMicros() / SECOND_MICROS);
  }
}

/** The tenant's namespace, at the top level; it has none below it. */
function listNamespaces(request: PlainRequest, { namespace }: TenantTables): PlainAnswer {
  const parent = parameter(parseQuery(request.query) ?? [], 'parent') ?? '';
  if (parent !== '' && parent !== namespace) {
    return catalogError('NoSuchNamespaceException', `Namespace does not exist: ${parent}`);
  }
  return json({ namespaces: parent === '' ? [[namespace]] : [] });
}

/** The password of HTTP Basic, where some clients put the secret. */
function passwordOf({ headers }: PlainRequest): string | undefined {
  const [, encoded] = /^basic +(\S+) *$/i.exec(headers['authorization'] ?? '') ?? [];
  if (encoded === undefined) return undefined;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  return text.slice(text.indexOf(':') + 1);
}

function readOnly(): PlainAnswer {
  const message = 'The tables are written by the appliance alone; outsiders read them.';
  return catalogError('ForbiddenException', message);
}

function unknownPath({ method, path }: PlainRequest): PlainAnswer {
  const type: CatalogErrorType =
    method === 'GET' || method === 'HEAD' ? 'NotFoundException' : 'UnsupportedOperationException';
  return catalogError(type, `The catalog has no ${method} ${path}.`);
}
