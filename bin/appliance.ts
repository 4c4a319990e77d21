/**
 * The appliance in one process: what is opened, in which order, and how it is closed in reverse.
 *
 *     lock → hot directory → control → front door (answers 503) → lake store → engine (recovers) → query service → upkeep → ready
 *
 * The front door opens first so that `/readyz` can tell how far recovery is, and because a taken port
 * should be known before minutes of recovery. When anything fails to open, what is open is closed.
 */
import { dirname, join } from 'node:path';
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { RandomSource } from '../base/random.ts';
import { formatBytes, HOUR_MICROS } from '../base/units.ts';
import { type BootstrapKeys, ControlPlane, type IssuedKeys } from '../engine/control.ts';
import { fileControlStore } from '../engine/control-store.ts';
import { CONTROL_FILE, IMPORTS_FILE, TENANTS_DIRECTORY } from '../engine/data-files.ts';
import { Engine, lockDataDirectory } from '../engine/engine.ts';
import { IdentityKeeper } from '../engine/identity-keeper.ts';
import { lakeKeeper } from '../engine/lake-keeper.ts';
import { findMessage } from '../engine/message-search.ts';
import type { RecoveryProgress } from '../engine/recovery.ts';
import { retentionFor } from '../engine/retention.ts';
import { filesOfRows } from '../engine/row-files.ts';
import { drawGraph } from '../identity/graph-library.ts';
import { ImportRegistry } from '../ingest/import-registry.ts';
import { parseNetworks } from '../ingest/ip-address.ts';
import { Metrics } from '../ingest/metrics.ts';
import type { RateLimitOptions } from '../ingest/rate-limits.ts';
import { IngestServer } from '../ingest/server.ts';
import { native } from '../native/index.ts';
import { EncodeProcess } from '../query/encode-process.ts';
import type { S3Credentials } from '../storage/lake/s3-signing.ts';
import { NodeFileSystem } from '../storage/node-file-system.ts';
import {
  registerEngineMetrics,
  registerErasureMetrics,
  registerFlushMetrics,
  registerQueryMetrics,
  registerUpkeepMetrics,
} from './appliance-metrics.ts';
import { makeDirectory } from './directories.ts';
import { type HotPlace, prepareHotDirectory, removeIfEmpty } from './hot-directory.ts';
import { openLakeDoor, openLakeStore } from './lake-store.ts';
import type { Configuration } from './options.ts';
import { Queries } from './queries.ts';
import { TraitFillers } from './trait-fillers.ts';
import { retentionOf, Upkeep } from './upkeep.ts';
import { WhatIfs } from './what-ifs.ts';

export interface ApplianceOptions {
  readonly configuration: Configuration;
  readonly bootstrap: BootstrapKeys;
  /** Of the S3 store that holds the lake, where there is one. */
  readonly lakeCredentials?: S3Credentials | undefined;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  /** Told as soon as keys are stored, before anything else can fail: they are known this once. */
  readonly onKeysIssued?: (keys: IssuedKeys) => void;
  /** One line of a long recovery, for people. */
  readonly onProgress?: (line: string) => void;
}

interface Parts {
  readonly server: IngestServer;
  readonly engine: Engine;
  readonly queries: Queries;
  readonly upkeep: Upkeep;
  readonly whatIfs: WhatIfs;
  readonly traitFillers: TraitFillers;
  readonly control: ControlPlane;
}

export class Appliance {
  /** Real paths of what it works on. */
  readonly dataDirectory: string;
  readonly hotDirectory: string;
  /** Keys of a first start, to be shown once. */
  readonly issuedKeys: IssuedKeys | undefined;
  readonly #server: IngestServer;
  readonly #engine: Engine;
  readonly #queries: Queries;
  readonly #upkeep: Upkeep;
  readonly #whatIfs: WhatIfs;
  readonly #traitFillers: TraitFillers;
  readonly #shutdownTimeoutMs: number;
  #closing: Promise<void> | undefined;

  private constructor(
    parts: Parts,
    directories: { data: string; hot: string },
    shutdownTimeoutMs: number,
  ) {
    this.dataDirectory = directories.data;
    this.hotDirectory = directories.hot;
    this.issuedKeys = parts.control.issued;
    this.#server = parts.server;
    this.#engine = parts.engine;
    this.#queries = parts.queries;
    this.#upkeep = parts.upkeep;
    this.#whatIfs = parts.whatIfs;
    this.#traitFillers = parts.traitFillers;
    this.#shutdownTimeoutMs = shutdownTimeoutMs;
  }

  /** Resolves when the appliance takes batches and queries. */
  static async open(options: ApplianceOptions): Promise<Appliance> {
    const { configuration, logger } = options;
    const fileSystem = new NodeFileSystem(native);
    const data = await prepareDataDirectory(fileSystem, configuration.data_dir);
    lockDataDirectory(data, `process ${process.pid}`);
    await requireControlFile(fileSystem, data);
    const { hot_dir: hotDirectory, hot_bytes_max: hotBytesMax } = configuration;
    const hotPlace = prepareHotDirectory(hotDirectory, data, hotBytesMax);
    const hot = hotPlace.path;
    if (hotPlace.bytesMax < hotBytesMax) {
      const fields = { hot_bytes_max: hotBytesMax, bytes: hotPlace.bytesMax, path: hot };
      logger.log('warn', 'the file system of the hot data is smaller than hot_bytes_max', fields);
    }
    try {
      return await Appliance.#openOver(data, hotPlace, fileSystem, options);
    } catch (error) {
      removeIfEmpty(hot);
      throw error;
    }
  }

  static async #openOver(
    data: string,
    hotPlace: HotPlace,
    fileSystem: NodeFileSystem,
    options: ApplianceOptions,
  ): Promise<Appliance> {
    const { bootstrap, clock, configuration, logger, random } = options;
    const hot = hotPlace.path;
    const store = fileControlStore(fileSystem, join(data, CONTROL_FILE));
    const control = await ControlPlane.open({ store, clock, random, bootstrap });
    if (control.issued !== undefined) options.onKeysIssued?.(control.issued);
    const importStore = fileControlStore(fileSystem, join(data, IMPORTS_FILE));
    const imports = await ImportRegistry.open(importStore, logger);
    const metrics = new Metrics();
    const server = IngestServer.open({
      ...configuration.listen,
      authenticator: control,
      inFlightBytesMax: configuration.in_flight_bytes_max,
      connectionsMax: configuration.connections_max,
      addressRequestsMax: configuration.address_requests_max,
      senders: {
        trustedProxies: parseNetworks(configuration.trusted_proxies) ?? [],
        storesAddresses: configuration.sender_addresses === 'store',
      },
      rates: ratesOf(configuration),
      diskFreeBytesMin: configuration.disk_free_bytes_min,
      readDiskFreeBytes: () => fileSystem.freeBytes(data),
      publicUrl: configuration.public_url,
      lakeTokens: control,
      retention: {
        days: (tenantId) =>
          retentionFor(retentionOf(configuration), control.ownRetention(tenantId)),
        own: (tenantId) => control.ownRetention(tenantId),
        change: (tenantId, change) => control.changeRetention(tenantId, change),
      },
      lakeBucket: configuration.lake_bucket,
      imports,
      metrics,
      clock,
      logger,
    });
    const ports = { fileSystem, clock, random, logger };
    const { lakeCredentials: credentials } = options;
    const lakeOptions = { configuration, credentials, dataDirectory: data, ...ports };
    let engine: Engine | undefined;
    try {
      const lakeStore = await openLakeStore(lakeOptions);
      engine = await Engine.open({
        dataDirectory: data,
        hotDirectory: hot,
        fileSystem,
        clock,
        random,
        logger,
        tenants: control.tenants,
        hotBytesMax: hotPlace.bytesMax,
        flush: {
          flushBytes: configuration.flush_bytes,
          flushAgeMs: configuration.flush_age_seconds * 1000,
        },
        checkpointLogBytes: configuration.checkpoint_log_bytes,
        logKeepBytes: configuration.log_keep_bytes,
        store: lakeStore,
        encoder: new EncodeProcess(),
        queueBytesMax: configuration.queue_bytes_max,
        configuration: { dedupeWindowMicros: configuration.dedupe_window_hours * HOUR_MICROS },
        onRecoveryProgress(progress) {
          const line = describeRecovery(progress);
          server.setState({ phase: 'starting', progress: line });
          if (progress.loadedBytes + progress.records > 0) options.onProgress?.(line);
        },
      });
      const lake = await openLakeDoor(lakeOptions, lakeStore, control);
      const { openTenants: tenants } = engine;
      const queries = await Queries.open({
        tenants,
        configuration,
        dataDirectory: data,
        ...ports,
      });
      const upkeep = await Upkeep.open({
        configuration,
        control,
        engine,
        queries,
        dataDirectory: data,
        ...ports,
      });
      const whatIfs = new WhatIfs({ tenants, configuration, dataDirectory: data, ...ports });
      const traitFillers = new TraitFillers({ tenants, executor: queries.executor, ...ports });
      registerEngineMetrics(metrics, engine);
      registerFlushMetrics(metrics, engine);
      registerErasureMetrics(metrics, engine, clock);
      registerQueryMetrics(metrics, queries);
      registerUpkeepMetrics(metrics, upkeep);
      const opened = engine;
      server.setState({
        phase: 'ready',
        failure: () => opened.tenants.find(({ failure }) => failure !== undefined)?.failure,
        writer: (tenantId) => opened.tenant(tenantId),
        sql: queries.executor,
        lake,
        lakeKeeper: lakeKeeper(upkeep.maintenance),
        tail: { tail: (tenantId, listener) => opened.tenant(tenantId).tail(listener) },
        messages: {
          find(tenantId, messageId) {
            const { hot, identity } = opened.tenant(tenantId);
            return findMessage(hot.events, messageId, (anchor) =>
              identity.profiles.isErased(anchor),
            );
          },
          filesOf: (tenantId, rows) => filesOfRows(opened.openTenant(tenantId).cold.events, rows),
        },
        whatIfs: (tenantId) => whatIfs.of(tenantId),
        erasureKeeper: (tenantId) => opened.openTenant(tenantId).erasures,
        identityKeeper: (tenantId) => new IdentityKeeper(opened.tenant(tenantId)),
        identity: {
          resolve: (tenantId, { type, value }) =>
            opened.tenant(tenantId).identity.resolveProfileId(type, value),
          resolveRequest: (tenantId, request) =>
            opened.tenant(tenantId).identity.resolveRequest(request),
        },
        graphs: {
          graph: (tenantId, id) => opened.tenant(tenantId).identity.graphOf(id),
          explain: (tenantId, a, b) => opened.tenant(tenantId).identity.explain(a, b),
          draw: drawGraph,
        },
      });
      const parts = { server, engine, queries, upkeep, whatIfs, traitFillers, control };
      return new Appliance(parts, { data, hot }, configuration.shutdown_timeout_ms);
    } catch (error) {
      server.close();
      await engine?.close();
      throw error;
    }
  }

  /** Where it listens. */
  get url(): string {
    const { host, port } = this.#server;
    return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /** Answers what was taken, makes it durable, closes everything. Idempotent. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#server.drain(this.#shutdownTimeoutMs);
    await this.#whatIfs.close();
    this.#traitFillers.close();
    await this.#upkeep.close();
    await this.#queries.close();
    await this.#engine.close();
    removeIfEmpty(this.hotDirectory);
    this.#server.close();
  }
}

/** Makes the directory and its missing parents, for their owner alone, each durable in its own parent. */
async function prepareDataDirectory(fileSystem: NodeFileSystem, path: string): Promise<string> {
  const { path: data, firstMade } = makeDirectory('data_dir', path);
  for (let at = data; ; at = dirname(at)) {
    await fileSystem.syncDirectory(dirname(at));
    if (at === firstMade) return data;
  }
}

/**
 * The control file is made before anything of a tenant is: where there are tenants and no control file, it was
 * deleted, or a restore did not come to its end. A new one would name another tenant.
 */
async function requireControlFile(fileSystem: NodeFileSystem, data: string): Promise<void> {
  const path = join(data, CONTROL_FILE);
  if (await fileSystem.exists(path)) return;
  if (!(await fileSystem.exists(join(data, TENANTS_DIRECTORY)))) return;
  const reason = 'it is not there, though the data directory has tenants';
  throw new TributaryError('TRIBUTARY_CONFIG_CONTROL_MALFORMED', { path, reason });
}

function ratesOf(configuration: Configuration): RateLimitOptions {
  return {
    key: {
      events: configuration.key_events_per_second_max,
      bytes: configuration.key_bytes_per_second_max,
    },
    tenant: {
      events: configuration.tenant_events_per_second_max,
      bytes: configuration.tenant_bytes_per_second_max,
    },
  };
}

function describeRecovery({ loadedBytes, records, events, bytes }: RecoveryProgress): string {
  if (records === 0 && loadedBytes > 0) {
    return `recovering: ${formatBytes(loadedBytes)} of a checkpoint loaded`;
  }
  return `recovering: ${records} records, ${events} events, ${formatBytes(bytes)} of log`;
}
