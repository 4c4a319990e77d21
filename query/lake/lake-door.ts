/** Puts the catalog and the facade over one store: what the front door serves to other engines. */
import type { Clock } from '../../base/clock.ts';
import type { PlainAnswer, PlainRequest } from '../../base/plain-http.ts';
import { lakeNamespace } from '../../engine/lake-namespace.ts';
import type { ObjectStore } from '../../storage/lake/object-store.ts';
import { Catalog } from './catalog.ts';
import type { LakeAccess } from './ports.ts';
import { S3Facade } from './s3-facade.ts';
import { StoredTables } from './stored-tables.ts';

export interface LakeDoorOptions {
  readonly store: ObjectStore;
  readonly access: LakeAccess;
  /** See `store` of CatalogOptions. */
  readonly direct?: Readonly<Record<string, string>>;
  readonly clock: Clock;
}

export class LakeDoor {
  readonly #catalog: Catalog;
  readonly #facade: S3Facade;
  readonly #tables = new Map<string, StoredTables>();

  constructor({ access, clock, direct, store }: LakeDoorOptions) {
    const { bucket } = store;
    this.#catalog = new Catalog({
      bucket,
      access,
      clock,
      tables: (tenantId) => this.#tablesOf(tenantId, store),
      ...(direct !== undefined && { store: direct }),
    });
    this.#facade = new S3Facade({ bucket, access, clock, objects: store });
  }

  catalog(request: PlainRequest): Promise<PlainAnswer> {
    return this.#catalog.answer(request);
  }

  objects(request: PlainRequest): Promise<PlainAnswer> {
    return this.#facade.answer(request);
  }

  #tablesOf(tenantId: string, store: ObjectStore): StoredTables {
    let tables = this.#tables.get(tenantId);
    if (tables === undefined) {
      tables = new StoredTables(store, lakeNamespace(tenantId));
      this.#tables.set(tenantId, tables);
    }
    return tables;
  }
}
