/** Starts the front door in this process, over a {@link MemoryWriter}, for tests of ingest/. */
import { type Clock, systemClock } from '../../base/clock.ts';
import { silentLogger } from '../../base/log.ts';
import { systemRandom } from '../../base/random.ts';
import { MIB } from '../../base/units.ts';
import { ControlPlane, type ControlStore } from '../../engine/control.ts';
import { ImportRegistry } from '../../ingest/import-registry.ts';
import { parseNetworks } from '../../ingest/ip-address.ts';
import { Metrics } from '../../ingest/metrics.ts';
import type { ApplianceState, LakeDoor, SqlExecutor } from '../../ingest/ports.ts';
import type { RateLimitOptions } from '../../ingest/rate-limits.ts';
import { IngestServer } from '../../ingest/server.ts';
import { MemoryWriter } from './memory-writer.ts';

export const WRITE_KEY = 'write-key-of-the-test';
export const ADMIN_KEY = 'admin-key-of-the-test';

export interface FrontDoor {
  /** The state it begins with. */
  readonly ready: Extract<ApplianceState, { phase: 'ready' }>;
  readonly server: IngestServer;
  readonly writer: MemoryWriter;
  readonly url: string;
  post(
    path: string,
    body: string | Uint8Array,
    headers?: Record<string, string>,
  ): Promise<Response>;
}

const noSql: SqlExecutor = {
  execute(_tenantId, _request, sink) {
    sink.end();
    return { cancel() {} };
  },
  forgetTexts() {},
};

const NO_RATES: RateLimitOptions = {
  key: { events: 0, bytes: 0 },
  tenant: { events: 0, bytes: 0 },
};

export interface FrontDoorOptions {
  readonly inFlightBytesMax?: number;
  readonly publicUrl?: string;
  readonly connectionsMax?: number;
  readonly addressRequestsMax?: number;
  /** As the option of that name. */
  readonly trustedProxies?: string;
  readonly storesAddresses?: boolean;
  readonly rates?: RateLimitOptions;
  readonly diskFreeBytesMin?: number;
  readonly readDiskFreeBytes?: () => Promise<number>;
  readonly sql?: SqlExecutor;
  readonly lake?: LakeDoor;
  readonly clock?: Clock;
}

export async function openFrontDoor(options: FrontDoorOptions = {}): Promise<FrontDoor> {
  const { inFlightBytesMax = 64 * MIB, publicUrl = '', sql = noSql, lake } = options;
  const control = await openMemoryControl();
  const writer = new MemoryWriter();
  const server = IngestServer.open({
    host: '127.0.0.1',
    port: 0,
    authenticator: control,
    inFlightBytesMax,
    publicUrl,
    lakeTokens: control,
    retention: {
      days: (tenantId) => control.ownRetention(tenantId),
      own: (tenantId) => control.ownRetention(tenantId),
      change: (tenantId, change) => control.changeRetention(tenantId, change),
    },
    lakeBucket: 'test-lake',
    connectionsMax: options.connectionsMax ?? 1000,
    addressRequestsMax: options.addressRequestsMax ?? 1000,
    senders: {
      trustedProxies: parseNetworks(options.trustedProxies ?? '')!,
      storesAddresses: options.storesAddresses ?? true,
    },
    rates: options.rates ?? NO_RATES,
    diskFreeBytesMin: options.diskFreeBytesMin ?? 0,
    readDiskFreeBytes: options.readDiskFreeBytes ?? (async () => MIB),
    imports: await ImportRegistry.open(memoryStore(), silentLogger),
    metrics: new Metrics(),
    clock: options.clock ?? systemClock,
    logger: silentLogger,
  });
  const ready = { phase: 'ready', writer: () => writer, sql, ...(lake && { lake }) } as const;
  server.setState(ready);
  const url = `http://127.0.0.1:${server.port}`;
  return {
    server,
    writer,
    ready,
    url,
    post: (path, body, headers = {}) => fetch(url + path, { method: 'POST', body, headers }),
  };
}

function openMemoryControl(): Promise<ControlPlane> {
  return ControlPlane.open({
    store: memoryStore(),
    clock: systemClock,
    random: systemRandom,
    bootstrap: { writeKey: WRITE_KEY, adminKey: ADMIN_KEY },
  });
}

/** A document that lives as long as the test. */
function memoryStore(): ControlStore {
  let text: string | undefined;
  return {
    path: 'memory',
    read: async () => text,
    replace: async (written) => {
      text = written;
    },
  };
}
