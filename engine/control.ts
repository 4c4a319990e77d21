/**
 * The control plane of the appliance: which tenants and sources exist, and whom a key lets in.
 *
 * - The tenant comes from the key, never from the request.
 * - The file is replaced before a new document is used. Changes are made one after another.
 */
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { RandomSource } from '../base/random.ts';
import {
  type ControlDocument,
  firstDocument,
  type KeyRecord,
  type LakeTokenRecord,
  parseControl,
  serialiseControl,
  type TenantRecord,
} from './control-file.ts';
import { hashKey, keyId, mintKey } from './control-keys.ts';
import { KeyRing, type StoredKey } from './key-ring.ts';
import type { OwnRetention } from './retention.ts';
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

/** Whom a lake token lets in: reads of one tenant's tables by other engines. */
export interface LakePrincipal {
  readonly tenantId: string;
  readonly tokenId: string;
}

/** A lake token as it may be shown again. */
export type LakeTokenDescription = Omit<LakeTokenRecord, 'sha256'>;

/** A lake token as it is shown once. */
export interface IssuedLakeToken extends LakeTokenDescription {
  readonly token: string;
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

export class ControlPlane {
  /** Keys made by this start, to be printed once; undefined on every later start. */
  readonly issued: IssuedKeys | undefined;
  readonly tenants: readonly TenantDescription[];
  readonly #write: KeyRing<WritePrincipal>;
  readonly #admin: KeyRing<AdminPrincipal>;
  readonly #options: ControlOptions;
  #document: ControlDocument;
  #lake: KeyRing<LakePrincipal>;
  /** The change that is under way, and those behind it. */
  #changes: Promise<unknown> = Promise.resolve();

  private constructor(
    options: ControlOptions,
    document: ControlDocument,
    issued: IssuedKeys | undefined,
  ) {
    this.#options = options;
    this.#document = document;
    this.issued = issued;
    this.tenants = describeTenants(document);
    this.#write = new KeyRing(writeKeysOf(document));
    this.#admin = new KeyRing(adminKeysOf(document));
    this.#lake = new KeyRing(lakeTokensOf(document));
  }

  /**
   * Reads the control document, or makes the first one with tenant and source `default`.
   * @throws TributaryError TRIBUTARY_CONFIG_CONTROL_MALFORMED
   */
  static async open(options: ControlOptions): Promise<ControlPlane> {
    const { store, clock, random, bootstrap = {} } = options;
    const text = await store.read();
    if (text !== undefined) {
      return new ControlPlane(options, parseControl(text, store.path), undefined);
    }

    const writeKey = bootstrap.writeKey ?? mintKey('write', random);
    const adminKey = bootstrap.adminKey ?? mintKey('admin', random);
    const document = firstDocument(
      randomUuid(random),
      keyRecord(writeKey, clock),
      keyRecord(adminKey, clock),
    );
    await store.replace(serialiseControl(document));
    return new ControlPlane(options, document, {
      ...(bootstrap.writeKey === undefined && { writeKey }),
      ...(bootstrap.adminKey === undefined && { adminKey }),
    });
  }

  /** The source of a tenant by its name, for events that the appliance sends again. */
  sourceNamed(tenantId: string, name: string): Source | undefined {
    const tenant = this.tenants.find(({ id }) => id === tenantId);
    return tenant?.sources.find((source) => source.name === name);
  }

  /** @returns undefined when no source has this key. */
  authenticateWrite(key: string): WritePrincipal | undefined {
    return this.#write.find(key);
  }

  /** @returns undefined when no tenant has this admin key. */
  authenticateAdmin(key: string): AdminPrincipal | undefined {
    return this.#admin.find(key);
  }

  /** @returns undefined when no tenant has this lake token. */
  authenticateLake(token: string): LakePrincipal | undefined {
    return this.#lake.find(token);
  }

  /** Whom the lake token of that id lets in; undefined once it is revoked. */
  lakePrincipal(tokenId: string): LakePrincipal | undefined {
    return this.#lake.principal(tokenId);
  }

  lakeTokens(tenantId: string): readonly LakeTokenDescription[] {
    const { lake_tokens: tokens = [] } = this.#tenant(tenantId);
    return tokens.map(({ id, name, created_at }) => ({ id, name, created_at }));
  }

  /**
   * Makes a lake token; the answer is the only place that shows it.
   * @throws TributaryError TRIBUTARY_ACCESS_LAKE_TOKENS_FULL
   */
  createLakeToken(tenantId: string, name: string): Promise<IssuedLakeToken> {
    const { clock, random } = this.#options;
    const token = mintKey('lake', random);
    const record = { ...keyRecord(token, clock), name };
    return this.#changeTokens(tenantId, (tokens) => {
      const limit = LIMITS.lakeTokensMax;
      if (tokens.length >= limit) {
        throw new TributaryError('TRIBUTARY_ACCESS_LAKE_TOKENS_FULL', { limit });
      }
      return [...tokens, record];
    }).then(() => ({ id: record.id, name, created_at: record.created_at, token }));
  }

  /**
   * Takes a lake token back; what was derived from it ends with it.
   * @throws TributaryError TRIBUTARY_ACCESS_LAKE_TOKEN_UNKNOWN
   */
  revokeLakeToken(tenantId: string, id: string): Promise<void> {
    return this.#changeTokens(tenantId, (tokens) => {
      const rest = tokens.filter((token) => token.id !== id);
      if (rest.length < tokens.length) return rest;
      throw new TributaryError('TRIBUTARY_ACCESS_LAKE_TOKEN_UNKNOWN', { id });
    });
  }

  /** What a tenant has of its own, by table. */
  ownRetention(tenantId: string): Readonly<Record<string, number>> {
    return this.#tenant(tenantId).retention_days ?? {};
  }

  /** Sets what a tenant has of its own; null takes it away, and tables that are not named stay. */
  changeRetention(tenantId: string, change: OwnRetention): Promise<void> {
    return this.#change(tenantId, ({ retention_days: days = {} }) => {
      const changed = Object.entries({ ...days, ...change });
      const own = changed.filter((entry): entry is [string, number] => entry[1] != null);
      return { retention_days: Object.fromEntries(own) };
    });
  }

  #changeTokens(
    tenantId: string,
    next: (tokens: readonly LakeTokenRecord[]) => readonly LakeTokenRecord[],
  ): Promise<void> {
    return this.#change(tenantId, ({ lake_tokens = [] }) => ({ lake_tokens: next(lake_tokens) }));
  }

  /** Replaces members of a tenant's record, durably and then here, after the changes before it. */
  #change(tenantId: string, next: (tenant: TenantRecord) => Partial<TenantRecord>): Promise<void> {
    const change = this.#changes.then(async () => {
      const changed = this.#tenant(tenantId);
      const tenant = { ...changed, ...next(changed) };
      const tenants = this.#document.tenants.map((other) => (other === changed ? tenant : other));
      const document = { ...this.#document, tenants };
      await this.#options.store.replace(serialiseControl(document));
      this.#document = document;
      this.#lake = new KeyRing(lakeTokensOf(document));
    });
    this.#changes = change.catch(() => undefined);
    return change;
  }

  #tenant(id: string): TenantRecord {
    const tenant = this.#document.tenants.find((candidate) => candidate.id === id);
    if (tenant === undefined) throw new TributaryError('TRIBUTARY_ENGINE_TENANT_UNKNOWN', { id });
    return tenant;
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

function lakeTokensOf(document: ControlDocument): Map<string, StoredKey<LakePrincipal>> {
  const keys = new Map<string, StoredKey<LakePrincipal>>();
  for (const tenant of document.tenants) {
    for (const { id, sha256 } of tenant.lake_tokens ?? []) {
      const principal = Object.freeze({ tenantId: tenant.id, tokenId: id });
      keys.set(id, { sha256: Buffer.from(sha256, 'hex'), principal });
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
