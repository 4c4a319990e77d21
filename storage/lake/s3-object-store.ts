/**
 * The object store on S3: the same keys as on a local disk, so that moving the lake copies objects and
 * rewrites nothing.
 *
 * What makes it safe is the conditional put (`If-None-Match: *`), which not every store honours, and some
 * ignore without a word. So opening puts one object twice, and refuses a store that takes the second.
 *
 * - A conditional put carries a mark of its own as metadata. When an attempt got no answer and the next one
 *   says that the key is taken, the mark tells whether it was taken by us.
 * - Files above 64 MiB go up in parts; the last request makes them an object, under the same condition.
 * - A failed upload is aborted as far as possible; what is left of it is no object, and a lifecycle rule of
 *   the bucket for incomplete uploads removes it.
 *
 * Conditional writes: "Add preconditions to S3 operations with conditional requests" of the S3 user guide.
 */
import { TributaryError } from '../../base/errors.ts';
import type { RandomSource } from '../../base/random.ts';
import { MIB } from '../../base/units.ts';
import {
  type FileHandle,
  type FileSystem,
  makeDirectoryDurable,
  readFully,
} from '../file-system.ts';
import { isObjectKey, randomUuid } from './location.ts';
import type {
  ByteRange,
  ListOptions,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  PutResult,
} from './object-store.ts';
import { S3Client, type S3ClientOptions, type S3Response } from './s3-client.ts';
import { elementsIn, textIn } from './s3-xml.ts';

const MARK = 'x-amz-meta-tributary-put';
/** Answers to a conditional put or completion: the key is taken, or the upload is over. */
const CONDITIONAL = { 'if-none-match': '*' };

export interface S3ObjectStoreOptions extends S3ClientOptions {
  readonly fileSystem: FileSystem;
  /** A local directory; made when it is missing, and emptied. */
  readonly stagingDirectory: string;
  /** Files above it go up in parts of `partBytes`. S3 takes parts of 5 MiB or more. */
  readonly multipartBytesMin?: number;
  readonly partBytes?: number;
}

export class S3ObjectStore implements ObjectStore {
  readonly bucket: string;
  readonly stagingDirectory: string;
  readonly #client: S3Client;
  readonly #fileSystem: FileSystem;
  readonly #random: RandomSource;
  readonly #multipartBytesMin: number;
  readonly #partBytes: number;

  private constructor(options: S3ObjectStoreOptions) {
    const { multipartBytesMin = 64 * MIB, partBytes = 16 * MIB } = options;
    this.bucket = options.bucket;
    this.stagingDirectory = options.stagingDirectory;
    this.#client = new S3Client(options);
    this.#fileSystem = options.fileSystem;
    this.#random = options.random;
    this.#multipartBytesMin = multipartBytesMin;
    this.#partBytes = partBytes;
  }

  /**
   * @throws TributaryError TRIBUTARY_LAKE_STORE_UNCONDITIONAL when the store ignores conditions,
   *   _STORE_UNREACHABLE or _STORE_REFUSED when it cannot be used at all.
   */
  static async open(options: S3ObjectStoreOptions): Promise<S3ObjectStore> {
    const { bucket, endpoint, fileSystem, stagingDirectory } = options;
    const store = new S3ObjectStore(options);
    await makeDirectoryDurable(fileSystem, stagingDirectory);
    for (const name of await fileSystem.list(stagingDirectory)) {
      await fileSystem.unlink(`${stagingDirectory}/${name}`);
    }
    if (!(await store.#honoursConditions())) {
      throw new TributaryError('TRIBUTARY_LAKE_STORE_UNCONDITIONAL', { bucket, endpoint });
    }
    return store;
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    requireKey(key);
    const mark = randomUuid(this.#random);
    const isConditional = options.ifNoneMatch === true;
    const response = await this.#client.request({
      method: 'PUT',
      key,
      headers: { ...(isConditional && CONDITIONAL), [MARK]: mark },
      body: bytes,
      expected: isConditional ? [412] : [],
    });
    return response.status === 412 ? this.#whoseIs(key, mark, response) : 'stored';
  }

  async putFile(key: string, path: string): Promise<PutResult> {
    requireKey(key);
    const handle = await this.#fileSystem.open(path, 'read');
    let result: PutResult;
    try {
      const bytes = await handle.size();
      result =
        bytes > this.#multipartBytesMin
          ? await this.#putParts(key, handle, bytes)
          : await this.put(key, await readPart(handle, 0, bytes), { ifNoneMatch: true });
    } finally {
      await handle.close();
    }
    if (result === 'stored') await this.#fileSystem.unlink(path);
    return result;
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array> {
    requireKey(key);
    if (range !== undefined && range.start >= range.end) return new Uint8Array();
    const response = await this.#client.request({
      method: 'GET',
      key,
      headers: range === undefined ? {} : { range: `bytes=${range.start}-${range.end - 1}` },
      expected: [404, 416],
    });
    if (response.status === 404) throw new TributaryError('TRIBUTARY_LAKE_OBJECT_MISSING', { key });
    return response.status === 416 ? new Uint8Array() : response.body;
  }

  async head(key: string): Promise<ObjectInfo | undefined> {
    requireKey(key);
    const { headers, status } = await this.#client.request({
      method: 'HEAD',
      key,
      expected: [404],
    });
    if (status === 404) return undefined;
    return {
      key,
      bytes: Number(headers.get('content-length')),
      modifiedMicros: Date.parse(headers.get('last-modified') ?? '') * 1000,
    };
  }

  async *list(prefix: string, options: ListOptions = {}): AsyncIterable<ObjectInfo> {
    let page: Readonly<Record<string, string>> =
      options.startAfter === undefined ? {} : { 'start-after': options.startAfter };
    for (;;) {
      const { body } = await this.#client.request({
        method: 'GET',
        key: '',
        query: { 'list-type': '2', prefix, ...page },
      });
      const xml = Buffer.from(body).toString('utf8');
      for (const entry of elementsIn(xml, 'Contents')) {
        yield {
          key: textIn(entry, 'Key') ?? '',
          bytes: Number(textIn(entry, 'Size')),
          modifiedMicros: Date.parse(textIn(entry, 'LastModified') ?? '') * 1000,
        };
      }
      const token = textIn(xml, 'NextContinuationToken');
      if (token === undefined) return;
      page = { 'continuation-token': token };
    }
  }

  async move(fromKey: string, toKey: string): Promise<void> {
    requireKey(fromKey);
    requireKey(toKey);
    const { body, status } = await this.#client.request({
      method: 'PUT',
      key: toKey,
      headers: { 'x-amz-copy-source': `/${this.bucket}/${encodeURI(fromKey)}` },
      expected: [404],
    });
    if (status === 404) throw new TributaryError('TRIBUTARY_LAKE_OBJECT_MISSING', { key: fromKey });
    requireDone(`copy of ${fromKey}`, body);
    await this.delete(fromKey);
  }

  async delete(key: string): Promise<void> {
    requireKey(key);
    await this.#client.request({ method: 'DELETE', key, expected: [404] });
  }

  localPath(): undefined {
    return undefined;
  }

  async #honoursConditions(): Promise<boolean> {
    const key = `.tributary/probe-${randomUuid(this.#random)}`;
    const bytes = Buffer.from('Does a conditional put replace an object? It must not.\n');
    try {
      await this.put(key, bytes, { ifNoneMatch: true });
      return (await this.put(key, bytes, { ifNoneMatch: true })) === 'exists';
    } finally {
      await this.delete(key);
    }
  }

  /** Whether the object that a conditional put met was put by an earlier attempt of it. */
  async #whoseIs(key: string, mark: string, { attempts }: S3Response): Promise<PutResult> {
    if (attempts === 1) return 'exists';
    const { headers } = await this.#client.request({ method: 'HEAD', key, expected: [404] });
    return headers.get(MARK) === mark ? 'stored' : 'exists';
  }

  async #putParts(key: string, handle: FileHandle, bytes: number): Promise<PutResult> {
    const mark = randomUuid(this.#random);
    const begun = await this.#client.request({
      method: 'POST',
      key,
      query: { uploads: '' },
      headers: { [MARK]: mark },
    });
    const uploadId = textIn(Buffer.from(begun.body).toString('utf8'), 'UploadId') ?? '';
    try {
      const parts: string[] = [];
      for (let offset = 0; offset < bytes; offset += this.#partBytes) {
        const length = Math.min(this.#partBytes, bytes - offset);
        const partNumber = String(parts.length + 1);
        const { headers } = await this.#client.request({
          method: 'PUT',
          key,
          query: { partNumber, uploadId },
          body: await readPart(handle, offset, length),
        });
        const etag = headers.get('etag') ?? '';
        parts.push(`<Part><PartNumber>${partNumber}</PartNumber><ETag>${etag}</ETag></Part>`);
      }
      const completed = await this.#client.request({
        method: 'POST',
        key,
        query: { uploadId },
        headers: CONDITIONAL,
        body: Buffer.from(`<CompleteMultipartUpload>${parts.join('')}</CompleteMultipartUpload>`),
        expected: [404, 412],
      });
      if (completed.status === 200) {
        requireDone(`upload of ${key}`, completed.body);
        return 'stored';
      }
      const result = await this.#whoseIs(key, mark, completed);
      if (result === 'exists') await this.#abort(key, uploadId);
      return result;
    } catch (error) {
      // The first failure is the one to tell; the upload's remains are no object either way.
      await this.#abort(key, uploadId).catch(() => undefined);
      throw error;
    }
  }

  async #abort(key: string, uploadId: string): Promise<void> {
    await this.#client.request({ method: 'DELETE', key, query: { uploadId }, expected: [404] });
  }
}

async function readPart(handle: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(length);
  const read = await readFully(handle, bytes, 0, length, offset);
  return bytes.subarray(0, read);
}

/** Copies and completions may fail after their 200 was sent; the body then says so. */
function requireDone(request: string, body: Uint8Array): void {
  const xml = Buffer.from(body).toString('utf8');
  if (textIn(xml, 'Error') === undefined) return;
  throw new TributaryError('TRIBUTARY_LAKE_STORE_REFUSED', {
    request,
    status: 200,
    code: textIn(xml, 'Code') ?? 'no code',
    reason: textIn(xml, 'Message') ?? 'no message',
  });
}

function requireKey(key: string): void {
  if (isObjectKey(key)) return;
  throw new TributaryError('TRIBUTARY_LAKE_LOCATION_FOREIGN', { location: key });
}
