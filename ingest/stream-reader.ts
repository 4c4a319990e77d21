/**
 * What an admin key may ask on a stream: live tails of its tenant, and who somebody is.
 *
 * - Every request is answered once, by its id: `subscribed`, `unsubscribed`, `resolved` or `refused`.
 * - Tails are bounded per connection and over all of them, and end with the connection.
 */
import type { Clock } from '../base/clock.ts';
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { AdminPrincipal } from '../engine/control.ts';
import { requireReady } from './batch-intake.ts';
import { asTributaryError } from './http-exchange.ts';
import type { ApplianceState, Identifier } from './ports.ts';
import type { StreamRequest, TailFilters } from './stream-requests.ts';
import { StreamTail, type TailSocket } from './stream-tail.ts';

export interface ReaderContext {
  readonly state: () => ApplianceState;
  readonly clock: Clock;
  /** Tails open on all connections; shared by their readers. */
  readonly tails: { count: number };
}

const RESOLVED = Buffer.from('{"resolved":');
/** Of `,"id":4294967295}`. */
const ID_BYTES_MAX = 17;

type Question = Exclude<StreamRequest, { kind: 'hello' } | { kind: 'malformed' }>;

interface OpenTail {
  readonly tail: StreamTail;
  readonly unsubscribe: () => void;
}

export class StreamReader {
  readonly #context: ReaderContext;
  readonly #socket: TailSocket;
  readonly #tails = new Map<number, OpenTail>();
  /**
   * The answer to the last resolve request, as long as the longest so far. Sending copies it, and buffers
   * of 40 KB, made anew for thousands of answers a second, would have V8 collect garbage all the time.
   */
  static #frame = Buffer.alloc(0);

  constructor(context: ReaderContext, socket: TailSocket) {
    this.#context = context;
    this.#socket = socket;
  }

  /** @param principal undefined when the connection has shown no admin key. */
  answer(question: Question, principal: AdminPrincipal | undefined): void {
    try {
      if (principal === undefined) {
        throw new TributaryError('TRIBUTARY_ACCESS_KEY_MISSING', { kind: 'admin' });
      }
      this.#socket.send(JSON.stringify(this.#answerOf(question, principal)));
    } catch (error) {
      const refusal = asTributaryError(error).toJSON();
      this.#socket.send(JSON.stringify({ refused: question.id, error: refusal }));
    }
  }

  /**
   * Answers a resolve request in its plain form from its bytes.
   * @returns false when it is another, or must be refused: then it is parsed and answered as all are.
   */
  answerPlain(message: Uint8Array, principal: AdminPrincipal | undefined): boolean {
    const state = this.#context.state();
    const isOpen = principal !== undefined && state.phase === 'ready';
    if (!isOpen || message.length > LIMITS.requestBytesMax) return false;
    const resolved = state.identity?.resolveRequest(principal.tenantId, message);
    if (resolved === undefined) return false;
    this.#socket.send(StreamReader.#frameOf(resolved.id, resolved.profiles));
    return true;
  }

  /** `profiles` is JSON. @returns bytes that are valid until the next call. */
  static #frameOf(id: number, profiles: Uint8Array): Uint8Array {
    const idAt = RESOLVED.length + profiles.length;
    if (StreamReader.#frame.length < idAt + ID_BYTES_MAX) {
      StreamReader.#frame = Buffer.alloc(2 * (idAt + ID_BYTES_MAX));
      StreamReader.#frame.set(RESOLVED);
    }
    const frame = StreamReader.#frame;
    frame.set(profiles, RESOLVED.length);
    const end = idAt + frame.write(`,"id":${id}}`, idAt, 'latin1');
    return frame.subarray(0, end);
  }

  /** Tells of gaps that nothing was sent after. */
  settle(): void {
    for (const { tail } of this.#tails.values()) tail.settle();
  }

  /** The connection is gone. Idempotent. */
  close(): void {
    for (const id of this.#tails.keys()) this.#unsubscribe(id);
  }

  #answerOf(question: Question, { tenantId }: AdminPrincipal): Readonly<Record<string, unknown>> {
    const { id } = question;
    switch (question.kind) {
      case 'subscribe':
        this.#subscribe(id, question.filters, tenantId);
        return { subscribed: id };
      case 'unsubscribe':
        this.#unsubscribe(id);
        return { unsubscribed: id };
      case 'resolve':
        return { resolved: this.#resolve(question.identifiers, tenantId), id };
    }
  }

  #subscribe(id: number, filters: TailFilters, tenantId: string): void {
    const { clock, state, tails } = this.#context;
    const { tail: source } = requireReady(state());
    if (source === undefined) throw invalid('this appliance has no live tail');
    if (this.#tails.has(id)) throw invalid(`the tail ${id} is open already`);
    const isFull = this.#tails.size >= LIMITS.streamTailsMax || tails.count >= LIMITS.tailsMax;
    if (isFull) throw new TributaryError('TRIBUTARY_INGEST_TAILS_FULL', { count: tails.count });
    const tail = new StreamTail(id, filters, this.#socket, clock);
    const unsubscribe = source.tail(tenantId, (batch) => tail.take(batch));
    this.#tails.set(id, { tail, unsubscribe });
    tails.count += 1;
  }

  #unsubscribe(id: number): void {
    const open = this.#tails.get(id);
    if (open === undefined) return;
    this.#tails.delete(id);
    this.#context.tails.count -= 1;
    open.unsubscribe();
  }

  #resolve(identifiers: readonly Identifier[], tenantId: string): readonly (string | null)[] {
    const { identity } = requireReady(this.#context.state());
    if (identity === undefined) throw invalid('this appliance does not resolve identifiers');
    return identifiers.map((identifier) => identity.resolve(tenantId, identifier));
  }
}

function invalid(reason: string): TributaryError {
  return new TributaryError('TRIBUTARY_INGEST_REQUEST_INVALID', { reason });
}
