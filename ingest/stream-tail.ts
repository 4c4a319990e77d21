/**
 * One live tail: the accepted events of a tenant as they become visible, for people who watch.
 *
 * It must never slow ingestion down, so it is lossy: it looks at `LIMITS.tailBytesPerSecond` of payload,
 * and sends while less than `LIMITS.tailUnreadBytesMax` lies unread. What it passes over is counted, and
 * the count is told before the next event, or within a tick.
 *
 * - The events sent and the gaps told add up to the events published since the subscription, but for
 *   those that the filters kept out.
 * - The order is the commit order.
 */
import type { Clock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import { timeOfMicros } from './iso-time.ts';
import type { PublishedBatch } from './ports.ts';
import type { TailFilters } from './stream-requests.ts';
import { TokenBucket } from './token-bucket.ts';

/** The connection, as a tail needs it. */
export interface TailSocket {
  readonly unreadBytes: number;
  /** @param frame text, or the UTF-8 of one. */
  send(frame: string | Uint8Array): void;
}

type Event = Readonly<Record<string, unknown>>;

export class StreamTail {
  readonly #id: number;
  readonly #filters: TailFilters;
  readonly #socket: TailSocket;
  readonly #clock: Clock;
  readonly #bucket: TokenBucket;
  #gap = 0;

  constructor(id: number, filters: TailFilters, socket: TailSocket, clock: Clock) {
    this.#id = id;
    this.#filters = filters;
    this.#socket = socket;
    this.#clock = clock;
    const rate = LIMITS.tailBytesPerSecond;
    this.#bucket = new TokenBucket(rate, rate, clock.monotonicMs());
  }

  take(batch: PublishedBatch): void {
    const visible = batch.events - batch.hidden.length;
    if (visible === 0) return;
    const nowMs = this.#clock.monotonicMs();
    if (this.#isBehind() || this.#bucket.waitMs(nowMs) > 0) {
      this.#gap += visible;
      return;
    }
    this.#bucket.spend(batch.json.length, nowMs);
    this.settle();
    const hidden = new Set(batch.hidden);
    eventsOf(batch.json).forEach((event, index) => {
      if (!hidden.has(index) && this.#passes(event, batch)) this.#show(event, index, batch);
    });
  }

  /** Tells of a gap when there is one, and room. */
  settle(): void {
    if (this.#gap === 0 || this.#isBehind()) return;
    this.#socket.send(JSON.stringify({ tail: this.#id, gap: this.#gap }));
    this.#gap = 0;
  }

  #show(event: Event, index: number, batch: PublishedBatch): void {
    if (this.#isBehind()) {
      this.#gap += 1;
      return;
    }
    this.#socket.send(
      JSON.stringify({
        tail: this.#id,
        sequence: batch.firstSequence + index,
        source: batch.source.name,
        received_at: timeOfMicros(batch.receivedAtMicros),
        event: batch.typeOfPath === undefined ? event : { ...event, type: batch.typeOfPath },
      }),
    );
  }

  #passes(event: Event, { source, typeOfPath }: PublishedBatch): boolean {
    for (const [field, values] of this.#filters) {
      const value =
        field === 'source' ? source.name : (field === 'type' && typeOfPath) || event[field];
      // Ids may be numbers in JSON; they are stored as text.
      const text = typeof value === 'number' ? String(value) : value;
      if (typeof text !== 'string' || !values.has(text)) return false;
    }
    return true;
  }

  #isBehind(): boolean {
    return this.#socket.unreadBytes > LIMITS.tailUnreadBytesMax;
  }
}

/** The engine has decoded the batch, so it is JSON: one event, or an object with a batch of them. */
function eventsOf(json: Uint8Array): readonly Event[] {
  const text = Buffer.from(json.buffer, json.byteOffset, json.byteLength).toString('utf8');
  const value = JSON.parse(text) as Event;
  const { batch } = value;
  return Array.isArray(batch) ? (batch as Event[]) : [value];
}
