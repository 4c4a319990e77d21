/**
 * One WebSocket client: its key, its credit, its batches under way.
 *
 * Flow control is by credit: the client may have so many batches and bytes unanswered. Each answer gives
 * back what its batch had taken, unless the appliance is short of room; then the credit is owed, and
 * granted when there is room again. Nothing is buffered for a client beyond its credit.
 *
 * - Every batch is answered once, by an ack or a nack, in the order in which they are decided.
 * - A batch of a named stream whose connection broke is answered on the stream's next connection.
 * - A session that ends takes no more frames. The batches it took are answered before its close frame, unless
 *   `LIMITS.streamCloseMs` are over or another connection has the stream.
 * - credit + owed + credit of batches under way = the credit of the hello, until the session ends.
 * - After the close frame or `close` nothing is sent.
 */
import { TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { Logger } from '../base/log.ts';
import type { AdminPrincipal, WritePrincipal } from '../engine/control.ts';
import type { BatchOutcome } from '../engine/types.ts';
import type { BatchIntake } from './batch-intake.ts';
import { type ByteBudget, inFlightFull } from './byte-budget.ts';
import { asTributaryError } from './http-exchange.ts';
import type { Authenticator } from './ports.ts';
import { isResolveFrame } from './resolve-request.ts';
import type { Sender } from './senders.ts';
import type { StreamHolder, StreamLedger, StreamRecord } from './stream-ledger.ts';
import {
  ackFrame,
  CLOSE,
  type Credit,
  creditFrame,
  type Frame,
  helloFrame,
  nackFrame,
  parseFrame,
} from './stream-protocol.ts';
import { type ReaderContext, StreamReader } from './stream-reader.ts';
import type { StreamResume } from './stream-resume.ts';
import type { TailSocket } from './stream-tail.ts';
import { BatchTurns } from './stream-turns.ts';

/** The connection, as a session needs it. */
export interface StreamSocket extends TailSocket {
  /** Sends what is waiting, then a close frame. */
  end(code: number, reason: string): void;
}

/** Whom the keys of a connection let in: to write, to read, or both. */
export interface StreamPrincipals {
  readonly write?: WritePrincipal | undefined;
  readonly admin?: AdminPrincipal | undefined;
}

/** What the head of the upgrade said. */
export interface StreamUpgrade {
  /** Whom it let in; undefined when a hello has to follow. */
  readonly principals: StreamPrincipals | undefined;
  readonly resume: StreamResume | undefined;
  readonly sender: Sender;
}

export interface StreamContext extends ReaderContext {
  readonly authenticator: Authenticator;
  readonly intake: BatchIntake;
  readonly inFlight: ByteBudget;
  readonly ledger: StreamLedger;
  readonly logger: Logger;
}

/** The close frame that is to come. */
interface Farewell {
  readonly code: number;
  readonly reason: string;
  /** When it comes at the latest, by the monotonic clock. */
  readonly untilMs: number;
}

type HelloRequest = Extract<Frame, { kind: 'hello' }>;
type BatchFrame = Extract<Frame, { kind: 'batch' }>;

const NONE: Credit = Object.freeze({ batches: 0, bytes: 0 });
const GRANT: Credit = Object.freeze({
  batches: LIMITS.streamCreditBatches,
  bytes: LIMITS.streamCreditBytes,
});
/** Batches beyond the credit that are answered with a nack before the stream is closed. */
const OVERRUNS_MAX = LIMITS.streamCreditBatches;
/** Share of the bytes in flight above which credit is held back. */
const PRESSURE = 0.75;

export class StreamSession implements StreamHolder {
  readonly #socket: StreamSocket;
  readonly #context: StreamContext;
  readonly #reader: StreamReader;
  readonly #senderAddress: Uint8Array | undefined;
  #principals: StreamPrincipals | undefined;
  #stream: { readonly name: string; readonly record: StreamRecord } | undefined;
  #credit: Credit = GRANT;
  #owed: Credit = NONE;
  readonly #turns: BatchTurns;
  #outstanding = 0;
  #overruns = 0;
  #farewell: Farewell | undefined;
  /** The close frame was sent, or the connection is gone. */
  #isClosed = false;

  constructor(
    socket: StreamSocket,
    context: StreamContext,
    { principals, resume, sender }: StreamUpgrade,
  ) {
    this.#socket = socket;
    this.#context = context;
    this.#senderAddress = sender.address;
    this.#turns = new BatchTurns(context.inFlight, context.intake);
    this.#reader = new StreamReader(context, socket);
    if (principals !== undefined) this.#begin(principals, resume);
  }

  /** Batches handed to the engine and not yet answered. */
  get outstanding(): number {
    return this.#outstanding;
  }

  get isAuthenticated(): boolean {
    return this.#principals !== undefined;
  }

  get isOwed(): boolean {
    return this.#owed.batches > 0;
  }

  /** Takes one frame; `message` is read before this returns. */
  receive(message: Uint8Array, isBinary: boolean): void {
    if (this.#isEnding) return;
    const isResolve = !isBinary && isResolveFrame(message);
    if (isResolve && this.#reader.answerPlain(message, this.#principals?.admin)) return;
    const frame = parseFrame(message, isBinary);
    if (frame.kind === 'malformed') this.end(CLOSE.protocolError, frame.reason);
    else if (frame.kind === 'hello') this.#authenticate(frame);
    else if (this.#principals === undefined) {
      this.end(CLOSE.policyViolation, 'the first frame is a hello with a key');
    } else if (frame.kind !== 'batch') this.#reader.answer(frame, this.#principals.admin);
    else if (this.#principals.write !== undefined) this.#take(frame, this.#principals.write);
    else this.end(CLOSE.policyViolation, 'an admin key sends no batches');
  }

  /** Grants what is owed, when there is room again, and tells of the gaps of tails; or closes when it is time. */
  settle(): void {
    this.#closeWhenAnswered();
    if (this.#isEnding) return;
    this.#reader.settle();
    if (!this.isOwed || this.#isUnderPressure()) return;
    const credit = this.#owed;
    this.#owed = NONE;
    this.#credit = plus(this.#credit, credit);
    this.#socket.send(creditFrame(credit));
  }

  /**
   * Closes from our side, once the batches under way are answered. The first reason holds, the shortest time, too.
   * @param patienceMs how long they are waited for; 0 closes at once.
   */
  end(code: number, reason: string, patienceMs: number = LIMITS.streamCloseMs): void {
    if (this.#isClosed) return;
    const untilMs = this.#context.clock.monotonicMs() + patienceMs;
    const first = this.#farewell ?? { code, reason, untilMs };
    this.#farewell = { ...first, untilMs: Math.min(untilMs, first.untilMs) };
    this.#reader.close();
    this.#closeWhenAnswered();
  }

  #closeWhenAnswered(): void {
    if (this.#isClosed || this.#farewell === undefined) return;
    const { code, reason, untilMs } = this.#farewell;
    if (this.#outstanding > 0 && this.#context.clock.monotonicMs() < untilMs) return;
    this.#isClosed = true;
    this.#socket.end(code, reason);
  }

  /** Whether no more frames are taken. */
  get #isEnding(): boolean {
    return this.#isClosed || this.#farewell !== undefined;
  }

  /** The connection is gone. */
  close(): void {
    this.#isClosed = true;
    this.#reader.close();
    const { write } = this.#principals ?? {};
    if (write === undefined || this.#stream === undefined) return;
    this.#context.ledger.detach(write, this.#stream.name, this);
  }

  deliver(frame: string): void {
    if (!this.#isClosed) this.#socket.send(frame);
  }

  replaced(): void {
    this.end(CLOSE.replaced, 'the stream has another connection', 0);
  }

  #authenticate({ adminKey, key, resume }: HelloRequest): void {
    if (this.#principals !== undefined) {
      this.end(CLOSE.protocolError, 'the stream has a key already');
      return;
    }
    const { authenticator } = this.#context;
    const principals = key === undefined ? {} : principalsOf(authenticator, key);
    const admin =
      adminKey === undefined ? principals?.admin : authenticator.authenticateAdmin(adminKey);
    const isUnknown = principals === undefined || (adminKey !== undefined && admin === undefined);
    if (isUnknown) this.end(CLOSE.policyViolation, 'the key is not known');
    else this.#begin({ ...principals, admin }, resume);
  }

  /** Sends the hello, and after it the outcomes that the client has not seen. */
  #begin(principals: StreamPrincipals, resume: StreamResume | undefined): void {
    this.#principals = principals;
    if (resume === undefined || principals.write === undefined) {
      this.#socket.send(helloFrame(this.#credit, undefined));
      return;
    }
    const record = this.#context.ledger.attach(principals.write, resume.stream, this);
    this.#stream = { name: resume.stream, record };
    record.forgetThrough(resume.acknowledged);
    this.#socket.send(helloFrame(this.#credit, record));
    for (const [id, outcome] of record.answered) this.#socket.send(ackFrame(id, outcome, NONE));
  }

  #take(frame: BatchFrame, principal: WritePrincipal): void {
    const cost = { batches: 1, bytes: frame.payload.length };
    if (this.#isKnown(frame.id, cost)) return;
    const refusal = this.#refusalOf(cost);
    if (refusal !== undefined) {
      this.#context.intake.countRefusal(refusal);
      // The client has counted this batch against its credit; the nack evens the two ledgers out.
      if (!this.#isEnding) this.#socket.send(this.#nack(frame.id, refusal, cost));
      return;
    }
    this.#credit = plus(this.#credit, { batches: -1, bytes: -cost.bytes });
    this.#outstanding += 1;
    const record = this.#stream?.record;
    record?.begin(frame.id);
    const { clock, intake } = this.#context;
    const receivedAtMicros = clock.nowMicros();
    const origin = { senderAddress: this.#senderAddress };
    const append = (bytes: Uint8Array): Promise<BatchOutcome> =>
      intake.append(principal, frame.codec, bytes, receivedAtMicros, origin);
    this.#turns.take(frame, append).then(
      (outcome) => {
        record?.settle(frame.id, outcome);
        this.#answer(cost, (credit) => ackFrame(frame.id, outcome, credit));
      },
      (error: unknown) => {
        record?.settle(frame.id, undefined);
        this.#answerFailure(frame.id, cost, error);
      },
    );
  }

  /**
   * Answers a batch that this stream has sent before: again with its outcome, or, while it is under way,
   * with no more than the credit, since its answer is to come.
   */
  #isKnown(id: number, cost: Credit): boolean {
    const record = this.#stream?.record;
    if (record === undefined) return false;
    const outcome = record.answered.get(id);
    if (outcome !== undefined) this.#socket.send(ackFrame(id, outcome, cost));
    else if (record.underWay.has(id)) this.#socket.send(creditFrame(cost));
    else return false;
    return true;
  }

  /** Takes `cost` from the bytes in flight, or says why this batch cannot be taken. */
  #refusalOf(cost: Credit): TributaryError | undefined {
    const { inFlight } = this.#context;
    if (cost.bytes > LIMITS.batchBytesMax) {
      const limitBytes = LIMITS.batchBytesMax;
      return new TributaryError('TRIBUTARY_INGEST_BODY_TOO_LARGE', { limitBytes });
    }
    if (this.#credit.batches < 1 || this.#credit.bytes < cost.bytes) {
      this.#overruns += 1;
      if (this.#overruns > OVERRUNS_MAX) this.end(CLOSE.policyViolation, 'far beyond the credit');
      return new TributaryError('TRIBUTARY_INGEST_CREDIT_EXCEEDED', {
        bytes: cost.bytes,
        batches: this.#credit.batches,
        creditBytes: this.#credit.bytes,
      });
    }
    return inFlight.tryTake(cost.bytes) ? undefined : inFlightFull(inFlight);
  }

  #answerFailure(id: number, cost: Credit, error: unknown): void {
    const answered = asTributaryError(error);
    if (answered.status === 500) this.#context.logger.log('error', 'a batch failed', { error });
    this.#answer(cost, (credit) => this.#nack(id, answered, credit));
  }

  #nack(id: number, error: TributaryError, credit: Credit): string {
    return nackFrame(id, error, this.#context.intake.retryAfterSeconds(error), credit);
  }

  /**
   * Gives the batch's bytes and credit back and sends its answer; when this connection is gone, to the
   * one that the stream has now, whose credit it never took.
   */
  #answer(cost: Credit, frame: (credit: Credit) => string): void {
    this.#outstanding -= 1;
    this.#overruns = 0;
    this.#context.inFlight.release(cost.bytes);
    if (this.#isClosed) {
      this.#stream?.record.holder?.deliver(frame(NONE));
    } else if (this.#isEnding) {
      this.#socket.send(frame(NONE));
      this.#closeWhenAnswered();
    } else if (this.#isUnderPressure()) {
      this.#owed = plus(this.#owed, cost);
      this.#socket.send(frame(NONE));
    } else {
      const credit = plus(this.#owed, cost);
      this.#owed = NONE;
      this.#credit = plus(this.#credit, credit);
      this.#socket.send(frame(credit));
    }
  }

  #isUnderPressure(): boolean {
    const { inFlight } = this.#context;
    return inFlight.used > inFlight.limit * PRESSURE;
  }
}

/** A key may be of either kind. @returns undefined when it is of none. */
export function principalsOf(
  authenticator: Authenticator,
  key: string,
): StreamPrincipals | undefined {
  const write = authenticator.authenticateWrite(key);
  if (write !== undefined) return { write };
  const admin = authenticator.authenticateAdmin(key);
  return admin === undefined ? undefined : { admin };
}

function plus(left: Credit, right: Credit): Credit {
  return { batches: left.batches + right.batches, bytes: left.bytes + right.bytes };
}
