/**
 * Every error the appliance can answer with, in one table.
 *
 * Why a table: a code is a contract with clients, operators and documentation. Codes are never reused
 * and never change meaning; `tests/base/errors.test.ts` proves that this table, docs/errors.md and the
 * types agree.
 *
 * - `message` is a template: `{name}` is replaced by the parameter of that name.
 * - `status` is the HTTP answer, `sqlstate` the PostgreSQL one (class by the standard).
 * - `retryable` says whether the same request may succeed later, unchanged.
 */

interface ErrorEntry {
  readonly message: string;
  readonly status: number;
  readonly sqlstate: string;
  readonly retryable: boolean;
  readonly help?: string;
}

export const ERRORS = {
  // ── base ──────────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_BASE_NATIVE_MISSING: {
    message: 'The native addon could not be loaded from {path}: {reason}.',
    status: 500,
    sqlstate: '58000',
    retryable: false,
    help: 'Run `npm ci` on a machine with g++ 12 or newer, make and python3.',
  },
  // ── config ────────────────────────────────────────────────────────────────────────────────────
  // ── storage ───────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_STORAGE_DIRECTORY_LOCKED: {
    message: 'The data directory {path} is in use by another process ({holder}).',
    status: 503,
    sqlstate: '55006',
    retryable: false,
    help: 'Stop the other appliance, or give this one another --data-dir.',
  },
  TRIBUTARY_STORAGE_HOT_FULL: {
    message: 'Hot storage is full: {usedBytes} bytes used, limit {limitBytes} bytes.',
    status: 503,
    sqlstate: '53200',
    retryable: true,
    help: 'Raise hot_bytes_max, or give the shared-memory file system more room.',
  },
  TRIBUTARY_STORAGE_REGION_FULL: {
    message: 'Region {path} cannot grow to {neededBytes} bytes: {reason}.',
    status: 503,
    sqlstate: '53100',
    retryable: true,
    help: 'The file system that holds the hot data (by default /dev/shm) is full.',
  },
  // ── identity ──────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_IDENTITY_NODES_FULL: {
    message: 'The tenant holds {count} identifiers, limit {limit}.',
    status: 503,
    sqlstate: '53400',
    retryable: false,
  },
  // ── engine ────────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_ENGINE_CLOSED: {
    message: 'The appliance is shutting down.',
    status: 503,
    sqlstate: '57P01',
    retryable: true,
  },
  TRIBUTARY_ENGINE_QUEUE_FULL: {
    message: 'The write queue holds {queuedBytes} bytes, limit {limitBytes} bytes.',
    status: 429,
    sqlstate: '53400',
    retryable: true,
    help: 'Wait for the seconds in Retry-After and send the batch again.',
  },
  TRIBUTARY_ENGINE_POISONED: {
    message: 'Writes are refused since a sync of the log failed: {reason}.',
    status: 503,
    sqlstate: '58030',
    retryable: true,
    help: 'Check the disk and restart the appliance; it recovers from the log.',
  },
  // ── ingest ────────────────────────────────────────────────────────────────────────────────────
  TRIBUTARY_INGEST_JSON_MALFORMED: {
    message: 'The body is not valid JSON: {reason}.',
    status: 400,
    sqlstate: '22032',
    retryable: false,
  },
  // ── query ─────────────────────────────────────────────────────────────────────────────────────
} as const satisfies Record<string, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;
export type ErrorParameters = Readonly<Record<string, string | number | bigint>>;

/** The one error class. `cause` and the stack stay in the log and never reach a client. */
export class TributaryError extends Error {
  override readonly name = 'TributaryError';
  readonly code: ErrorCode;
  readonly status: number;
  readonly sqlstate: string;
  readonly retryable: boolean;
  readonly help: string | undefined;

  constructor(code: ErrorCode, parameters: ErrorParameters = {}, cause?: unknown) {
    const entry: ErrorEntry = ERRORS[code];
    super(fillTemplate(entry.message, parameters), cause === undefined ? undefined : { cause });
    this.code = code;
    this.status = entry.status;
    this.sqlstate = entry.sqlstate;
    this.retryable = entry.retryable;
    this.help = entry.help;
  }

  /** What a client sees: no stack, no path, no cause. */
  toJSON(): { code: ErrorCode; message: string; retryable: boolean; help?: string } {
    const body = { code: this.code, message: this.message, retryable: this.retryable };
    return this.help === undefined ? body : { ...body, help: this.help };
  }
}

/** Replaces each `{name}` in `template`; a name without a parameter is left as it stands. */
export function fillTemplate(template: string, parameters: ErrorParameters): string {
  return template.replace(/\{(\w+)\}/g, (whole, name: string) =>
    Object.hasOwn(parameters, name) ? String(parameters[name]) : whole,
  );
}
