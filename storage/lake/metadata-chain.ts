/**
 * The chain of a table's metadata versions, `v1.metadata.json`, `v2.metadata.json`, …: the highest is the
 * table. Writing the next one, where nobody else has, is the commit.
 *
 *   1. the caller has written everything that the new version refers to, durably
 *   2. v<N+1>.metadata.json is put if there is none           <- the commit point
 *   3. version-hint.text is replaced, versions older than the log are deleted; failures are only logged
 *
 * - A put that finds v<N+1> taken is a conflict: the chain is read again, and the change is made for
 *   the newer version.
 * - When step 2 fails otherwise, the version is looked up. Where it is not, the commit has failed and
 *   the next one may try: should a late put of it still arrive, one of the two finds the other. Where it
 *   is seen, its durability is unknown, and a second sync would prove nothing: the chain takes no more
 *   commits until it is opened again.
 * - A committer that slept through so many commits that its version is gone would find v<N+1> free
 *   again; so the version it builds on is looked up before each commit.
 */
import { assert } from '../../base/assert.ts';
import type { Clock } from '../../base/clock.ts';
import { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import type { Logger } from '../../base/log.ts';
import { keyOf } from './location.ts';
import { formatTableMetadata, parseTableMetadata } from './metadata-json.ts';
import type { MetadataReader } from './metadata-reader.ts';
import { nextMetadata, type TableUpdate } from './metadata-updates.ts';
import type { ObjectStore } from './object-store.ts';
import type { TableMetadata } from './table-metadata.ts';

const VERSION_FILE = /\/v([1-9][0-9]{0,14})\.metadata\.json$/;
const VERSION_HINT = 'version-hint.text';

export interface MetadataVersion {
  readonly version: number;
  readonly location: string;
  readonly json: string;
  readonly metadata: TableMetadata;
}

/** Where the versions of one table lie. */
export interface MetadataPlace {
  readonly store: ObjectStore;
  readonly reader: MetadataReader;
  /** The table's key, see location.ts. */
  readonly tableKey: string;
}

export interface MetadataChainOptions extends MetadataPlace {
  readonly clock: Clock;
  readonly log: Logger;
}

export class MetadataChain {
  readonly #options: MetadataChainOptions;
  #current: MetadataVersion;
  #failure: unknown;

  /** Opens the chain; without any version, `create` makes the first one. */
  static async open(
    options: MetadataChainOptions,
    create: (nowMs: number) => TableMetadata,
  ): Promise<MetadataChain> {
    let current = await readNewestVersion(options);
    if (current === undefined) {
      const nowMs = Math.floor(options.clock.nowMicros() / 1000);
      const first = versionOf(options, 1, create(nowMs));
      await putVersion(options, first);
      // Whoever made it: it is the one that is there.
      current = await readNewestVersion(options);
      assert(current !== undefined, 'a version that was put is listed');
    }
    return new MetadataChain(options, current);
  }

  private constructor(options: MetadataChainOptions, current: MetadataVersion) {
    this.#options = options;
    this.#current = current;
  }

  get current(): MetadataVersion {
    return this.#current;
  }

  /**
   * Commits what `change` makes of the current version. It is called again for a newer version when
   * another committer was first, and answers undefined when there is nothing to do.
   */
  async advance(
    change: (base: TableMetadata) => Promise<readonly TableUpdate[] | undefined>,
  ): Promise<void> {
    for (let attempt = 0; attempt < LIMITS.lakeCommitAttemptsMax; attempt += 1) {
      this.#requireSound();
      const base = await this.#freshBase();
      const updates = await change(base.metadata);
      if (updates === undefined) return;
      const metadata = nextMetadata(base.metadata, updates, {
        nowMs: Math.floor(this.#options.clock.nowMicros() / 1000),
        previousLocation: base.location,
        versionsMax: LIMITS.lakeMetadataVersionsMax,
      });
      const next = versionOf(this.#options, base.version + 1, metadata);
      if (await this.#put(next)) {
        this.#current = next;
        await this.#tidy(base.metadata, next);
        return;
      }
      await this.#reload();
    }
    throw new TributaryError('TRIBUTARY_LAKE_CONFLICT', {
      table: this.#options.tableKey,
      attempts: LIMITS.lakeCommitAttemptsMax,
    });
  }

  async #freshBase(): Promise<MetadataVersion> {
    const { store } = this.#options;
    const key = keyOf(store.bucket, this.#current.location);
    if ((await store.head(key)) === undefined) await this.#reload();
    return this.#current;
  }

  async #reload(): Promise<void> {
    const highest = await readNewestVersion(this.#options);
    const { version } = this.#current;
    if (highest === undefined || highest.version < version) {
      throw new TributaryError('TRIBUTARY_LAKE_METADATA_MALFORMED', {
        location: this.#current.location,
        reason: 'the newest version of the table has vanished',
      });
    }
    this.#current = highest;
  }

  /** @returns false when there is such a version already. */
  async #put(next: MetadataVersion): Promise<boolean> {
    try {
      return (await putVersion(this.#options, next)) === 'stored';
    } catch (error) {
      if (await this.#isAbsent(next)) throw error;
      this.#failure = error;
      throw this.#poisoned();
    }
  }

  async #isAbsent({ location }: MetadataVersion): Promise<boolean> {
    const { store } = this.#options;
    try {
      return (await store.head(keyOf(store.bucket, location))) === undefined;
    } catch {
      return false;
    }
  }

  #requireSound(): void {
    if (this.#failure !== undefined) throw this.#poisoned();
  }

  #poisoned(): TributaryError {
    const reason = this.#failure instanceof Error ? this.#failure.message : 'it failed';
    const table = this.#options.tableKey;
    return new TributaryError('TRIBUTARY_LAKE_POISONED', { table, reason }, this.#failure);
  }

  /** What follows a commit and is not part of it. */
  async #tidy(before: TableMetadata, next: MetadataVersion): Promise<void> {
    const { store, tableKey, log } = this.#options;
    const kept = new Set(next.metadata['metadata-log'].map((entry) => entry['metadata-file']));
    try {
      const hint = new TextEncoder().encode(String(next.version));
      await store.put(`${tableKey}/metadata/${VERSION_HINT}`, hint);
      for (const entry of before['metadata-log']) {
        const location = entry['metadata-file'];
        if (!kept.has(location)) await store.delete(keyOf(store.bucket, location));
      }
    } catch (error) {
      log.log('warn', 'a lake table could not be tidied after a commit', { tableKey, error });
    }
  }
}

/** Whether a key below the table is only a hint, which no metadata refers to. */
export function isVersionHint(tableKey: string, key: string): boolean {
  return key === `${tableKey}/metadata/${VERSION_HINT}`;
}

/** The highest version of a table, which is the table; undefined where there is none. */
export async function readNewestVersion(
  options: MetadataPlace,
): Promise<MetadataVersion | undefined> {
  const { store, reader, tableKey } = options;
  let version = 0;
  for await (const { key } of store.list(`${tableKey}/metadata/v`)) {
    version = Math.max(version, Number(VERSION_FILE.exec(key)?.[1] ?? 0));
  }
  if (version === 0) return undefined;
  const location = versionLocation(options, version);
  const json = await reader.metadataText(location);
  const metadata = parseTableMetadata(json, location);
  if (metadata.location !== `s3://${store.bucket}/${tableKey}`) {
    throw new TributaryError('TRIBUTARY_LAKE_LOCATION_FOREIGN', { location: metadata.location });
  }
  return { version, location, json, metadata };
}

function versionLocation(options: MetadataPlace, version: number): string {
  return `s3://${options.store.bucket}/${options.tableKey}/metadata/v${version}.metadata.json`;
}

function versionOf(
  options: MetadataChainOptions,
  version: number,
  metadata: TableMetadata,
): MetadataVersion {
  const json = formatTableMetadata(metadata);
  return { version, location: versionLocation(options, version), json, metadata };
}

function putVersion(options: MetadataChainOptions, next: MetadataVersion) {
  const key = keyOf(options.store.bucket, next.location);
  return options.store.put(key, new TextEncoder().encode(next.json), { ifNoneMatch: true });
}
