/**
 * The object-store port: where the bytes of the lake lie, as keys under one bucket.
 *
 * Why the model of S3 and not that of a file system: the lake may lie on a local disk or on a real S3
 * store under the same keys, and its metadata names objects as `s3://<bucket>/<key>` either way, so
 * that moving it rewrites nothing.
 *
 * - Objects are immutable but for hints: everything a reader relies on is put with `ifNoneMatch`.
 * - What `put` and `putFile` have resolved for is durable, under its name. What `list` and `head` have
 *   shown is durable too, even when the process that put it was killed half-way.
 * - Of two conditional puts of one key exactly one answers `stored`.
 * - Keys are relative POSIX paths in ASCII without empty, `.` or `..` parts, see location.ts.
 *
 * Failure: a rejected `put` leaves either no object or the whole one; the caller cannot know which
 * until it has opened the store again. One suite, tests/lake/object-store-suite.ts, holds every
 * implementation to this contract.
 */

export interface ObjectInfo {
  readonly key: string;
  readonly bytes: number;
  /** When its content was written, microseconds since 1970-01-01T00:00:00Z. */
  readonly modifiedMicros: number;
}

/** A half-open range of an object, bytes. It may reach beyond the end, not begin there. */
export interface ByteRange {
  readonly start: number;
  readonly end: number;
}

export interface PutOptions {
  /** Puts only where there is no object of that key yet (`If-None-Match: *`). */
  readonly ifNoneMatch?: boolean;
}

/** `exists`: the put was conditional and the key is taken; nothing was written. */
export type PutResult = 'stored' | 'exists';

export interface ListOptions {
  /** Only keys behind this one, in order. */
  readonly startAfter?: string;
}

export interface ObjectStore {
  /** The name in `s3://<bucket>/`. */
  readonly bucket: string;
  /**
   * A local directory for files on their way into the store: the caller writes a file of a name of its
   * own and hands it to {@link ObjectStore.putFile}. It is emptied when the store is opened.
   */
  readonly stagingDirectory: string;
  put(key: string, bytes: Uint8Array, options?: PutOptions): Promise<PutResult>;
  /**
   * Puts the file at `path`, conditionally, and removes it from there. The file lies in
   * `stagingDirectory` and is closed; it need not be synced. When it answers `exists`, it is left.
   */
  putFile(key: string, path: string): Promise<PutResult>;
  /** @throws TRIBUTARY_LAKE_OBJECT_MISSING */
  get(key: string, range?: ByteRange): Promise<Uint8Array>;
  /** @returns undefined when there is no such object. */
  head(key: string): Promise<ObjectInfo | undefined>;
  /** Objects whose keys start with `prefix`, in order of their keys. */
  list(prefix: string, options?: ListOptions): AsyncIterable<ObjectInfo>;
  /** Gives an object another key. @throws TRIBUTARY_LAKE_OBJECT_MISSING */
  move(fromKey: string, toKey: string): Promise<void>;
  /** Removes an object. One that is not there is no error. */
  delete(key: string): Promise<void>;
  /** Where a process on this machine reads the object as a file; undefined when it cannot. */
  localPath(key: string): string | undefined;
}
