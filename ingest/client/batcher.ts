/**
 * Gathers events until they make a batch: enough of them, enough bytes, or old enough.
 *
 * - A batch holds at most `eventsMax` events and, unless one event alone is larger, `bytesMax` bytes.
 * - Events keep the order in which they came.
 */
import type { PendingSend, SendPart } from './pending-send.ts';

export interface BatcherOptions {
  readonly eventsMax: number;
  readonly bytesMax: number;
  readonly delayMs: number;
  /** Takes a full batch. */
  readonly onBatch: (events: readonly Uint8Array[], parts: readonly SendPart[]) => void;
}

export class Batcher {
  readonly #options: BatcherOptions;
  #events: Uint8Array[] = [];
  #parts: SendPart[] = [];
  #bytes = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(options: BatcherOptions) {
    this.#options = options;
  }

  /** Bytes that wait for their batch. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Takes the encoded events of one `send`. */
  add(events: readonly Uint8Array[], send: PendingSend): void {
    const { bytesMax, delayMs, eventsMax } = this.#options;
    let firstInSend = 0;
    events.forEach((event, index) => {
      if (this.#events.length > 0 && this.#bytes + event.length > bytesMax) {
        this.#addPart(send, firstInSend, index);
        firstInSend = index;
        this.seal();
      }
      this.#events.push(event);
      this.#bytes += event.length;
      if (this.#events.length < eventsMax) return;
      this.#addPart(send, firstInSend, index + 1);
      firstInSend = index + 1;
      this.seal();
    });
    this.#addPart(send, firstInSend, events.length);
    if (this.#events.length > 0) this.#timer ??= setTimeout(() => this.seal(), delayMs);
  }

  /** Hands over what is there. */
  seal(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#events.length === 0) return;
    const events = this.#events;
    const parts = this.#parts;
    this.#events = [];
    this.#parts = [];
    this.#bytes = 0;
    this.#options.onBatch(events, parts);
  }

  /** The events of a send from `first` up to `end` are the last ones of the batch. */
  #addPart(send: PendingSend, first: number, end: number): void {
    const count = end - first;
    if (count === 0) return;
    const firstInBatch = this.#events.length - count;
    this.#parts.push({ send, firstInSend: first, firstInBatch, count });
  }
}
