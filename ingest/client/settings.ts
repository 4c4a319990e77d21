/** The options of a stream with their defaults, checked. */
import { type Format, jsonFormat, msgpackFormat } from './frames.ts';
import type { StreamOptions, WebSocketConstructor } from './types.ts';

export interface StreamSettings {
  readonly url: string;
  readonly writeKey: string;
  readonly WebSocket: WebSocketConstructor;
  readonly format: Format;
  readonly isCompressed: boolean;
  readonly batchEventsMax: number;
  readonly batchBytesMax: number;
  readonly batchDelayMs: number;
  readonly bufferBytesMax: number;
  readonly backoffMsMin: number;
  readonly backoffMsMax: number;
  readonly silenceMsMax: number;
  readonly random: () => number;
  readonly now: () => number;
}

const KIB = 1024;
const MIB = 1024 * KIB;

/** An ack lists so many rejected events; a batch no larger tells of each. */
const BATCH_EVENTS_MAX = 1000;
/** The appliance takes 4 MiB; the head of the payload and its commas stay below 2 KiB. */
const BATCH_BYTES_MAX = 4 * MIB - 2 * KIB;

/** @throws RangeError for a number out of its range, TypeError when there is no WebSocket. */
export function settingsOf(options: StreamOptions): StreamSettings {
  const { encodeMsgpack, now = systemNow, random = systemRandom, url, writeKey } = options;
  const number = (name: keyof StreamOptions, fallback: number, min: number, max: number): number =>
    inRange(name, (options[name] as number | undefined) ?? fallback, min, max);
  const backoffMsMin = number('backoffMsMin', 100, 1, 3_600_000);
  return {
    url,
    writeKey,
    WebSocket: options.WebSocket ?? globalWebSocket(),
    format: encodeMsgpack === undefined ? jsonFormat : msgpackFormat(encodeMsgpack),
    isCompressed: options.compression === 'gzip',
    batchEventsMax: number('batchEventsMax', 500, 1, BATCH_EVENTS_MAX),
    batchBytesMax: number('batchBytesMax', 256 * KIB, 1, BATCH_BYTES_MAX),
    batchDelayMs: number('batchDelayMs', 5, 0, 60_000),
    bufferBytesMax: number('bufferBytesMax', 64 * MIB, 1, Number.MAX_SAFE_INTEGER),
    backoffMsMin,
    backoffMsMax: number('backoffMsMax', Math.max(30_000, backoffMsMin), backoffMsMin, 3_600_000),
    silenceMsMax: number('silenceMsMax', 30_000, 100, 3_600_000),
    random,
    now,
  };
}

/** Milliseconds to wait before attempt `attempt` (from 0): "full jitter" below a doubling bound. */
export function backoffMs(settings: StreamSettings, attempt: number): number {
  const bound = Math.min(settings.backoffMsMax, settings.backoffMsMin * 2 ** Math.min(attempt, 30));
  return settings.random() * bound;
}

/** 128 random bits as 32 hexadecimal digits. */
export function randomName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

function systemNow(): number {
  return performance.timeOrigin + performance.now();
}

function systemRandom(): number {
  return crypto.getRandomValues(new Uint32Array(1))[0]! / 2 ** 32;
}

function inRange(name: string, value: number, min: number, max: number): number {
  if (Number.isFinite(value) && value >= min && value <= max) return value;
  throw new RangeError(`${name} is ${min} to ${max}, got ${value}`);
}

function globalWebSocket(): WebSocketConstructor {
  const { WebSocket } = globalThis as { WebSocket?: WebSocketConstructor };
  if (WebSocket !== undefined) return WebSocket;
  throw new TypeError('there is no global WebSocket here; give one in the options');
}
