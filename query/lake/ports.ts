/**
 * What the catalog and the facade speak: requests and answers as plain values, and the little they read.
 *
 * Both are functions from request to answer over these ports, so that they are tested without a server;
 * ingest/ turns HTTP into them, bin/ plugs the lake and the control plane in.
 */
import type { LakePrincipal } from '../../engine/control.ts';
import type { LakeTable } from '../../storage/lake/lake-table.ts';
import type { ObjectStore } from '../../storage/lake/object-store.ts';

export interface LakeRequest {
  /** Upper case. */
  readonly method: string;
  /** As it was sent, percent-encoding and all: a signature is over these characters. */
  readonly path: string;
  /** As it was sent, without the question mark. */
  readonly query: string;
  /** By lower-case name; values of a repeated header joined with a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** How clients reach the appliance: scheme, host and port, without a slash at the end. */
  readonly origin: string;
}

/** Bytes that are read piece by piece, as fast as the client takes them. */
export interface ByteSource {
  readonly length: number;
  /** Exactly `length` bytes from `offset`, both within the source. */
  read(offset: number, length: number): Promise<Uint8Array>;
}

export interface LakeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Of an answer to HEAD, what GET would send: the front door leaves it out. */
  readonly body: Uint8Array | ByteSource;
}

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
  readonly tables: readonly CatalogTable[];
}

/** The objects of the lake, read only. */
export type ObjectReader = Pick<ObjectStore, 'head' | 'get' | 'list'>;
