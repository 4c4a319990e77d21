/**
 * The one way from a connection to the engine, whatever the protocol: it checks that the appliance takes
 * batches of this key now, hands one over, and counts what became of it.
 *
 * - Every batch whose key was good ends in exactly one of the counters `batches`, `refusedByRequest`, `refusedByLoad`.
 * - Counters are plain numbers; the metrics read them when they are scraped.
 */
import type { Clock } from '../base/clock.ts';
import { ERRORS, fillTemplate, TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { WritePrincipal } from '../engine/control.ts';
import type { BatchOutcome, Codec, IncomingBatch, Rejection } from '../engine/types.ts';
import type { DiskWatch } from './disk-watch.ts';
import { DrainRate } from './drain-rate.ts';
import type { ApplianceState, BatchWriter } from './ports.ts';
import type { RateLimits } from './rate-limits.ts';

/** What SDKs send, with their context; only the guess of a batch's events rests on it. */
const TYPICAL_EVENT_BYTES = 512;

export interface IntakeStatistics {
  batches: number;
  bytes: number;
  received: number;
  accepted: number;
  duplicates: number;
  rejected: number;
  /** Batches refused as a whole, by the client's fault and by ours. */
  refusedByRequest: number;
  refusedByLoad: number;
  /** Time from hand-over to durable, summed, seconds. */
  appendSeconds: number;
  /** Requests that say they are a retry: the first, one of the next three, a later one. */
  firstRetries: number;
  nextRetries: number;
  laterRetries: number;
}

/** A decided batch as clients see it, but for the envelope of their protocol. */
export interface OutcomeBody {
  readonly received: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: readonly (Rejection & { readonly message: string })[];
}

/** What the way of a batch says of it. */
type BatchOrigin = Pick<IncomingBatch, 'typeOfPath' | 'senderAddress' | 'joinedRows'>;

/** What may refuse a batch before it is looked at. */
export interface Admission {
  readonly disk: DiskWatch;
  readonly rates: RateLimits;
}

export class BatchIntake {
  readonly statistics: IntakeStatistics = {
    batches: 0,
    bytes: 0,
    received: 0,
    accepted: 0,
    duplicates: 0,
    rejected: 0,
    refusedByRequest: 0,
    refusedByLoad: 0,
    appendSeconds: 0,
    firstRetries: 0,
    nextRetries: 0,
    laterRetries: 0,
  };
  readonly #state: () => ApplianceState;
  readonly #clock: Clock;
  readonly #admission: Admission;
  readonly #drainRate = new DrainRate();
  /** Handed to the engine and not yet decided. */
  #pendingBytes = 0;

  constructor(state: () => ApplianceState, clock: Clock, admission: Admission) {
    this.#state = state;
    this.#clock = clock;
    this.#admission = admission;
  }

  /** Why a batch of this key would be refused now, whatever is in it. */
  refusalOf(principal: WritePrincipal): TributaryError | undefined {
    const { disk, rates } = this.#admission;
    return disk.refusal() ?? rates.refusalOf(principal);
  }

  /** What a client is told to wait after `error`, in whole seconds. */
  retryAfterSeconds(error: TributaryError): number {
    if (error.retryAfterSeconds !== undefined) return error.retryAfterSeconds;
    if (error.status !== 429) return 1;
    return this.#drainRate.waitSeconds(this.#pendingBytes);
  }

  /** @param retryCount which attempt this is, as the client counts; 0 is the first. */
  countRetry(retryCount: number): void {
    if (!(retryCount >= 1)) return;
    if (retryCount < 2) this.statistics.firstRetries += 1;
    else if (retryCount < 5) this.statistics.nextRetries += 1;
    else this.statistics.laterRetries += 1;
  }

  /**
   * Hands a batch to the engine. `bytes` and `origin` are read before this returns its promise.
   * @throws TributaryError (as a rejection) when the batch is refused as a whole.
   */
  async append(
    principal: WritePrincipal,
    codec: Codec,
    bytes: Uint8Array,
    receivedAtMicros: number,
    origin: BatchOrigin = {},
  ): Promise<BatchOutcome> {
    try {
      if (bytes.length === 0) throw new TributaryError('TRIBUTARY_INGEST_BODY_EMPTY');
      const state = requireReady(this.#state());
      const refusal = this.refusalOf(principal);
      if (refusal !== undefined) throw refusal;
      const { source, tenantId } = principal;
      const batch = { source, codec, bytes, receivedAtMicros, ...origin };
      return await this.#handOver(principal, state.writer(tenantId), batch);
    } catch (error) {
      this.countRefusal(error);
      throw error;
    }
  }

  /**
   * A batch costs its bytes and a guess of its events when it is handed over, so that batches under way at
   * once cannot share one token, and is settled when they were counted. What was refused costs nothing.
   */
  async #handOver(
    principal: WritePrincipal,
    writer: BatchWriter,
    batch: IncomingBatch,
  ): Promise<BatchOutcome> {
    const { disk, rates } = this.#admission;
    const startMs = this.#clock.monotonicMs();
    const payloadBytes = batch.bytes.length; // The buffer may be taken back at the first await.
    const guessedEvents = Math.ceil(payloadBytes / TYPICAL_EVENT_BYTES);
    rates.spend(principal, guessedEvents, payloadBytes);
    disk.take(payloadBytes);
    this.#pendingBytes += payloadBytes;
    try {
      const outcome = await writer.append(batch);
      rates.spend(principal, outcome.received - guessedEvents, 0);
      this.#count(outcome, payloadBytes, startMs);
      return outcome;
    } catch (error) {
      rates.spend(principal, -guessedEvents, -payloadBytes);
      throw error;
    } finally {
      disk.settle(payloadBytes);
      this.#pendingBytes -= payloadBytes;
    }
  }

  #count(outcome: BatchOutcome, payloadBytes: number, startMs: number): void {
    const { statistics } = this;
    const nowMs = this.#clock.monotonicMs();
    this.#drainRate.add(payloadBytes, nowMs);
    statistics.batches += 1;
    statistics.bytes += payloadBytes;
    statistics.received += outcome.received;
    statistics.accepted += outcome.accepted;
    statistics.duplicates += outcome.duplicates;
    statistics.rejected += outcome.received - outcome.accepted - outcome.duplicates;
    statistics.appendSeconds += (nowMs - startMs) / 1000;
  }

  /** Counts a batch that was refused before it could be handed over. */
  countRefusal(error: unknown): void {
    const isRequests = error instanceof TributaryError && error.status < 429;
    if (isRequests) this.statistics.refusedByRequest += 1;
    else this.statistics.refusedByLoad += 1;
  }
}

type Ready = Extract<ApplianceState, { phase: 'ready' }>;

/** @throws TributaryError TRIBUTARY_INGEST_STARTING or TRIBUTARY_ENGINE_CLOSED */
export function requireReady(state: ApplianceState): Ready {
  if (state.phase === 'ready') return state;
  if (state.phase === 'stopping') throw new TributaryError('TRIBUTARY_ENGINE_CLOSED');
  throw new TributaryError('TRIBUTARY_INGEST_STARTING', { progress: state.progress });
}

/** The outcome for a client, with a text for each rejection; `rejected` lists the first thousand. */
export function describeOutcome(outcome: BatchOutcome): OutcomeBody {
  const { received, accepted, duplicates } = outcome;
  const rejected = outcome.rejected.slice(0, LIMITS.rejectionsListedMax).map((rejection) => ({
    index: rejection.index,
    messageId: rejection.messageId,
    code: rejection.code,
    path: rejection.path,
    message: describeRejection(rejection),
  }));
  return { received, accepted, duplicates, rejected };
}

function describeRejection({ code, path }: Rejection): string {
  return fillTemplate(ERRORS[code].message, { path, limit: LIMITS.eventBytesMax });
}
