/** A lake of two tenants with a table each, a control plane with tokens, and a clock that tests move. */

import { createHash } from 'node:crypto';
import { AwsV4Signer } from 'aws4fetch';
import type { Clock } from '../../base/clock.ts';
import type { PlainAnswer, PlainRequest } from '../../base/plain-http.ts';
import { seededRandomSource } from '../../base/random.ts';
import { ControlPlane } from '../../engine/control.ts';
import { Catalog } from '../../query/lake/catalog.ts';
import type { CatalogTable, LakeAccess, ObjectReader } from '../../query/lake/ports.ts';
import { S3Facade } from '../../query/lake/s3-facade.ts';

export const BUCKET = 'test-lake';
export const ORIGIN = 'http://lake.test:8080';
export const NAMESPACE = 'tenant_one';
export const TABLE_PREFIX = `${NAMESPACE}/events-0123abcd/`;
/** An id beyond 2^53, which a parser of plain numbers would change. */
export const METADATA = '{"format-version":2,"current-snapshot-id":9007199254740993}';

export function tableNamed(name: string, prefix: string): CatalogTable {
  const location = `s3://${BUCKET}/${prefix.slice(0, -1)}`;
  return {
    name,
    location,
    metadata: { location: `${location}/metadata/v1.metadata.json`, json: METADATA },
  };
}

export interface SigningOptions {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly presign?: boolean;
  readonly origin?: string;
  /** What the catalog vended; new keys unless given. */
  readonly config?: Readonly<Record<string, string>>;
}

export class LakeFixture {
  readonly control: ControlPlane;
  readonly tenantId: string;
  readonly token: string;
  readonly tokenId: string;
  readonly catalog: Catalog;
  readonly facade: S3Facade;
  readonly objects = new Map<string, Uint8Array>();
  nowMs = Date.parse('2026-11-22T16:00:00Z');
  readonly clock: Clock = {
    nowMicros: () => this.nowMs * 1000,
    monotonicMs: () => this.nowMs,
  };

  private constructor(control: ControlPlane, issued: { id: string; token: string }) {
    this.control = control;
    this.tenantId = control.tenants[0]!.id;
    this.token = issued.token;
    this.tokenId = issued.id;
    const access = accessOf(control);
    const tables = [tableNamed('events', TABLE_PREFIX)];
    this.catalog = new Catalog({
      bucket: BUCKET,
      access,
      tables: () => ({
        namespace: NAMESPACE,
        list: async () => tables.map(({ name }) => name),
        load: async (name) => tables.find((table) => table.name === name),
      }),
      clock: this.clock,
    });
    this.facade = new S3Facade({
      bucket: BUCKET,
      access,
      objects: readerOf(this.objects),
      clock: this.clock,
    });
  }

  static async open(): Promise<LakeFixture> {
    let text: string | undefined;
    const control = await ControlPlane.open({
      store: {
        path: 'control.json',
        read: async () => text,
        replace: async (written) => {
          text = written;
        },
      },
      clock: { nowMicros: () => 0, monotonicMs: () => 0 },
      random: seededRandomSource(1),
    });
    const issued = await control.createLakeToken(control.tenants[0]!.id, 'test');
    return new LakeFixture(control, issued);
  }

  put(key: string, content: string | Uint8Array): void {
    this.objects.set(key, typeof content === 'string' ? Buffer.from(content) : content);
  }

  /** A request to the catalog with the lake token. */
  ask(method: string, path: string, overrides: Partial<PlainRequest> = {}): Promise<PlainAnswer> {
    const [before, query = ''] = path.split('?');
    return this.catalog.answer({
      method,
      path: before!,
      query,
      headers: { authorization: `Bearer ${this.token}` },
      body: new Uint8Array(),
      origin: ORIGIN,
      ...overrides,
    });
  }

  /** What the catalog vends for the table. */
  async vended(): Promise<Record<string, string>> {
    const answer = await this.ask('GET', `/iceberg/v1/namespaces/${NAMESPACE}/tables/events`);
    return (jsonOf(answer) as { config: Record<string, string> }).config;
  }

  /** A request to the facade, signed with vended keys by another implementation of SigV4. */
  async fetch(pathAndQuery: string, options: SigningOptions = {}): Promise<PlainAnswer> {
    return this.facade.answer(await this.signed(pathAndQuery, options));
  }

  async signed(pathAndQuery: string, options: SigningOptions = {}): Promise<PlainRequest> {
    const { method = 'GET', headers = {}, origin = ORIGIN, presign = false } = options;
    const config = options.config ?? (await this.vended());
    const signer = new AwsV4Signer({
      method,
      url: origin + pathAndQuery,
      headers,
      accessKeyId: config['s3.access-key-id']!,
      secretAccessKey: config['s3.secret-access-key']!,
      sessionToken: config['s3.session-token']!,
      service: 's3',
      region: 'us-east-1',
      datetime: new Date(this.nowMs).toISOString().replace(/[:-]|\.\d{3}/g, ''),
      signQuery: presign,
    });
    const signed = await signer.sign();
    const sent = Object.fromEntries(signed.headers as Headers);
    return {
      method,
      path: signed.url.pathname,
      query: signed.url.search.slice(1),
      headers: { host: signed.url.host, ...sent },
      body: new Uint8Array(),
      origin,
    };
  }
}

export function accessOf(control: ControlPlane): LakeAccess {
  return {
    authenticate: (token) => control.authenticateLake(token),
    principal: (tokenId) => control.lakePrincipal(tokenId),
    signingKey: (tenantId) => createHash('sha256').update(`secret of ${tenantId}`).digest(),
  };
}

function readerOf(objects: ReadonlyMap<string, Uint8Array>): ObjectReader {
  const infoOf = (key: string) => ({
    key,
    bytes: objects.get(key)!.length,
    modifiedMicros: 1_700_000_000_000_000,
  });
  return {
    head: async (key) => (objects.has(key) ? infoOf(key) : undefined),
    get: async (key, range) => objects.get(key)!.slice(range?.start, range?.end),
    async *list(prefix, { startAfter = '' } = {}) {
      for (const key of [...objects.keys()].sort()) {
        if (key.startsWith(prefix) && key > startAfter) yield infoOf(key);
      }
    },
  };
}

export function jsonOf(answer: PlainAnswer): unknown {
  return JSON.parse(Buffer.from(answer.body as Uint8Array).toString('utf8'));
}

export async function textOf(answer: PlainAnswer): Promise<string> {
  const { body } = answer;
  const bytes = body instanceof Uint8Array ? body : await body.read(0, body.length);
  return Buffer.from(bytes).toString('utf8');
}
