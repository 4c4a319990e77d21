/**
 * A SQL service over a small catalogue of plain tables, with real worker processes, and a sink that
 * keeps what it gets. The tables have the names and the columns of the appliance's own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { systemClock } from '../../base/clock.ts';
import type { TributaryError } from '../../base/errors.ts';
import { silentLogger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { MIB } from '../../base/units.ts';
import type { Catalog } from '../../query/catalog.ts';
import type { QueryStatistics } from '../../query/result-formats.ts';
import type { SqlRequest } from '../../query/sql-request.ts';
import {
  SQL_SERVICE_DEFAULTS,
  SqlService,
  type SqlServiceOptions,
  type SqlSink,
} from '../../query/sql-service.ts';
import type { FailedBody } from '../../query/worker-pool.ts';
import type { WorkerSettings } from '../../query/worker-protocol.ts';
import { NodeFileSystem } from '../../storage/node-file-system.ts';

export const PLAIN_CATALOG: Catalog = {
  setup: [
    `CREATE TABLE plain_events AS
     SELECT i::UBIGINT AS sequence, 'm' || i AS message_id, 'track' AS type,
       TIMESTAMPTZ '2026-01-01' + to_seconds(i) AS timestamp,
       TIMESTAMPTZ '2026-01-01' + to_seconds(i) AS received_at,
       ('{"price": ' || i || '}')::JSON AS properties
     FROM range(1000) AS numbers(i)`,
  ],
  relations: [
    {
      name: 'events',
      select: 'SELECT * FROM plain_events',
      scans: ['events'],
      boundColumns: [
        { name: 'timestamp', kind: 'timestamp' },
        { name: 'received_at', kind: 'timestamp' },
        { name: 'sequence', kind: 'integer' },
      ],
    },
    {
      name: 'profile_traits',
      select: `SELECT 'plan' AS trait, '"pro"'::JSON AS value FROM plain_events`,
      scans: ['events'],
      boundColumns: [],
    },
    { name: 'profiles', select: 'SELECT uuid() AS profile_id', scans: [], boundColumns: [] },
  ],
};

export const PLAIN_SETTINGS: Omit<WorkerSettings, 'temporaryDirectory'> = {
  hotDirectory: null,
  coldDirectory: null,
  catalog: PLAIN_CATALOG,
  threads: 2,
  memoryLimitBytes: 512 * MIB,
  dataLimitBytes: 2048 * MIB,
  temporaryBytesMax: 64 * MIB,
};

export interface ServiceChanges {
  readonly settings?: Partial<WorkerSettings>;
  readonly options?: Partial<Omit<SqlServiceOptions, 'settings'>>;
}

/** Opens a service that the test's end closes. One worker, unless told otherwise. */
export async function openService(
  context: TestContext,
  changes: ServiceChanges = {},
): Promise<SqlService> {
  const directory = mkdtempSync(join(tmpdir(), 'tributary-query-'));
  const service = await SqlService.open(
    {
      ...SQL_SERVICE_DEFAULTS,
      workerCount: 1,
      ...changes.options,
      settings: {
        ...PLAIN_SETTINGS,
        temporaryDirectory: join(directory, 'temporary'),
        ...changes.settings,
      },
    },
    {
      clock: systemClock,
      random: systemRandom,
      fileSystem: new NodeFileSystem(),
      logger: silentLogger,
    },
  );
  context.after(async () => {
    await service.close(0);
    rmSync(directory, { recursive: true, force: true });
  });
  return service;
}

/** What a sink was told. */
export interface Answer {
  readonly contentType: string;
  readonly text: string;
  readonly statistics: QueryStatistics | null;
  readonly error: TributaryError | null;
  readonly body: FailedBody | null;
}

/** A client: takes all bytes at once, unless `takes` says otherwise. */
export class CollectingSink implements SqlSink {
  readonly answer: Promise<Answer>;
  readonly began: Promise<void>;
  bytes = 0;
  drain: () => void = () => {};
  readonly #takes: () => boolean;
  readonly #pieces: Uint8Array[] = [];
  readonly #keeps: boolean;
  #contentType = '';
  #resolve: (answer: Answer) => void = () => {};
  #resolveBegan: () => void = () => {};

  constructor(takes: () => boolean = () => true, keeps = true) {
    this.#takes = takes;
    this.#keeps = keeps;
    this.answer = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.began = new Promise((resolve) => {
      this.#resolveBegan = resolve;
    });
  }

  begin(contentType: string): void {
    this.#contentType = contentType;
    this.#resolveBegan();
  }

  write(bytes: Uint8Array): boolean {
    this.bytes += bytes.length;
    if (this.#keeps) this.#pieces.push(bytes);
    return this.#takes();
  }

  onDrain(callback: () => void): void {
    this.drain = callback;
  }

  end(statistics: QueryStatistics): void {
    this.#settle(statistics, null, null);
  }

  fail(error: TributaryError, body: FailedBody): void {
    this.#settle(null, error, body);
  }

  #settle(
    statistics: QueryStatistics | null,
    error: TributaryError | null,
    body: FailedBody | null,
  ): void {
    const text = Buffer.concat(this.#pieces).toString('utf8');
    this.#resolve({ contentType: this.#contentType, text, statistics, error, body });
  }
}

export function requestOf(sql: string, changes: Partial<SqlRequest> = {}): SqlRequest {
  return { sql, parameters: [], format: 'json', timeoutMs: null, ...changes };
}

export function ask(
  service: SqlService,
  sql: string,
  changes: Partial<SqlRequest> = {},
): Promise<Answer> {
  const sink = new CollectingSink();
  service.execute(requestOf(sql, changes), sink);
  return sink.answer;
}

/** The rows of a JSON answer; throws the error of a failed one. */
export async function rowsOf(
  service: SqlService,
  sql: string,
  changes: Partial<SqlRequest> = {},
): Promise<unknown[][]> {
  const answer = await ask(service, sql, changes);
  if (answer.error !== null) throw answer.error;
  return (JSON.parse(answer.text) as { rows: unknown[][] }).rows;
}

/** Asks until a worker answers again; for tests that lost one. */
export async function codeOf(
  service: SqlService,
  sql: string,
  changes: Partial<SqlRequest> = {},
): Promise<string | null> {
  const { error } = await ask(service, sql, changes);
  return error?.code ?? null;
}
