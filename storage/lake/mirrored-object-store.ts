/**
 * A store whose truth is remote, with a whole copy on the local disk: other engines read the remote one,
 * the appliance's own queries read the copy, as files.
 *
 * - The remote store decides: what is put is first put there, under its conditions, and listings and heads
 *   ask it. So another committer is seen, and an answer of `stored` is as durable as the remote store.
 * - Objects do not change, so what the copy has of an object is right; only hints are put anew, in both.
 * - Opening makes the copy whole: objects that only the remote store has are fetched, others removed. That
 *   also repairs a crash between the two puts, and a copy that was lost.
 *
 * Failure: when the remote put succeeded and the local one fails, the put rejects, and opening again fetches
 * the object. The contract of the port has it so: nobody knows until the store is opened again.
 */
import { MIB } from '../../base/units.ts';
import { type FileSystem, writeFully } from '../file-system.ts';
import type { LocalObjectStore } from './local-object-store.ts';
import type {
  ByteRange,
  ListOptions,
  ObjectInfo,
  ObjectStore,
  PutOptions,
  PutResult,
} from './object-store.ts';

const FETCH_BYTES = 16 * MIB;

export interface MirroredObjectStoreOptions {
  readonly remote: ObjectStore;
  /** Its staging directory is that of `remote`, too. */
  readonly local: LocalObjectStore;
  readonly fileSystem: FileSystem;
}

/** What opening did to make the copy whole. */
export interface MirrorReport {
  readonly fetchedObjects: number;
  readonly fetchedBytes: number;
  readonly removedObjects: number;
}

export class MirroredObjectStore implements ObjectStore {
  readonly bucket: string;
  readonly stagingDirectory: string;
  readonly report: MirrorReport;
  readonly #remote: ObjectStore;
  readonly #local: LocalObjectStore;
  readonly #fileSystem: FileSystem;
  #stagedFiles = 0;

  static async open(options: MirroredObjectStoreOptions): Promise<MirroredObjectStore> {
    return new MirroredObjectStore(options, await makeWhole(options));
  }

  private constructor(options: MirroredObjectStoreOptions, report: MirrorReport) {
    this.#remote = options.remote;
    this.#local = options.local;
    this.#fileSystem = options.fileSystem;
    this.bucket = options.remote.bucket;
    this.stagingDirectory = options.local.stagingDirectory;
    this.report = report;
  }

  async put(key: string, bytes: Uint8Array, options: PutOptions = {}): Promise<PutResult> {
    const result = await this.#remote.put(key, bytes, options);
    if (result === 'stored') await this.#local.put(key, bytes);
    return result;
  }

  async putFile(key: string, path: string): Promise<PutResult> {
    this.#stagedFiles += 1;
    const second = `${this.stagingDirectory}/mirror-${this.#stagedFiles}`;
    await this.#fileSystem.link(path, second);
    const result = await this.#remote.putFile(key, path);
    if (result === 'stored') await this.#local.putFile(key, second);
    else await this.#fileSystem.unlink(second);
    return result;
  }

  /** From the copy, and from the remote store what another committer has put. */
  async get(key: string, range?: ByteRange): Promise<Uint8Array> {
    const isHere = (await this.#local.head(key)) !== undefined;
    return (isHere ? this.#local : this.#remote).get(key, range);
  }

  head(key: string): Promise<ObjectInfo | undefined> {
    return this.#remote.head(key);
  }

  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo> {
    return this.#remote.list(prefix, options);
  }

  async move(fromKey: string, toKey: string): Promise<void> {
    await this.#remote.move(fromKey, toKey);
    if ((await this.#local.head(fromKey)) !== undefined) await this.#local.move(fromKey, toKey);
  }

  async delete(key: string): Promise<void> {
    await this.#remote.delete(key);
    await this.#local.delete(key);
  }

  localPath(key: string): string {
    return this.#local.localPath(key);
  }
}

/** Compares the listings by key and size, and makes the local one the remote one. */
async function makeWhole(options: MirroredObjectStoreOptions): Promise<MirrorReport> {
  const { local, remote } = options;
  const here = new Map<string, number>();
  for await (const { bytes, key } of local.list('')) here.set(key, bytes);
  let fetchedObjects = 0;
  let fetchedBytes = 0;
  for await (const { bytes, key } of remote.list('')) {
    if (here.get(key) === bytes && !isHint(key)) {
      here.delete(key);
      continue;
    }
    here.delete(key);
    await fetchObject(options, key, bytes);
    fetchedObjects += 1;
    fetchedBytes += bytes;
  }
  for (const key of here.keys()) await local.delete(key);
  return { fetchedObjects, fetchedBytes, removedObjects: here.size };
}

/** Hints are put anew under the same key; the size does not tell one from the next. */
function isHint(key: string): boolean {
  return key.endsWith('/version-hint.text');
}

async function fetchObject(
  { fileSystem, local, remote }: MirroredObjectStoreOptions,
  key: string,
  bytes: number,
): Promise<void> {
  await local.delete(key);
  const path = `${local.stagingDirectory}/fetched`;
  const handle = await fileSystem.open(path, 'create');
  try {
    for (let start = 0; start < bytes; start += FETCH_BYTES) {
      const end = Math.min(start + FETCH_BYTES, bytes);
      await writeFully(handle, await remote.get(key, { start, end }), start);
    }
  } finally {
    await handle.close();
  }
  await local.putFile(key, path);
}
