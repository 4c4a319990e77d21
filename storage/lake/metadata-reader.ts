/**
 * Reads a table's metadata files, manifest lists and manifests from the object store, within limits, and
 * remembers manifests: they never change, and every commit and every query plan asks for them.
 *
 * Failure: damaged bytes are TRIBUTARY_LAKE_METADATA_MALFORMED with the location; an object that should
 * be there and is not, TRIBUTARY_LAKE_OBJECT_MISSING.
 */
import { TributaryError } from '../../base/errors.ts';
import { LIMITS } from '../../base/limits.ts';
import { AvroError } from './avro-schema.ts';
import { keyOf } from './location.ts';
import { decodeManifest, type ManifestEntry } from './manifest.ts';
import { decodeManifestList, type ManifestFile } from './manifest-list.ts';
import type { ObjectStore } from './object-store.ts';
import type { SnapshotJson, TableMetadata } from './table-metadata.ts';

export class MetadataReader {
  readonly #store: ObjectStore;
  /** By location; decoded with the types of `#schemaId`. */
  readonly #manifests = new Map<string, ManifestEntry[]>();
  #schemaId = -1;

  constructor(store: ObjectStore) {
    this.#store = store;
  }

  /** The text of a metadata file. */
  async metadataText(location: string): Promise<string> {
    return new TextDecoder().decode(await this.#read(location));
  }

  async manifestsOf(snapshot: SnapshotJson): Promise<ManifestFile[]> {
    const location = snapshot['manifest-list'];
    const bytes = await this.#read(location);
    return decoding(location, () => decodeManifestList(bytes));
  }

  /** All entries of a manifest, deleted ones too. */
  async entriesOf(metadata: TableMetadata, manifest: ManifestFile): Promise<ManifestEntry[]> {
    const { location } = manifest;
    const schemaId = metadata['current-schema-id'];
    if (schemaId !== this.#schemaId) {
      this.#manifests.clear();
      this.#schemaId = schemaId;
    }
    const known = this.#manifests.get(location);
    if (known !== undefined) return known;
    const bytes = await this.#read(location);
    const entries = decoding(location, () => decodeManifest(metadata, manifest, bytes));
    this.#manifests.set(location, entries);
    return entries;
  }

  /** Forgets all manifests but these. */
  retain(manifests: readonly ManifestFile[]): void {
    const kept = new Set(manifests.map(({ location }) => location));
    for (const location of this.#manifests.keys()) {
      if (!kept.has(location)) this.#manifests.delete(location);
    }
  }

  async #read(location: string): Promise<Uint8Array> {
    const limit = LIMITS.lakeMetadataBytesMax;
    const bytes = await this.#store.get(keyOf(this.#store.bucket, location), {
      start: 0,
      end: limit + 1,
    });
    if (bytes.length > limit) throw malformed(location, `it is larger than ${limit} bytes`);
    return bytes;
  }
}

function decoding<Result>(location: string, decode: () => Result): Result {
  try {
    return decode();
  } catch (error) {
    if (error instanceof AvroError) throw malformed(location, error.message, error);
    throw error;
  }
}

function malformed(location: string, reason: string, cause?: unknown): TributaryError {
  return new TributaryError('TRIBUTARY_LAKE_METADATA_MALFORMED', { location, reason }, cause);
}
