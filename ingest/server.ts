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
import { BatchIntake } from './batch-intake.ts';
import { ByteBudget } from './byte-budget.ts';
import { serveFallbacks } from './fallback-routes.ts';
import { registerIngestMetrics } from './ingest-metrics.ts';
import type { Metrics } from './metrics.ts';
import { servePixels } from './pixel-routes.ts';
import type { ApplianceState, Authenticator } from './ports.ts';
import { serveSdkMetrics } from './sdk-metrics-route.ts';
import { serveSettings } from './settings-route.ts';
import { serveSql } from './sql-route.ts';
import { serveStatus } from './status-routes.ts';
import { StreamLedger } from './stream-ledger.ts';
import { StreamServer } from './stream-server.ts';
import { serveTracking } from './tracking-routes.ts';
import { createApp, type ListeningSocket, listen, type TemplatedApp } from './uws.ts';

export interface IngestServerOptions {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
  readonly authenticator: Authenticator;
  readonly inFlightBytesMax: number;
  /** How browsers reach the appliance; '' takes what their requests were sent to. */
  readonly publicUrl: string;
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
  readonly #clock: Clock;
  #state: ApplianceState = { phase: 'starting', progress: 'reading the configuration' };

  private constructor(options: IngestServerOptions) {
    const { authenticator, clock, logger, metrics } = options;
    const state = (): ApplianceState => this.#state;
    const inFlight = new ByteBudget(options.inFlightBytesMax);
    const intake = new BatchIntake(state, clock);
    const context = { authenticator, clock, inFlight, intake, logger, state };

    this.#app = createApp();
    this.#clock = clock;
    this.#inFlight = inFlight;
    serveTracking(this.#app, context);
    servePixels(this.#app, context);
    serveSdkMetrics(this.#app, context);
    serveSettings(this.#app, authenticator, options.publicUrl);
    serveSql(this.#app, context);
    serveStatus(this.#app, state, metrics, logger);
    this.#streams = new StreamServer(
      this.#app,
      { ...context, ledger: new StreamLedger(clock) },
      state,
    );
    serveFallbacks(this.#app);
    registerIngestMetrics(metrics, intake, inFlight, this.#streams);

    this.#listening = listen(this.#app, options.host, options.port);
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
    this.#app.close();
  }
}
