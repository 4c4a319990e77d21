/**
 * The order of one stream's batches while some of them are inflated.
 *
 * A batch that is not compressed goes to the engine at once, without a copy. One that is takes a while in
 * a thread of zlib's pool, and whatever the client sent after it waits for it: the order in which events
 * were sent is the order in which they are stored.
 *
 * - Inflated bytes come out of the bytes in flight, and are given back when the batch is decided.
 * - Of one stream one batch at a time is inflated; what waits is bounded by the credit.
 */
import { LIMITS } from '../base/limits.ts';
import type { BatchOutcome } from '../engine/types.ts';
import type { BatchIntake } from './batch-intake.ts';
import type { ByteBudget } from './byte-budget.ts';
import { inflate } from './inflate.ts';

/** Reads the bytes before it returns. */
type Append = (bytes: Uint8Array) => Promise<BatchOutcome>;

/** A batch that the engine has; wrapped, so that the next turn does not wait for its outcome. */
interface HandedOver {
  readonly outcome: Promise<BatchOutcome>;
}

export class BatchTurns {
  readonly #inFlight: ByteBudget;
  readonly #intake: BatchIntake;
  /** Settles when the last batch has been handed over or refused; undefined when none waits. */
  #last: Promise<void> | undefined;

  constructor(inFlight: ByteBudget, intake: BatchIntake) {
    this.#inFlight = inFlight;
    this.#intake = intake;
  }

  /**
   * Hands a batch over in its turn; `payload` is read before this returns.
   * Rejects as `append` does, or with TRIBUTARY_INGEST_ENCODING_MALFORMED, _ENCODING_RATIO,
   * _BODY_TOO_LARGE, _IN_FLIGHT_FULL.
   */
  take(
    { isGzip, payload }: { readonly isGzip: boolean; readonly payload: Uint8Array },
    append: Append,
  ): Promise<BatchOutcome> {
    if (!isGzip && this.#last === undefined) return append(payload);
    const bytes = payload.slice();
    const turn = this.#last ?? Promise.resolve();
    const handedOver = turn.then((): HandedOver | Promise<HandedOver> =>
      isGzip ? this.#handOverInflated(bytes, append) : { outcome: append(bytes) },
    );
    const last = handedOver
      .then(
        () => {},
        () => {},
      )
      .then(() => {
        if (this.#last === last) this.#last = undefined;
      });
    this.#last = last;
    return handedOver.then(({ outcome }) => outcome);
  }

  async #handOverInflated(bytes: Uint8Array, append: Append): Promise<HandedOver> {
    const inflated = await this.#inflate(bytes);
    const outcome = append(inflated).finally(() => this.#inFlight.release(inflated.length));
    return { outcome };
  }

  async #inflate(bytes: Uint8Array): Promise<Uint8Array> {
    try {
      return await inflate('gzip', bytes, LIMITS.batchBytesMax, this.#inFlight);
    } catch (error) {
      this.#intake.countRefusal(error);
      throw error;
    }
  }
}
