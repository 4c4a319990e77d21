/**
 * The options of `tributary serve`: one table, from which the file, the environment, the flags, the help
 * and docs/configuration.md take their names.
 *
 * An option `hot_dir` is `hot_dir` in the TOML file, `TRIBUTARY_HOT_DIR` in the environment and
 * `--hot-dir` on the command line.
 */
import { LIMITS } from '../base/limits.ts';
import { GIB, KIB, MIB } from '../base/units.ts';
import { parseNetworks } from '../ingest/ip-address.ts';

/** Turns what was written into a value; `undefined` when it is not one. Text comes from env and flags. */
interface OptionType<Value> {
  readonly expected: string;
  parse(written: unknown): Value | undefined;
}

interface Option<Value> {
  readonly type: OptionType<Value>;
  readonly fallback: Value;
  readonly help: string;
}

const UNITS: Readonly<Record<string, number>> = { '': 1, b: 1, kib: KIB, mib: MIB, gib: GIB };

function bytes(minimum: number): OptionType<number> {
  return {
    expected: `a size of at least ${minimum} bytes, such as 512MiB`,
    parse(written) {
      const match = /^(\d+)\s*([kmg]ib|b|)$/i.exec(String(written).trim());
      if (match === null) return undefined;
      const value = Number(match[1]) * UNITS[match[2]!.toLowerCase()]!;
      return Number.isSafeInteger(value) && value >= minimum ? value : undefined;
    },
  };
}

function integer(minimum: number, maximum: number): OptionType<number> {
  return {
    expected: `a whole number from ${minimum} to ${maximum}`,
    parse(written) {
      if (!/^\d+$/.test(String(written).trim())) return undefined;
      const value = Number(written);
      return value >= minimum && value <= maximum ? value : undefined;
    },
  };
}

const rate = integer(0, Number.MAX_SAFE_INTEGER);

const path: OptionType<string> = {
  expected: 'a path',
  parse: (written) => (typeof written === 'string' && written !== '' ? written : undefined),
};

const regionName: OptionType<string> = {
  expected: 'a region, such as eu-central-1',
  parse: (written) => (/^[a-z0-9-]{1,64}$/.test(String(written)) ? String(written) : undefined),
};

/** A path, or nothing: the appliance then chooses one. */
const optionalPath: OptionType<string> = {
  expected: 'a path',
  parse: (written) => (typeof written === 'string' ? written : undefined),
};

/** A URL without a trailing slash, or nothing. */
const optionalUrl: OptionType<string> = {
  expected: 'an http or https URL without query, such as https://cdp.example.com',
  parse(written) {
    if (written === '') return '';
    const isUrl = /^https?:\/\/[^\s?#]+$/.test(String(written)) && URL.canParse(String(written));
    return isUrl ? String(written).replace(/\/+$/, '') : undefined;
  },
};

/** As S3 names buckets, and no first part of our own paths. */
const bucketName: OptionType<string> = {
  expected: 'a bucket name: 3 to 63 lower-case letters, digits and hyphens',
  parse(written) {
    const isName = /^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$/.test(String(written));
    return isName && !RESERVED_PATHS.has(String(written)) ? String(written) : undefined;
  },
};

/** First parts of paths that the front door and the catalog serve; the bucket is one, too. */
const RESERVED_PATHS = new Set([
  'iceberg',
  'config',
  'namespaces',
  'oauth',
  'console',
  'healthz',
  'readyz',
  'metrics',
  'batch',
  'beacon',
  'pixel',
  'projects',
  'api',
]);

export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const listenAddress: OptionType<ListenAddress> = {
  expected: 'host:port, such as 127.0.0.1:8080 or [::1]:8080',
  parse(written) {
    const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]+)):(\d{1,5})$/.exec(String(written).trim());
    const host = match?.[1] ?? match?.[2];
    const port = Number(match?.[3]);
    return host === undefined || port > 65_535 ? undefined : Object.freeze({ host, port });
  },
};

const networks: OptionType<string> = {
  expected: 'networks between commas, such as 10.0.0.0/8, fd00::/8',
  parse(written) {
    return typeof written === 'string' && parseNetworks(written) !== undefined
      ? written
      : undefined;
  },
};

function oneOf<const Name extends string>(...names: readonly Name[]): OptionType<Name> {
  return {
    expected: names.join(', '),
    parse: (written) => names.find((name) => name === written),
  };
}

function option<Value>(type: OptionType<Value>, fallback: Value, help: string): Option<Value> {
  return { type, fallback, help };
}

export const OPTIONS = {
  data_dir: option(path, './data', 'Where everything durable lives.'),
  listen: option<ListenAddress>(
    listenAddress,
    { host: '127.0.0.1', port: 8080 },
    'Address of HTTP and WebSocket; port 0 takes a free one.',
  ),
  public_url: option(
    optionalUrl,
    '',
    'How browsers reach the appliance; by default plain HTTP at the host a request names.',
  ),
  hot_dir: option(
    optionalPath,
    '',
    'Where hot segments live; by default a directory of this appliance in /dev/shm.',
  ),
  hot_bytes_max: option(
    bytes(128 * MIB),
    4 * GIB,
    'Memory that hot segments may take. Half of it is flushed at the latest; full answers 503.',
  ),
  flush_bytes: option(
    bytes(MIB),
    GIB,
    'Memory of hot rows that are flushed to the lake together; a sixth to a tenth of it as Parquet.',
  ),
  flush_age_seconds: option(
    integer(1, 86_400),
    900,
    'Time after which hot rows are flushed to the lake, however few they are.',
  ),
  checkpoint_log_bytes: option(
    bytes(64 * KIB),
    GIB,
    'Growth of the log after which a checkpoint is made, so that a start replays less of it; twice the size of the last checkpoint where that is more.',
  ),
  log_keep_bytes: option(
    bytes(0),
    0,
    'Bytes of the log of a tenant that are kept, even where no start needs them any more.',
  ),
  queue_bytes_max: option(bytes(4 * MIB), 64 * MIB, 'Bytes of batches one tenant may have queued.'),
  in_flight_bytes_max: option(
    bytes(8 * MIB),
    256 * MIB,
    'Bytes of batches that all connections together may have under way.',
  ),
  connections_max: option(integer(1, 1_000_000), 20_000, 'Connections open at once.'),
  address_requests_max: option(
    integer(1, 1_000_000),
    1000,
    'Requests and WebSocket streams that one IPv4 address or IPv6 /64 may have under way.',
  ),
  trusted_proxies: option(
    networks,
    '',
    'Networks of proxies whose X-Forwarded-For names the address a request came from.',
  ),
  sender_addresses: option(
    oneOf('store', 'omit'),
    'store',
    'Whether events without a `context.ip` get the address they came from.',
  ),
  key_events_per_second_max: option(rate, 0, 'Events a second of one write key; 0 is no limit.'),
  key_bytes_per_second_max: option(rate, 0, 'Bytes a second of one write key; 0 is no limit.'),
  tenant_events_per_second_max: option(rate, 0, 'Events a second of one tenant; 0 is no limit.'),
  tenant_bytes_per_second_max: option(rate, 0, 'Bytes a second of one tenant; 0 is no limit.'),
  events_retention_days: option(
    integer(0, 36_500),
    0,
    'Days that events are kept after they were received; 0 keeps them for ever.',
  ),
  dead_letters_retention_days: option(
    integer(0, 36_500),
    0,
    'Days that dead letters and warnings are kept; 0 keeps them for ever.',
  ),
  profiles_interval_minutes: option(
    integer(0, 10_080),
    60,
    'Time after which profiles and identifiers are written to the lake again, for other engines; 0: only when asked.',
  ),
  disk_free_bytes_min: option(
    bytes(0),
    GIB,
    'Batches are refused while the volume of data_dir has less free.',
  ),
  lake_bucket: option(
    bucketName,
    'tributary-lake',
    'Bucket in the locations of the lake (s3://BUCKET/…); fixed once there are tables.',
  ),
  lake_s3_endpoint: option(
    optionalUrl,
    '',
    'S3 store that holds the lake, such as https://s3.eu-central-1.amazonaws.com; data_dir then has a copy.',
  ),
  lake_s3_region: option(regionName, 'us-east-1', 'Region of the S3 store.'),
  lake_s3_style: option(
    oneOf('path', 'host'),
    'path',
    'Whether the bucket is part of the path or of the host of the S3 store.',
  ),
  lake_vend: option(
    oneOf('facade', 'none'),
    'facade',
    'Keys that the catalog hands out: of our facade, or none, when engines have keys of the S3 store.',
  ),
  dedupe_window_hours: option(
    integer(1, 168),
    24,
    'How long a message id is remembered, at least, to find what is sent twice.',
  ),
  query_workers: option(integer(1, 64), 2, 'Query processes per tenant.'),
  query_memory_bytes_max: option(bytes(128 * MIB), GIB, 'Memory of one query process.'),
  query_timeout_ms: option(
    integer(1, LIMITS.sqlTimeoutMsMax),
    30_000,
    'Time a query may take by default.',
  ),
  shutdown_timeout_ms: option(
    integer(0, 600_000),
    20_000,
    'Time that a stop waits for what is under way.',
  ),
  log_level: option(oneOf('debug', 'info', 'warn', 'error'), 'info', 'Least severe lines to log.'),
} as const;

export type OptionName = keyof typeof OPTIONS;

type OptionValues = {
  readonly [Name in OptionName]: (typeof OPTIONS)[Name] extends Option<infer Value> ? Value : never;
};

/** Every option with its value in effect. */
export type Configuration = OptionValues;

/** Environment variables that are not options of `serve`. */
export const OTHER_VARIABLES: Readonly<Record<string, string>> = {
  TRIBUTARY_CONFIG: 'Path of the configuration file.',
  TRIBUTARY_BOOTSTRAP_WRITE_KEY: 'Write key of the first start, instead of a minted one.',
  TRIBUTARY_BOOTSTRAP_ADMIN_KEY: 'Admin key of the first start, instead of a minted one.',
  TRIBUTARY_LAKE_S3_ACCESS_KEY_ID: 'Key of the S3 store that holds the lake.',
  TRIBUTARY_LAKE_S3_SECRET_ACCESS_KEY: 'Secret of that key.',
  TRIBUTARY_LAKE_S3_SESSION_TOKEN: 'Session token of that key, where it has one.',
  TRIBUTARY_URL: 'Where `tributary send`, `tributary sql` and the like find the appliance.',
  TRIBUTARY_KEY: 'The key they use.',
  TRIBUTARY_WRITE_KEY: 'The write key with which `tributary dead-letters replay` sends.',
};

export function flagOf(name: OptionName): string {
  return name.replaceAll('_', '-');
}

export function variableOf(name: OptionName): string {
  return `TRIBUTARY_${name.toUpperCase()}`;
}

/** A value as it would be written in the file. */
export function formatValue(value: Configuration[OptionName]): string {
  if (typeof value !== 'object') return String(value);
  return value.host.includes(':') ? `[${value.host}]:${value.port}` : `${value.host}:${value.port}`;
}
