/**
 * The control plane of the appliance: which tenants and sources exist, and whom a key lets in.
 *
 * Every request authenticates, so what is asked most must cost least: a key that proved itself once is
 * found again by one Map lookup of the presented string. The cache holds only keys that are in the
 * control document, so strangers cannot make it grow.
 *
 * - The tenant comes from the key, never from the request.
 * - Hashes are compared in constant time; an unknown id is compared with a dummy. What the timing of
 *   the lookups can tell is the public id.
 * - The file is replaced before a new document is used.
 */
import { timingSafeEqual } from 'node:crypto';
import type { Clock } from '../base/clock.ts';
import type { RandomSource } from '../base/random.ts';
import {
  type ControlDocument,
  firstDocument,
  type KeyRecord,
  parseControl,
  serialiseControl,
} from './control-file.ts';
import { hashKey, isMistyped, keyId, mintKey } from './control-keys.ts';
import type { Source } from './types.ts';

/** Where the control document lives. `replace` is atomic and durable when it resolves. */
export interface ControlStore {
  readonly path: string;
  /** The whole text, or undefined when there is none yet. */
  read(): Promise<string | undefined>;
  replace(text: string): Promise<void>;
}

/** Whom a write key lets in: batches of `source` go to `tenantId`. */
export interface WritePrincipal {
  readonly tenantId: string;
  readonly source: Source;
  readonly keyId: string;
}

/** Whom an admin key lets in: everything of one tenant. */
export interface AdminPrincipal {
  readonly tenantId: string;
  readonly keyId: string;
}

/** Keys to start with instead of minted ones. Only the first start reads them. */
export interface BootstrapKeys {
  readonly writeKey?: string;
  readonly adminKey?: string;
}

/** Keys as they are shown once; a key the operator chose is not shown. */
export interface IssuedKeys {
  readonly writeKey?: string;
  readonly adminKey?: string;
}

export interface ControlOptions {
  readonly store: ControlStore;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly bootstrap?: BootstrapKeys;
}

export interface TenantDescription {
  readonly id: string;
  readonly name: string;
  readonly sources: readonly Source[];
}

interface StoredKey<Principal> {
  readonly sha256: Buffer;
  readonly principal: Principal;
}

const DUMMY = Buffer.alloc(32);

export class ControlPlane {
  /** Keys made by this start, to be printed once; undefined on every later start. */
  readonly issued: IssuedKeys | undefined;
  readonly tenants: readonly TenantDescription[];
  readonly #write: KeyRing<WritePrincipal>;
  readonly #admin: KeyRing<AdminPrincipal>;

  private constructor(document: ControlDocument, issued: IssuedKeys | undefined) {
    this.issued = issued;
    this.tenants = describeTenants(document);
    this.#write = new KeyRing(writeKeysOf(document));
    this.#admin = new KeyRing(adminKeysOf(document));
  }

  /**
   * Reads the control document, or makes the first one with tenant and source `default`.
   * @throws TributaryError TRIBUTARY_CONFIG_CONTROL_MALFORMED
   */
  static async open(options: ControlOptions): Promise<ControlPlane> {
    const { store, clock, random, bootstrap = {} } = options;
    const text = await store.read();
    if (text !== undefined) return new ControlPlane(parseControl(text, store.path), undefined);

    const writeKey = bootstrap.writeKey ?? mintKey('write', random);
    const adminKey = bootstrap.adminKey ?? mintKey('admin', random);
    const document = firstDocument(
      randomUuid(random),
      keyRecord(writeKey, clock),
      keyRecord(adminKey, clock),
    );
    await store.replace(serialiseControl(document));
    return new ControlPlane(document, {
      ...(bootstrap.writeKey === undefined && { writeKey }),
      ...(bootstrap.adminKey === undefined && { adminKey }),
    });
  }

  /** @returns undefined when no source has this key. */
  authenticateWrite(key: string): WritePrincipal | undefined {
    return this.#write.find(key);
  }

  /** @returns undefined when no tenant has this admin key. */
  authenticateAdmin(key: string): AdminPrincipal | undefined {
    return this.#admin.find(key);
  }
}

/** The keys of one kind, by id, and those that already proved themselves, by their text. */
class KeyRing<Principal> {
  readonly #stored: ReadonlyMap<string, StoredKey<Principal>>;
  readonly #proven = new Map<string, Principal>();

  constructor(stored: ReadonlyMap<string, StoredKey<Principal>>) {
    this.#stored = stored;
  }

  find(key: string): Principal | undefined {
    return this.#proven.get(key) ?? this.#prove(key);
  }

  #prove(key: string): Principal | undefined {
    if (isMistyped(key)) return undefined;
    const stored = this.#stored.get(keyId(key));
    const equal = timingSafeEqual(hashKey(key), stored?.sha256 ?? DUMMY);
    if (stored === undefined || !equal) return undefined;
    this.#proven.set(key, stored.principal);
    return stored.principal;
  }
}

function writeKeysOf(document: ControlDocument): Map<string, StoredKey<WritePrincipal>> {
  const keys = new Map<string, StoredKey<WritePrincipal>>();
  for (const tenant of document.tenants) {
    for (const { ordinal, name, keys: records } of tenant.sources) {
      const source: Source = Object.freeze({ ordinal, name });
      for (const record of records) {
        const principal = Object.freeze({ tenantId: tenant.id, source, keyId: record.id });
        keys.set(record.id, { sha256: Buffer.from(record.sha256, 'hex'), principal });
      }
    }
  }
  return keys;
}

function adminKeysOf(document: ControlDocument): Map<string, StoredKey<AdminPrincipal>> {
  const keys = new Map<string, StoredKey<AdminPrincipal>>();
  for (const tenant of document.tenants) {
    for (const record of tenant.admin_keys) {
      const principal = Object.freeze({ tenantId: tenant.id, keyId: record.id });
      keys.set(record.id, { sha256: Buffer.from(record.sha256, 'hex'), principal });
    }
  }
  return keys;
}

function describeTenants(document: ControlDocument): readonly TenantDescription[] {
  return document.tenants.map(({ id, name, sources }) =>
    Object.freeze({
      id,
      name,
      sources: sources.map(({ ordinal, name: sourceName }) =>
        Object.freeze({ ordinal, name: sourceName }),
      ),
    }),
  );
}

function keyRecord(key: string, clock: Clock): KeyRecord {
  return {
    id: keyId(key),
    sha256: hashKey(key).toString('hex'),
    created_at: new Date(clock.nowMicros() / 1000).toISOString(),
  };
}

/** A version 4 UUID (RFC 9562). */
function randomUuid(random: RandomSource): string {
  const bytes = random.bytes(16);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const hex = Buffer.from(bytes).toString('hex');
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
