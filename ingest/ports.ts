/**
 * What the front door needs from the rooms behind it, as narrow interfaces. `bin/serve.ts` plugs the
 * engine and the query service in; ingest/ knows neither's inside.
 */
import type { TributaryError } from '../base/errors.ts';
import type { PlainAnswer, PlainRequest } from '../base/plain-http.ts';
import type {
  AdminPrincipal,
  IssuedLakeToken,
  LakeTokenDescription,
  WritePrincipal,
} from '../engine/control.ts';
import type { ErasureKeeper } from '../engine/erasure-keeper.ts';
import type { IdentityKeeper } from '../engine/identity-keeper.ts';
import type { LakeKeeper } from '../engine/lake-keeper.ts';
import type { MessageRow } from '../engine/message-search.ts';
import type { OwnRetention, RetentionDays } from '../engine/retention.ts';
import type { BatchOutcome, IncomingBatch, PublishedBatch, Source } from '../engine/types.ts';

export type { PublishedBatch };

/** Says whom a key lets in; undefined for a key that is not known. */
export interface Authenticator {
  authenticateWrite(key: string): WritePrincipal | undefined;
  authenticateAdmin(key: string): AdminPrincipal | undefined;
  /** Who says that events came from it: only the appliance itself. */
  sourceNamed(tenantId: string, name: string): Source | undefined;
}

/** Takes the batches of one tenant; resolves when they are durable. Reads `bytes` before it returns. */
export interface BatchWriter {
  append(batch: IncomingBatch): Promise<BatchOutcome>;
}

/** Where a result goes: `begin`, any number of `write`, then `end` or `fail`; or `fail` alone. */
export interface SqlSink {
  begin(contentType: string, queryId: string): void;
  /** @returns false when the client is slower than the query: the next waits for the drain callback. */
  write(bytes: Uint8Array): boolean;
  /** Called once, before any `write`: `callback` says that `write` may go on. */
  onDrain(callback: () => void): void;
  end(): void;
  /**
   * What of the answer was sent: `none` of it, `explained` when its end tells of the error, `broken`
   * when it stops anywhere.
   */
  fail(error: TributaryError, body: 'none' | 'explained' | 'broken'): void;
}

export interface SqlQuery {
  /** The client is gone; nothing more is written. Harmless once the query has ended. */
  cancel(): void;
}

export interface SqlExecutor {
  /**
   * Starts a query; `sink.fail` may be called before this returns.
   * @param request the parsed JSON of the request, not yet checked.
   * @param keyId the admin key it came with; absent for a statement of our own.
   * @throws TributaryError when the request is not one.
   */
  execute(tenantId: string, request: unknown, sink: SqlSink, keyId?: string): SqlQuery;
  /** Forgets the texts of recent statements, which may name a person who was erased. */
  forgetTexts(tenantId: string): void;
}

export interface EventTail {
  /**
   * Calls `listener` for every batch that is published from now on, in commit order, after it is
   * acknowledged. The listener returns soon and does not throw. @returns how to stop; idempotent.
   */
  tail(tenantId: string, listener: (batch: PublishedBatch) => void): () => void;
}

export interface Identifier {
  /** `user_id`, `anonymous_id`, and what else the tenant knows. */
  readonly type: string;
  readonly value: string;
}

export interface IdentityResolver {
  /**
   * The public id of an identifier's profile as of now; null for one that was never seen.
   * @throws TributaryError for a type that is none.
   */
  resolve(tenantId: string, identifier: Identifier): string | null;
  /**
   * Those of many, for the bytes of a request, many times as fast; undefined unless it is in the plain form
   * that resolve-request.ts describes. `profiles` is JSON, valid until the next request.
   */
  resolveRequest(
    tenantId: string,
    request: Uint8Array,
  ): { readonly id: number; readonly profiles: Uint8Array } | undefined;
}

type GraphAttributes = Readonly<Record<string, string | number | boolean | null>>;

/** Identifiers and what holds them together, as an answer shows them. */
export interface GraphAnswer {
  readonly nodes: readonly ({
    readonly anchor: number;
    readonly type: string;
    readonly value: string;
  } & GraphAttributes)[];
  readonly edges: readonly ({
    /** As `edge` in SQL. */
    readonly edge: number;
    readonly a: number;
    readonly b: number;
  } & GraphAttributes)[];
  /** Whether that is all of it. */
  readonly isWhole: boolean;
}

export interface ExplanationAnswer extends GraphAnswer {
  readonly joined: boolean;
  /** Anchors from the one to the other; empty when they are not joined. */
  readonly path: readonly number[];
  /** `former` where one of the two is a device that has another owner, or none, by now. */
  readonly interval: 'current' | 'former';
}

export interface IdentityGraphs {
  /** The graph of a profile; undefined for an id that is none of the tenant's. */
  graph(tenantId: string, profileId: string): GraphAnswer | undefined;
  /**
   * Why two identifiers are, or are not, one person; undefined while one belongs to nobody.
   * @throws TributaryError for a type that is none.
   */
  explain(tenantId: string, a: Identifier, b: Identifier): ExplanationAnswer | undefined;
  /** The text of a graph in a format of other programs. */
  draw(graph: GraphAnswer, format: 'json' | 'gexf' | 'graphml'): string;
}

/** Answers as plain JSON. */
type JobAnswer = object;

/** Tries rule sets of identity on a tenant's past, without changing anything. */
export interface WhatIfKeeper {
  /**
   * @param rules the JSON form of a rule set, not yet checked. @param examples profiles to name, of each kind.
   * @throws TributaryError when it is no rule set, or another one runs
   */
  start(rules: unknown, examples: number): JobAnswer;
  list(): readonly JobAnswer[];
  /** @throws TributaryError TRIBUTARY_IDENTITY_WHAT_IF_UNKNOWN */
  get(id: string): JobAnswer;
  cancel(id: string): Promise<JobAnswer>;
}

/** Finds message ids in hot rows, also in those that no query sees, and the files of rows that are not hot. */
export interface MessageFinder {
  find(tenantId: string, messageId: string): Promise<readonly MessageRow[]>;
  /** Of each row of `events` the files of the lake that can hold it, by what is known of them. */
  filesOf(
    tenantId: string,
    rows: readonly { readonly sequence: number; readonly anchor: number }[],
  ): Promise<readonly (readonly string[])[]>;
}

/** What other engines read the lake through. */
export interface LakeDoor {
  /** The Iceberg REST catalog. */
  catalog(request: PlainRequest): Promise<PlainAnswer>;
  /** The objects of the lake, as S3. */
  objects(request: PlainRequest): Promise<PlainAnswer>;
}

/** The tokens that let other engines in, by tenant. */
export interface LakeTokenKeeper {
  lakeTokens(tenantId: string): readonly LakeTokenDescription[];
  createLakeToken(tenantId: string, name: string): Promise<IssuedLakeToken>;
  revokeLakeToken(tenantId: string, id: string): Promise<void>;
}

/** How long the rows of tenants are kept. */
export interface RetentionKeeper {
  /** What holds: days by table; others are kept for ever. */
  days(tenantId: string): RetentionDays;
  /** What a tenant has of its own. */
  own(tenantId: string): OwnRetention;
  change(tenantId: string, change: OwnRetention): Promise<void>;
}

/** What the appliance can do right now. */
export type ApplianceState =
  | { readonly phase: 'starting'; readonly progress: string }
  | {
      readonly phase: 'ready';
      /** Why batches are refused until a restart; without one, nothing has failed. */
      failure?(): TributaryError | undefined;
      writer(tenantId: string): BatchWriter;
      readonly sql: SqlExecutor;
      /** Without one, live tails are refused. */
      readonly tail?: EventTail;
      /** Without one, identifiers are not resolved. */
      readonly identity?: IdentityResolver;
      /** Without one, profiles have no graph. */
      readonly graphs?: IdentityGraphs;
      /** Without one, identity takes no commands and shows no profiles. */
      identityKeeper?(tenantId: string): IdentityKeeper;
      /** Without one, no rule set is tried. */
      whatIfs?(tenantId: string): WhatIfKeeper;
      /** Without one, nobody is erased. */
      erasureKeeper?(tenantId: string): ErasureKeeper;
      /** Without one, traces tell only what queries see. */
      readonly messages?: MessageFinder;
      /** Without one, there is no lake to read. */
      readonly lake?: LakeDoor;
      /** Without one, the lake is kept by nobody. */
      readonly lakeKeeper?: LakeKeeper;
    }
  | { readonly phase: 'stopping' };
