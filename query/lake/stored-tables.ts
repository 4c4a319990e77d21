/**
 * The tables of a namespace, as they lie in the store: `<namespace>/<table>-<8hex>/metadata/v<N>.metadata.json`,
 * the highest N being the table.
 *
 * Read from the store and not from the writer's memory, so that the catalog shows what is committed and
 * nothing else, whoever writes and wherever the lake lies. A version that was read is kept while it is the
 * newest: versions never change.
 */
import { isLakeName, tableKey } from '../../storage/lake/location.ts';
import type { ObjectStore } from '../../storage/lake/object-store.ts';
import type { CatalogTable, TenantTables } from './ports.ts';

const FOLDER = /^[^/]+\/[^/]+\//;
const TABLE_FOLDER = /\/([^/]+)-[0-9a-f]{8}\/$/;
const VERSION = /\/v([1-9]\d{0,14})\.metadata\.json$/;

type ReadableStore = Pick<ObjectStore, 'bucket' | 'get' | 'list'>;

export class StoredTables implements TenantTables {
  readonly namespace: string;
  readonly #store: ReadableStore;
  readonly #newest = new Map<string, CatalogTable>();

  constructor(store: ReadableStore, namespace: string) {
    this.namespace = namespace;
    this.#store = store;
  }

  /** Finds the folders one by one: each look reads one key, and the next begins behind its folder. */
  async list(): Promise<readonly string[]> {
    const names: string[] = [];
    let behind = `${this.namespace}/`;
    for (;;) {
      const key = await this.#firstKey(`${this.namespace}/`, behind);
      if (key === undefined) return names.sort();
      const folder = FOLDER.exec(key)?.[0] ?? `${key}/`;
      const [, name] = TABLE_FOLDER.exec(folder) ?? [];
      if (name !== undefined && (await this.#newestVersion(name)) > 0) names.push(name);
      behind = `${folder.slice(0, -1)}0`; // The character behind the slash.
    }
  }

  async load(name: string): Promise<CatalogTable | undefined> {
    const version = await this.#newestVersion(name);
    if (version === 0) return undefined;
    const { bucket } = this.#store;
    const folder = tableKey(this.namespace, name);
    const key = `${folder}/metadata/v${version}.metadata.json`;
    const location = `s3://${bucket}/${key}`;
    const known = this.#newest.get(name);
    if (known?.metadata.location === location) return known;
    const json = Buffer.from(await this.#store.get(key)).toString('utf8');
    const table = { name, location: `s3://${bucket}/${folder}`, metadata: { location, json } };
    this.#newest.set(name, table);
    return table;
  }

  /** 0 when there is no such table. */
  async #newestVersion(name: string): Promise<number> {
    if (!isLakeName(name)) return 0;
    let newest = 0;
    for await (const { key } of this.#store.list(`${tableKey(this.namespace, name)}/metadata/v`)) {
      newest = Math.max(newest, Number(VERSION.exec(key)?.[1] ?? 0));
    }
    return newest;
  }

  async #firstKey(prefix: string, startAfter: string): Promise<string | undefined> {
    for await (const { key } of this.#store.list(prefix, { startAfter })) return key;
    return undefined;
  }
}
