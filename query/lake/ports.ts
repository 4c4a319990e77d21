/**
 * The little that the catalog and the facade read: tokens, tables, objects.
 *
 * Both are functions from request to answer (base/plain-http.ts) over these ports; ingest/ puts a server
 * before them, bin/ plugs the lake and the control plane in.
 */
import type { LakePrincipal } from '../../engine/control.ts';
import type { LakeTable } from '../../storage/lake/lake-table.ts';
import type { ObjectStore } from '../../storage/lake/object-store.ts';

/** Tokens, as the control plane has them now: a revoked one is unknown at once. */
export interface LakeAccess {
  authenticate(token: string): LakePrincipal | undefined;
  principal(tokenId: string): LakePrincipal | undefined;
  /** The secret that keys and sessions of a tenant are derived from; 32 bytes. */
  signingKey(tenantId: string): Uint8Array;
}

/** What the catalog tells of a table. */
export type CatalogTable = Pick<LakeTable, 'name' | 'location' | 'metadata'>;

/** The tables of one tenant, as they are now. */
export interface TenantTables {
  readonly namespace: string;
  /** Their names, in order. */
  list(): Promise<readonly string[]>;
  /** @returns undefined when there is no such table. */
  load(name: string): Promise<CatalogTable | undefined>;
}

/** The objects of the lake, read only. */
export type ObjectReader = Pick<ObjectStore, 'head' | 'get' | 'list'>;
