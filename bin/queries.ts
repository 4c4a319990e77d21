/**
 * Plugs the query service into the front door: one service, with worker processes of its own, per tenant.
 */
import { join } from 'node:path';
import { assert } from '../base/assert.ts';
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { RandomSource } from '../base/random.ts';
import { GIB } from '../base/units.ts';
import type { OpenTenant } from '../engine/engine.ts';
import type { SqlExecutor } from '../ingest/ports.ts';
import { HOT_CATALOG } from '../query/catalog.ts';
import { readSqlRequest } from '../query/sql-request.ts';
import { SQL_SERVICE_DEFAULTS, SqlService } from '../query/sql-service.ts';
import type { FileSystem } from '../storage/file-system.ts';
import type { Configuration } from './options.ts';

export interface QueriesOptions {
  readonly tenants: readonly OpenTenant[];
  readonly configuration: Configuration;
  /** Exists; holds what sorts and joins spill, below one directory a tenant. */
  readonly dataDirectory: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
}

/** DuckDB's threads in one worker. Ingestion keeps the processor by its better niceness. */
const WORKER_THREADS = 2;
/** What a worker may have beyond DuckDB's memory: the JavaScript heap, the code, thread stacks. */
const WORKER_OVERHEAD_BYTES = GIB;
const SPILL_BYTES_MAX = 8 * GIB;

export class Queries {
  readonly services: ReadonlyMap<string, SqlService>;

  private constructor(services: ReadonlyMap<string, SqlService>) {
    this.services = services;
  }

  /** Resolves when the workers of every tenant take queries. */
  static async open(options: QueriesOptions): Promise<Queries> {
    const { dataDirectory, fileSystem } = options;
    const temporary = join(dataDirectory, 'temporary');
    await fileSystem.makeDirectory(temporary);
    const services = new Map<string, SqlService>();
    const queries = new Queries(services);
    try {
      for (const open of options.tenants) {
        const { id } = open.tenant;
        services.set(id, await openService(options, open, join(temporary, id)));
      }
    } catch (error) {
      await queries.close();
      throw error;
    }
    return queries;
  }

  /** The door's port: a request is checked by the query service, which knows what it may hold. */
  get executor(): SqlExecutor {
    return {
      forgetTexts: (tenantId) => this.#serviceOf(tenantId).forgetTexts(),
      execute: (tenantId, body, sink, keyId) => {
        const service = this.#serviceOf(tenantId);
        const request = readSqlRequest(body);
        if (request instanceof TributaryError) throw request;
        return service.execute(request, sink, keyId);
      },
    };
  }

  #serviceOf(tenantId: string): SqlService {
    const service = this.services.get(tenantId);
    assert(service !== undefined, 'every tenant has a query service');
    return service;
  }

  async close(): Promise<void> {
    await Promise.all([...this.services.values()].map((service) => service.close()));
  }
}

function openService(
  options: QueriesOptions,
  { tenant, cold }: OpenTenant,
  temporaryDirectory: string,
): Promise<SqlService> {
  const { configuration } = options;
  const memoryLimitBytes = configuration.query_memory_bytes_max;
  return SqlService.open(
    {
      ...SQL_SERVICE_DEFAULTS,
      settings: {
        hotDirectory: tenant.hotDirectory,
        coldDirectory: cold.directory ?? null,
        catalog: HOT_CATALOG,
        threads: WORKER_THREADS,
        memoryLimitBytes,
        dataLimitBytes: memoryLimitBytes + WORKER_OVERHEAD_BYTES,
        temporaryDirectory,
        temporaryBytesMax: SPILL_BYTES_MAX,
      },
      workerCount: configuration.query_workers,
      timeoutMs: configuration.query_timeout_ms,
      declaredTraits: () => tenant.readTraits,
    },
    options,
  );
}
