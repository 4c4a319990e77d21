/**
 * A small S3 store in this process, for tests of the store over a real network connection: conditional
 * puts, multipart uploads, copies, listings in pages, signatures, and faults on demand.
 *
 * It shares the facade's verifier and listing, which have tests of their own against Amazon's examples and
 * a naive model; what it adds is writing.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { parseRange } from '../../query/lake/byte-range.ts';
import { decodePercent, parameter, parseQuery } from '../../query/lake/percent-encoding.ts';
import { type S3ErrorCode, s3Error } from '../../query/lake/s3-answers.ts';
import { listPage, listXml, parseListRequest } from '../../query/lake/s3-listing.ts';
import { isSignedBy, presentedSignature } from '../../query/lake/sigv4.ts';
import { elementsIn, textIn } from '../../storage/lake/s3-xml.ts';

export const S3_KEY = { accessKeyId: 'AKIATEST', secretAccessKey: 'secret-of-the-test' };
export const S3_BUCKET = 'test-lake';

interface StoredObject {
  readonly bytes: Buffer;
  readonly etag: string;
  readonly modifiedMs: number;
  readonly mark: string;
}

interface Upload {
  readonly key: string;
  readonly mark: string;
  readonly parts: Map<number, Buffer>;
}

/**
 * - `refuse`: 503, and nothing done. `lose`: done, and the connection cut before the answer.
 * - `late`: a 200 whose body tells of an error, as copies and completions may.
 */
export type Fault = 'refuse' | 'lose' | 'late' | undefined;

interface Exchange {
  readonly method: string;
  readonly key: string;
  readonly read: (name: string) => string | undefined;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | string;
}

export class S3Server {
  readonly objects = new Map<string, StoredObject>();
  readonly uploads = new Map<string, Upload>();
  /** Every request as `METHOD key`. */
  readonly log: string[] = [];
  /** Asked once per request. */
  fault: (method: string, key: string, query: string) => Fault = () => undefined;
  ignoresConditions = false;
  pageMax = 1000;
  readonly #server: Server;

  readonly #bucket: string;

  private constructor(bucket: string) {
    this.#bucket = bucket;
    this.#server = createServer((request, response) => {
      this.#handle(request, response).catch((error: unknown) => {
        response.writeHead(500).end(String(error));
      });
    });
  }

  static async open(bucket = S3_BUCKET): Promise<S3Server> {
    const server = new S3Server(bucket);
    await new Promise<void>((resolve) => {
      server.#server.listen(0, '127.0.0.1', resolve);
    });
    return server;
  }

  get endpoint(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    const body = Buffer.concat(pieces);
    const [path, query = ''] = (request.url ?? '').split('?') as [string, string?];
    const key = decodePercent(path)!.slice(this.#bucket.length + 2);
    const method = request.method ?? '';
    this.log.push(`${method} ${key}`);
    const fault = this.fault(method, key, query);
    if (fault === 'refuse') {
      response.writeHead(503).end('<Error><Code>SlowDown</Code></Error>');
      return;
    }
    const parameters = parseQuery(query) ?? [];
    const problem = verify(request, path, query, body);
    const read = (name: string): string | undefined => parameter(parameters, name);
    const answer =
      problem === undefined
        ? await this.#answer({ method, key, read, headers: request.headers, body }, query)
        : error(problem);
    if (fault === 'lose') {
      response.destroy();
      return;
    }
    const late = '<Error><Code>InternalError</Code><Message>late</Message></Error>';
    const content = Buffer.from(fault === 'late' ? late : (answer.body ?? ''));
    response.writeHead(answer.status, { 'Content-Length': content.length, ...answer.headers });
    response.end(method === 'HEAD' ? undefined : content);
  }

  async #answer(exchange: Exchange, query: string): Promise<Answer> {
    const { key, method, read } = exchange;
    if (key === '') return this.#list(query);
    const isUpload = read('uploads') !== undefined || read('uploadId') !== undefined;
    if (isUpload) return this.#multipart(exchange);
    if (method === 'PUT') return this.#put(exchange);
    if (method === 'DELETE') {
      this.objects.delete(key);
      return { status: 204 };
    }
    const object = this.objects.get(key);
    if (object === undefined) return error('NoSuchKey');
    const range = parseRange(exchange.headers.range, object.bytes.length);
    if (range === 'unsatisfiable') return error('InvalidRange');
    const { offset, length } =
      range === 'whole' ? { offset: 0, length: object.bytes.length } : range;
    const bytes = object.bytes.subarray(offset, offset + length);
    return { status: range === 'whole' ? 200 : 206, headers: headersOf(object), body: bytes };
  }

  #put({ body, headers, key }: Exchange): Answer {
    const source = headers['x-amz-copy-source'];
    if (source !== undefined) {
      const from = decodePercent(String(source))!.slice(this.#bucket.length + 2);
      const object = this.objects.get(from);
      if (object === undefined) return error('NoSuchKey');
      this.objects.set(key, object);
      return { status: 200, body: '<CopyObjectResult/>' };
    }
    if (this.#isTaken(key, headers)) return error('PreconditionFailed');
    const mark = String(headers['x-amz-meta-tributary-put'] ?? '');
    this.objects.set(key, { bytes: body, etag: etagOf(body), modifiedMs: Date.now(), mark });
    return { status: 200, headers: { ETag: etagOf(body) } };
  }

  #multipart({ body, headers, key, method, read }: Exchange): Answer {
    if (method === 'POST' && read('uploads') !== undefined) {
      const uploadId = randomUUID();
      const mark = String(headers['x-amz-meta-tributary-put'] ?? '');
      this.uploads.set(uploadId, { key, mark, parts: new Map() });
      return { status: 200, body: `<R><UploadId>${uploadId}</UploadId></R>` };
    }
    const uploadId = read('uploadId') ?? '';
    const upload = this.uploads.get(uploadId);
    if (upload?.key !== key) return error('NoSuchKey');
    if (method === 'PUT') {
      upload.parts.set(Number(read('partNumber')), body);
      return { status: 200, headers: { ETag: etagOf(body) } };
    }
    if (method === 'DELETE') {
      this.uploads.delete(uploadId);
      return { status: 204 };
    }
    if (this.#isTaken(key, headers)) return error('PreconditionFailed');
    const parts: Buffer[] = [];
    for (const part of elementsIn(body.toString('utf8'), 'Part')) {
      const bytes = upload.parts.get(Number(textIn(part, 'PartNumber')));
      if (bytes === undefined || etagOf(bytes) !== textIn(part, 'ETag'))
        return error('InvalidArgument');
      parts.push(bytes);
    }
    const bytes = Buffer.concat(parts);
    const { mark } = upload;
    this.objects.set(key, { bytes, etag: etagOf(bytes), modifiedMs: Date.now(), mark });
    this.uploads.delete(uploadId);
    return { status: 200, body: '<R/>' };
  }

  async #list(query: string): Promise<Answer> {
    const list = parseListRequest(parseQuery(query) ?? []);
    if (list === undefined) return error('InvalidArgument');
    const { objects } = this;
    const request = { ...list, keysMax: Math.min(list.keysMax, this.pageMax) };
    const store = {
      async *list(prefix: string, { startAfter = '' }: { readonly startAfter?: string } = {}) {
        for (const key of [...objects.keys()].sort()) {
          const { bytes, modifiedMs } = objects.get(key)!;
          const info = { key, bytes: bytes.length, modifiedMicros: modifiedMs * 1000 };
          if (key.startsWith(prefix) && key > startAfter) yield info;
        }
      },
    };
    const page = await listPage(store, request, () => true);
    return { status: 200, body: listXml(this.#bucket, request, page, () => '"x"') };
  }

  #isTaken(key: string, headers: IncomingMessage['headers']): boolean {
    if (headers['if-none-match'] !== '*' || this.ignoresConditions) return false;
    return this.objects.has(key);
  }
}

function verify(
  request: IncomingMessage,
  path: string,
  query: string,
  body: Buffer,
): S3ErrorCode | undefined {
  const headers = Object.fromEntries(
    Object.entries(request.headers).map(([name, value]) => [name, String(value)]),
  );
  const plain = { method: request.method ?? '', path, query, headers, body, origin: '' };
  const decoded = { request: plain, path: decodePercent(path)!, parameters: parseQuery(query)! };
  const presented = presentedSignature(decoded);
  if (typeof presented === 'string') return presented;
  if (presented.payloadHash !== createHash('sha256').update(body).digest('hex')) {
    return 'SignatureDoesNotMatch';
  }
  if (presented.accessKeyId !== S3_KEY.accessKeyId) return 'InvalidAccessKeyId';
  return isSignedBy(decoded, presented, S3_KEY.secretAccessKey)
    ? undefined
    : 'SignatureDoesNotMatch';
}

function headersOf({ etag, mark, modifiedMs }: StoredObject): Record<string, string> {
  return {
    ETag: etag,
    'Last-Modified': new Date(modifiedMs).toUTCString(),
    'x-amz-meta-tributary-put': mark,
  };
}

function error(code: S3ErrorCode): Answer {
  const { body, status } = s3Error(code, '');
  return { status, body: body as Uint8Array };
}

function etagOf(bytes: Uint8Array): string {
  return `"${createHash('md5').update(bytes).digest('hex')}"`;
}
