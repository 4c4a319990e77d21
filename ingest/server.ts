/**
 * The front door: one port for the tracking API, the stream, SQL and status.
 *
 * It listens before the engine has recovered, so that `/readyz` can tell how far recovery is; until
 * `setState` says ready, batches and queries are answered 503 with Retry-After.
 *
 * - Bytes of batches in flight are bounded over all connections, HTTP and WebSocket together.
 * - `drain` answers what was taken before anything is closed.
 */
import type { Clock } from '../base/clock.ts';
import type { Logger } from '../base/log.ts';
import { serveAccounts } from './account-routes.ts';
import { AddressLimit } from './address-limit.ts';
import { BatchIntake } from './batch-intake.ts';
import { BodyWatch } from './body-watch.ts';
import { ByteBudget } from './byte-budget.ts';
import { serveDeadLetters } from './dead-letter-routes.ts';
import { serveDeclaredTraits } from './declared-traits-routes.ts';
import { DiskWatch } from './disk-watch.ts';
import { serveErasures } from './erasure-routes.ts';
import { serveFallbacks } from './fallback-routes.ts';
import { serveIdentityCommands } from './identity-command-routes.ts';
import { serveIdentityGraphs } from './identity-graph-routes.ts';
import { serveIdentity } from './identity-routes.ts';
import type { ImportRegistry } from './import-registry.ts';
import { serveImports } from './import-route.ts';
import { registerIngestMetrics } from './ingest-metrics.ts';
import { serveLake } from './lake-routes.ts';
import { serveLakeTasks } from './lake-tasks-route.ts';
import { serveLakeTokens } from './lake-tokens-route.ts';
import type { Metrics } from './metrics.ts';
import { servePixels } from './pixel-routes.ts';
import type { ApplianceState, Authenticator, LakeTokenKeeper, RetentionKeeper } from './ports.ts';
import { serveProfiles } from './profile-routes.ts';
import { type RateLimitOptions, RateLimits } from './rate-limits.ts';
import { serveRetention } from './retention-route.ts';
import { RouteTable } from './route-table.ts';
import { serveSdkMetrics } from './sdk-metrics-route.ts';
import { type SenderOptions, Senders } from './senders.ts';
import { serveSettings } from './settings-route.ts';
import { serveSql } from './sql-route.ts';
import { serveStatus } from './status-routes.ts';
import { StreamLedger } from './stream-ledger.ts';
import { StreamServer } from './stream-server.ts';
import { serveTrace } from './trace-route.ts';
import { serveTracking } from './tracking-routes.ts';
import {
  createApp,
  type ListeningSocket,
  limitConnections,
  listen,
  type TemplatedApp,
} from './uws.ts';
import { serveWhatIfs } from './what-if-routes.ts';

export interface IngestServerOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly authenticator: Authenticator;
  readonly inFlightBytesMax: number;
  /** Connections open at once. */
  readonly connectionsMax: number;
  /** Requests of one address group under way at once. */
  readonly addressRequestsMax: number;
  readonly senders: SenderOptions;
  readonly rates: RateLimitOptions;
  /** Batches are refused while the volume of the log has fewer bytes free. */
  readonly diskFreeBytesMin: number;
  readDiskFreeBytes(): Promise<number>;
  /** How browsers reach the appliance; '' takes what their requests were sent to. */
  readonly publicUrl: string;
  readonly lakeTokens: LakeTokenKeeper;
  readonly retention: RetentionKeeper;
  /** The bucket of the lake; its objects are served at the path of that name. */
  readonly lakeBucket: string;
  readonly imports: ImportRegistry;
  readonly metrics: Metrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class IngestServer {
  readonly host: string;
  readonly port: number;
  readonly #app: TemplatedApp;
  readonly #listening: ListeningSocket;
  readonly #streams: StreamServer;
  readonly #inFlight: ByteBudget;
  readonly #disk: DiskWatch;
  readonly #bodies: BodyWatch;
  readonly #clock: Clock;
  #state: ApplianceState = { phase: 'starting', progress: 'reading the configuration' };

  private constructor(options: IngestServerOptions) {
    const { authenticator, clock, imports, logger, metrics } = options;
    const state = (): ApplianceState => this.#state;
    const inFlight = new ByteBudget(options.inFlightBytesMax);
    const disk = new DiskWatch({
      freeBytesMin: options.diskFreeBytesMin,
      logger,
      readFreeBytes: () => options.readDiskFreeBytes(),
    });
    const rates = new RateLimits(options.rates, clock);
    const intake = new BatchIntake(state, clock, { disk, rates });
    const bodies = new BodyWatch(clock);
    const addresses = new AddressLimit(options.addressRequestsMax);
    const senders = new Senders(options.senders);
    const doors = { addresses, authenticator, bodies, inFlight, intake, senders };
    const context = { ...doors, clock, logger, state };

    this.#app = createApp();
    const routes = new RouteTable(this.#app);
    this.#disk = disk;
    this.#bodies = bodies;
    const connections = limitConnections(this.#app, options.connectionsMax);
    this.#clock = clock;
    this.#inFlight = inFlight;
    serveTracking(this.#app, context);
    serveImports(this.#app, { ...context, imports });
    servePixels(this.#app, context);
    serveSdkMetrics(this.#app, context);
    serveSettings(this.#app, authenticator, options.publicUrl);
    serveSql(this.#app, context);
    serveTrace(this.#app, context);
    serveIdentity(this.#app, context);
    serveIdentityGraphs(this.#app, context);
    serveIdentityCommands(this.#app, context);
    serveWhatIfs(this.#app, context);
    serveDeclaredTraits(this.#app, context);
    serveProfiles(this.#app, context);
    serveAccounts(this.#app, context);
    serveErasures(this.#app, context);
    serveDeadLetters(this.#app, context);
    serveLakeTokens(this.#app, { ...context, lakeTokens: options.lakeTokens });
    serveRetention(this.#app, { ...context, retention: options.retention });
    serveLakeTasks(this.#app, context);
    const { lakeBucket, publicUrl } = options;
    const lake = serveLake(this.#app, { ...context, publicUrl }, lakeBucket);
    serveStatus(this.#app, state, metrics, logger);
    this.#streams = new StreamServer(
      this.#app,
      { ...context, ledger: new StreamLedger(clock), tails: { count: 0 } },
      state,
    );
    serveFallbacks(this.#app, routes);
    const streams = this.#streams;
    registerIngestMetrics(metrics, { intake, inFlight, streams, connections, disk, lake });

    this.#listening = listen(this.#app, options.host, options.port);
    disk.start();
    this.host = options.host;
    this.port = this.#listening.port;
  }

  /**
   * Listens at once, in the state `starting`.
   * @throws TributaryError TRIBUTARY_CONFIG_LISTEN_FAILED
   */
  static open(options: IngestServerOptions): IngestServer {
    return new IngestServer(options);
  }

  setState(state: ApplianceState): void {
    this.#state = state;
  }

  /**
   * Takes no new connections and no new batches, and waits until what was taken is answered.
   * Resolves after `timeoutMs` at the latest.
   */
  async drain(timeoutMs: number): Promise<void> {
    this.#listening.close();
    this.#state = { phase: 'stopping' };
    const deadline = this.#clock.monotonicMs() + timeoutMs;
    await this.#streams.drain(timeoutMs);
    while (this.#inFlight.used > 0 && this.#clock.monotonicMs() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }

  /** Cuts every connection that is left. Idempotent. */
  close(): void {
    this.#listening.close();
    this.#disk.close();
    this.#bodies.close();
    this.#app.close();
  }
}
