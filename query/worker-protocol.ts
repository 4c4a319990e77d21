/**
 * The frames between the appliance and a query worker, over a socket pair that is the worker's fd 3.
 *
 *   u32 length of the payload, little-endian · u8 kind · payload
 *
 * - One query at a time. `execute` is answered by `began` (once), `data` (any number) and `finished`,
 *   or by `finished` alone when it failed before its first byte.
 * - `cancel` may cross `finished` on the way; a worker without a query ignores it.
 * - JSON payloads are UTF-8. `data` is the result, in pieces cut anywhere.
 * - A frame above LIMITS.queryFrameBytesMax or of an unknown kind is a broken peer: the socket closes.
 */
import { LIMITS } from '../base/limits.ts';
import type { Catalog } from './catalog.ts';
import type { Parameter } from './duckdb.ts';
import type { Failure } from './failures.ts';
import type { RecentQuery } from './query-log.ts';
import type { QueryStatistics, ResultFormat } from './result-formats.ts';
import type { ReadTrait } from './trait-value.ts';

export const FRAME = Object.freeze({
  /** To the worker: WorkerSettings, once, first. */
  settings: 1,
  /** To the worker: ExecuteRequest. */
  execute: 2,
  /** To the worker: stop the query, with this Failure. */
  cancel: 3,
  /** From the worker: it takes queries now; empty. */
  ready: 16,
  /** From the worker: the statement runs and `data` follows; empty. */
  began: 17,
  data: 18,
  /** From the worker: QueryOutcome. */
  finished: 19,
});

/** What a worker needs to know at its start. */
export interface WorkerSettings {
  /** The tenant's hot segments; null for a catalogue that scans none. */
  readonly hotDirectory: string | null;
  /** The tenant's directory of the lake, which may be missing; null where there is none. */
  readonly coldDirectory: string | null;
  readonly catalog: Catalog;
  /** DuckDB's threads and memory limit. */
  readonly threads: number;
  readonly memoryLimitBytes: number;
  /** RLIMIT_DATA of the process: DuckDB's memory, JavaScript's, and single huge values. Null: none. */
  readonly dataLimitBytes: number | null;
  /** For sorts and joins that spill. */
  readonly temporaryDirectory: string;
  readonly temporaryBytesMax: number;
}

export interface ExecuteRequest {
  readonly sql: string;
  readonly parameters: readonly Parameter[];
  readonly format: ResultFormat;
  readonly rowsMax: number;
  readonly bytesMax: number;
  /** As they are when the statement is given; none unless given. */
  readonly declaredTraits?: readonly ReadTrait[];
  /** Only where the statement may ask for them. */
  readonly recentQueries?: readonly RecentQuery[];
}

export interface QueryOutcome {
  readonly statistics: QueryStatistics;
  readonly failure: Failure | null;
}

const HEADER_BYTES = 5;

/** A whole frame; small payloads are copied behind their header so that one write sends both. */
export function encodeFrame(kind: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(HEADER_BYTES + payload.length);
  frame.writeUInt32LE(payload.length, 0);
  frame.writeUInt8(kind, 4);
  frame.set(payload, HEADER_BYTES);
  return frame;
}

export function encodeJsonFrame(kind: number, value: unknown): Buffer {
  return encodeFrame(kind, Buffer.from(JSON.stringify(value), 'utf8'));
}

export function decodeJson<T>(payload: Uint8Array): T {
  return JSON.parse(Buffer.from(payload).toString('utf8')) as T;
}

/** Cuts a stream of bytes into frames. */
export class FrameReader {
  readonly #onFrame: (kind: number, payload: Buffer) => void;
  #pieces: Buffer[] = [];
  #pendingBytes = 0;
  #neededBytes = HEADER_BYTES;

  constructor(onFrame: (kind: number, payload: Buffer) => void) {
    this.#onFrame = onFrame;
  }

  /**
   * Takes the next bytes, which the caller leaves alone afterwards, and tells the frames they complete.
   * @returns '' or why the stream is broken; nothing may be pushed after that.
   */
  push(bytes: Buffer): string {
    this.#pieces.push(bytes);
    this.#pendingBytes += bytes.length;
    if (this.#pendingBytes < this.#neededBytes) return '';
    let rest = this.#pieces.length === 1 ? bytes : Buffer.concat(this.#pieces);
    this.#neededBytes = HEADER_BYTES;
    while (rest.length >= HEADER_BYTES) {
      const length = rest.readUInt32LE(0);
      if (length > LIMITS.queryFrameBytesMax) return `a frame of ${length} bytes`;
      const end = HEADER_BYTES + length;
      if (rest.length < end) {
        this.#neededBytes = end;
        break;
      }
      this.#onFrame(rest.readUInt8(4), rest.subarray(HEADER_BYTES, end));
      rest = rest.subarray(end);
    }
    this.#pieces = rest.length === 0 ? [] : [rest];
    this.#pendingBytes = rest.length;
    return '';
  }
}
