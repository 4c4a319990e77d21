/**
 * What the front door needs from the rooms behind it, as narrow interfaces. `bin/serve.ts` plugs the
 * engine and the query service in; ingest/ knows neither's inside.
 */
import type { TributaryError } from '../base/errors.ts';
import type { AdminPrincipal, WritePrincipal } from '../engine/control.ts';
import type { BatchOutcome, IncomingBatch } from '../engine/types.ts';

/** Says whom a key lets in; undefined for a key that is not known. */
export interface Authenticator {
  authenticateWrite(key: string): WritePrincipal | undefined;
  authenticateAdmin(key: string): AdminPrincipal | undefined;
}

/** Takes the batches of one tenant; resolves when they are durable. Reads `bytes` before it returns. */
export interface BatchWriter {
  append(batch: IncomingBatch): Promise<BatchOutcome>;
}

export type SqlFormat = 'json' | 'ndjson';
export type SqlParameter = string | number | boolean | null;

export interface SqlRequest {
  readonly tenantId: string;
  readonly sql: string;
  readonly params: readonly SqlParameter[];
  readonly format: SqlFormat;
  readonly timeoutMs?: number;
}

/** Where a result goes. `begin`, any number of `write`, then `end`; or `fail` at any point. */
export interface SqlSink {
  begin(contentType: string, queryId: string): void;
  /** @returns false when the client is slower than the query: wait for `resume` before the next. */
  write(bytes: Uint8Array): boolean;
  end(): void;
  fail(error: TributaryError): void;
}

export interface SqlExecution {
  /** The client has read what was waiting. */
  resume(): void;
  /** The client is gone; nothing more is written. Harmless once the query has ended. */
  cancel(): void;
}

export interface SqlExecutor {
  execute(request: SqlRequest, sink: SqlSink): SqlExecution;
}

/** What the appliance can do right now. */
export type ApplianceState =
  | { readonly phase: 'starting'; readonly progress: string }
  | {
      readonly phase: 'ready';
      writer(tenantId: string): BatchWriter;
      readonly sql: SqlExecutor;
    }
  | { readonly phase: 'stopping' };
