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
   * @throws TributaryError when the request is not one.
   */
  execute(tenantId: string, request: unknown, sink: SqlSink): SqlQuery;
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
