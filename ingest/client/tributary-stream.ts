/**
 * A stream of events to the appliance that outlives its connections.
 *
 *     send → room → batcher → [gzip] → [store] → window → connection → answer → outcome
 *
 * - Every event gets one outcome. It is stored once: the appliance tells a new connection what it has,
 *   and where it cannot (it was restarted), the messageIds of what is sent again do.
 * - Nothing grows without bound: `send` waits while `bufferBytesMax` of events have no outcome, and what
 *   is on its way is bounded by the appliance's credit.
 * - A batch that the appliance could not take now is sent again, not before the time that it asked for.
 * - With a store a batch is on disk before it is sent, and leaves the disk after it is decided.
 *
 * Failure: a refused stream (unknown key), a taken over one or a failing store ends it; what has no
 * outcome rejects, and stays in the store.
 */
import { Batcher } from './batcher.ts';
import { Connection } from './connection.ts';
import {
  type Answer,
  BATCH_ID_MAX,
  batchFrame,
  CLOSE_REFUSED,
  CLOSE_REPLACED,
  gzipFrame,
  type Hello,
} from './frames.ts';
import { PendingSend, type SendPart } from './pending-send.ts';
import { Room } from './room.ts';
import { type Batch, SendWindow } from './send-window.ts';
import { backoffMs, randomName, type StreamSettings, settingsOf } from './settings.ts';
import {
  type BatchReport,
  type BatchStore,
  type Receipt,
  StreamError,
  type StreamEvent,
  type StreamOptions,
} from './types.ts';

const CLOSE_MS = 10_000;
/**
 * Ids that a stream leaves out when it goes on from a store: more than batches whose files were damaged, and moved
 * away. An id that the appliance knew already would be answered with the outcome of the batch that had it.
 */
const LOST_IDS_MAX = 1_000_000;

interface FlushWaiter {
  readonly id: number;
  readonly resolve: () => void;
}

export class TributaryStream {
  readonly #settings: StreamSettings;
  readonly #store: BatchStore | undefined;
  readonly #onBatch: (report: BatchReport) => void;
  readonly #name: string;
  /** Distinguishes the messageIds of this run from those of an earlier one of the same stream. */
  readonly #messageIdPrefix = randomName();
  readonly #room: Room;
  readonly #batcher: Batcher;
  readonly #window = new SendWindow();
  /** Batches are compressed and stored, and released from the store, one after another. */
  #preparing: Promise<void> = Promise.resolve();
  #released = -1;
  #connection: Connection | undefined;
  #attempt = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #pause: ReturnType<typeof setTimeout> | undefined;
  #flushes: FlushWaiter[] = [];
  #lastId = -1;
  #nextId = 0;
  #messages = 0;
  #isClosing = false;
  #failure: StreamError | undefined;

  private constructor(options: StreamOptions, name: string) {
    this.#settings = settingsOf(options);
    this.#store = options.store;
    this.#onBatch = options.onBatch ?? (() => {});
    this.#name = name;
    this.#room = new Room(this.#settings.bufferBytesMax);
    this.#batcher = new Batcher({
      eventsMax: this.#settings.batchEventsMax,
      bytesMax: this.#settings.batchBytesMax,
      delayMs: this.#settings.batchDelayMs,
      onBatch: (events, parts) => this.#seal(events, parts),
    });
  }

  /**
   * Opens the store, when there is one, and begins to connect. It does not wait for the appliance: one
   * that cannot be reached yet is tried again and again.
   * @throws StreamError STREAM_STORE_FAILED; RangeError and TypeError for options that are none.
   */
  static async open(options: StreamOptions): Promise<TributaryStream> {
    settingsOf(options);
    const stored = await options.store?.open().catch((cause: unknown) => {
      throw storeFailed(cause);
    });
    const stream = new TributaryStream(options, stored?.name ?? randomName());
    for (const { frame, id } of stored?.batches ?? []) {
      stream.#room.occupy(frame.length);
      stream.#window.add({ id, frame, parts: [], bytes: frame.length });
      stream.#lastId = id;
      stream.#nextId = id + 1 + LOST_IDS_MAX;
    }
    stream.#connect();
    return stream;
  }

  /** Why the stream has ended; undefined while it goes on. */
  get failure(): StreamError | undefined {
    return this.#failure;
  }

  get isConnected(): boolean {
    return this.#connection?.isReady ?? false;
  }

  /** Bytes of events without an outcome. */
  get bufferedBytes(): number {
    return this.#room.used;
  }

  /**
   * Takes events; resolves when they are in the buffer, and so waits while it is full.
   * Rejects with a {@link StreamError}, and then takes none of them: EVENT_TOO_LARGE, EVENT_MALFORMED,
   * STREAM_CLOSED and the other ends of a stream.
   */
  async send(events: StreamEvent | readonly StreamEvent[]): Promise<Receipt> {
    this.#requireOpen();
    const encoded = (isList(events) ? events : [events]).map((event) => this.#encode(event));
    if (encoded.length === 0) return { outcome: Promise.resolve({ events: 0, rejected: [] }) };
    await this.#room.take(bytesOf(encoded));
    if (this.#failure !== undefined) throw this.#failure;
    const send = new PendingSend(encoded.length);
    this.#batcher.add(encoded, send);
    if (this.#store !== undefined) await send.buffered;
    return { outcome: send.outcome };
  }

  /** Sends what is gathered and waits until everything sent before has its outcome. Never rejects. */
  async flush(): Promise<void> {
    this.#batcher.seal();
    const id = this.#lastId;
    if (this.#failure !== undefined || this.#window.acknowledged >= id) return;
    await new Promise<void>((resolve) => this.#flushes.push({ id, resolve }));
  }

  /**
   * Takes no more events, waits for the outcomes of those it has, and closes. After `timeoutMs` what is
   * left rejects with STREAM_CLOSED; a store keeps it for the next run. Idempotent.
   */
  async close(timeoutMs = CLOSE_MS): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    this.#batcher.seal();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([this.#room.whenEmpty(), late]);
    clearTimeout(timer);
    this.#fail(new StreamError('STREAM_CLOSED', 'The stream is closed.'));
    await this.#preparing;
    await this.#store?.close();
  }

  #requireOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#isClosing) throw new StreamError('STREAM_CLOSED', 'The stream is closing.');
  }

  #encode(event: StreamEvent): Uint8Array {
    const { format, now } = this.#settings;
    const added: Record<string, string> = {};
    if (typeof event !== 'object' || event === null || isList(event)) {
      throw new StreamError('EVENT_MALFORMED', 'An event is an object.');
    }
    // Absent is what the appliance takes for absent; a number is an id by its digits.
    if (event['messageId'] == null || event['messageId'] === '') {
      added['messageId'] = `${this.#messageIdPrefix}-${this.#messages++}`;
    }
    if (event['timestamp'] == null) added['timestamp'] = new Date(now()).toISOString();
    const encoded = format.encode({ ...event, ...added });
    const { batchBytesMax } = this.#settings;
    if (encoded.length <= batchBytesMax) return encoded;
    const size = `${encoded.length} bytes, limit ${batchBytesMax} bytes`;
    throw new StreamError('EVENT_TOO_LARGE', `The event has ${size}.`);
  }

  /** Makes a batch of encoded events, and keeps it until it is decided. */
  #seal(events: readonly Uint8Array[], parts: readonly SendPart[]): void {
    if (this.#nextId > BATCH_ID_MAX) {
      this.#fail(new StreamError('STREAM_EXHAUSTED', 'The stream has used all of its batch ids.'));
    }
    if (this.#failure !== undefined) {
      for (const { send } of parts) send.fail(this.#failure);
      return;
    }
    const id = this.#nextId++;
    this.#lastId = id;
    const frame = batchFrame(this.#settings.format, id, events);
    const batch: Batch = { id, frame, parts, bytes: bytesOf(events) };
    if (this.#store === undefined && !this.#settings.isCompressed) {
      this.#enter(batch);
      return;
    }
    this.#preparing = this.#preparing
      .then(() => this.#prepare(batch))
      .then((prepared) => this.#enter(prepared))
      .catch((cause: unknown) => {
        this.#fail(storeFailed(cause));
        for (const { send } of parts) send.fail(this.#failure!);
      });
  }

  async #prepare(batch: Batch): Promise<Batch> {
    const { isCompressed } = this.#settings;
    const frame = isCompressed ? await gzipFrame(batch.frame) : batch.frame;
    await this.#store?.append(this.#name, { id: batch.id, frame });
    return { ...batch, frame };
  }

  #enter(batch: Batch): void {
    for (const part of batch.parts) part.send.partBuffered(part);
    if (this.#failure === undefined) {
      this.#window.add(batch);
      this.#pump();
    } else {
      for (const { send } of batch.parts) send.fail(this.#failure);
    }
  }

  /** Sends what the credit covers. */
  #pump(): void {
    const connection = this.#connection;
    while (connection?.isReady && this.#pause === undefined) {
      const batch = this.#window.take();
      if (batch === undefined) return;
      connection.send(batch.frame);
    }
  }

  #connect(): void {
    const { silenceMsMax, url, WebSocket, writeKey } = this.#settings;
    const { acknowledged } = this.#window;
    this.#connection = new Connection({
      url,
      WebSocket,
      hello: JSON.stringify({ hello: { key: writeKey, stream: this.#name, acknowledged } }),
      silenceMsMax,
      isOwed: () => this.#window.owed > 0,
      onAnswer: (answer) => this.#take(answer),
      onEnd: (code, reason) => this.#disconnected(code, reason),
    });
  }

  #disconnected(code: number, reason: string): void {
    this.#connection = undefined;
    this.#window.disconnected();
    if (this.#failure !== undefined) return;
    if (CLOSE_REFUSED.has(code)) {
      this.#fail(new StreamError('STREAM_REFUSED', `The appliance refused the stream: ${reason}.`));
    } else if (code === CLOSE_REPLACED) {
      this.#fail(new StreamError('STREAM_REPLACED', 'Another connection goes on with the stream.'));
    } else {
      this.#timer = setTimeout(() => this.#connect(), backoffMs(this.#settings, this.#attempt));
      this.#attempt += 1;
    }
  }

  #take(answer: Answer): void {
    switch (answer.kind) {
      case 'hello':
        this.#begin(answer.hello);
        break;
      case 'credit':
        this.#window.grant(answer.credit);
        break;
      case 'ack':
        this.#window.grant(answer.credit);
        this.#accepted(answer);
        break;
      case 'nack':
        this.#window.grant(answer.credit);
        this.#refused(answer);
        break;
    }
    this.#pump();
  }

  #begin(hello: Hello): void {
    this.#attempt = 0;
    this.#window.connected(hello);
  }

  #accepted(answer: Extract<Answer, { kind: 'ack' }>): void {
    const { accepted, duplicates, id, received, rejected } = answer;
    const batch = this.#window.answer(id);
    if (batch === undefined) return;
    for (const part of batch.parts) part.send.partDecided(part, rejected);
    const counts = { received, accepted, duplicates, rejected: received - accepted - duplicates };
    this.#decided(batch, { id, counts });
  }

  #refused(answer: Extract<Answer, { kind: 'nack' }>): void {
    const { code, id, message, retryAfterMs } = answer;
    if (retryAfterMs !== undefined) {
      this.#window.putBack(id);
      this.#pauseFor(retryAfterMs);
      return;
    }
    const batch = this.#window.answer(id);
    if (batch === undefined) return;
    const error = new StreamError(code, message);
    for (const { send } of batch.parts) send.fail(error);
    this.#decided(batch, { id, error });
  }

  /** Many clients that were told the same time come back spread over half as much again. */
  #pauseFor(milliseconds: number): void {
    if (this.#pause !== undefined) return;
    this.#pause = setTimeout(
      () => {
        this.#pause = undefined;
        this.#pump();
      },
      milliseconds * (1 + this.#settings.random() / 2),
    );
  }

  #decided(batch: Batch, report: BatchReport): void {
    const { acknowledged } = this.#window;
    const store = this.#store;
    if (store !== undefined && acknowledged > this.#released) {
      this.#released = acknowledged;
      this.#preparing = this.#preparing
        .then(() => store.releaseThrough(acknowledged))
        .catch((cause: unknown) => this.#fail(storeFailed(cause)));
    }
    this.#room.give(batch.bytes);
    const isDone = ({ id }: FlushWaiter): boolean => id <= acknowledged;
    for (const { resolve } of this.#flushes.filter(isDone)) resolve();
    this.#flushes = this.#flushes.filter((waiter) => !isDone(waiter));
    this.#onBatch(report);
  }

  /** Ends the stream; the first reason is the one that counts. */
  #fail(error: StreamError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    clearTimeout(this.#timer);
    clearTimeout(this.#pause);
    this.#connection?.close();
    this.#batcher.seal();
    for (const { parts } of this.#window.batches()) for (const { send } of parts) send.fail(error);
    this.#room.fail(error);
    for (const { resolve } of this.#flushes.splice(0)) resolve();
  }
}

function storeFailed(cause: unknown): StreamError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new StreamError('STREAM_STORE_FAILED', `The store failed: ${reason}.`, cause);
}

function bytesOf(events: readonly Uint8Array[]): number {
  return events.reduce((sum, event) => sum + event.length, 0);
}

function isList(events: StreamEvent | readonly StreamEvent[]): events is readonly StreamEvent[] {
  return Array.isArray(events);
}
