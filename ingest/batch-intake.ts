/**
 * The one way from a connection to the engine, whatever the protocol: it checks that the appliance takes
 * batches now, hands one over, and counts what became of it.
 *
 * - Every batch whose key was good ends in exactly one of the counters `batches`, `refusedByRequest`, `refusedByLoad`.
 * - Counters are plain numbers; the metrics read them when they are scraped.
 */
import type { Clock } from '../base/clock.ts';
import { ERRORS, fillTemplate, TributaryError } from '../base/errors.ts';
import { LIMITS } from '../base/limits.ts';
import type { WritePrincipal } from '../engine/control.ts';
import type { BatchOutcome, Codec, EventType, Rejection } from '../engine/types.ts';
import type { ApplianceState } from './ports.ts';

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
}

/** A decided batch as clients see it, but for the envelope of their protocol. */
export interface OutcomeBody {
  readonly received: number;
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: readonly (Rejection & { readonly message: string })[];
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
  };
  readonly #state: () => ApplianceState;
  readonly #clock: Clock;

  constructor(state: () => ApplianceState, clock: Clock) {
    this.#state = state;
    this.#clock = clock;
  }

  /**
   * Hands a batch to the engine. `bytes` are read before this returns its promise.
   * @throws TributaryError (as a rejection) when the batch is refused as a whole.
   */
  async append(
    principal: WritePrincipal,
    codec: Codec,
    bytes: Uint8Array,
    receivedAtMicros: number,
    typeOfPath?: EventType,
  ): Promise<BatchOutcome> {
    const { statistics } = this;
    const startMs = this.#clock.monotonicMs();
    const payloadBytes = bytes.length; // The buffer may be taken back at the first await.
    try {
      if (payloadBytes === 0) throw new TributaryError('TRIBUTARY_INGEST_BODY_EMPTY');
      const state = requireReady(this.#state());
      const { source, tenantId } = principal;
      const batch = { source, codec, bytes, receivedAtMicros };
      const outcome = await state
        .writer(tenantId)
        .append(typeOfPath === undefined ? batch : { ...batch, typeOfPath });
      statistics.batches += 1;
      statistics.bytes += payloadBytes;
      statistics.received += outcome.received;
      statistics.accepted += outcome.accepted;
      statistics.duplicates += outcome.duplicates;
      statistics.rejected += outcome.received - outcome.accepted - outcome.duplicates;
      statistics.appendSeconds += (this.#clock.monotonicMs() - startMs) / 1000;
      return outcome;
    } catch (error) {
      this.countRefusal(error);
      throw error;
    }
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
