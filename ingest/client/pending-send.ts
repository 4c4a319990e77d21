/** The two promises of one `send`, whose events may go out in several batches. */
import type { BatchRejection } from './frames.ts';
import type { EventRejection, SendOutcome, StreamError } from './types.ts';

/** The events of one `send` that are in one batch: `count` of them, from `firstInBatch` there. */
export interface SendPart {
  readonly send: PendingSend;
  readonly firstInSend: number;
  readonly firstInBatch: number;
  readonly count: number;
}

export class PendingSend {
  /** Resolves when every event is where the buffer keeps it. */
  readonly buffered: Promise<void>;
  readonly outcome: Promise<SendOutcome>;
  readonly #events: number;
  readonly #rejected: EventRejection[] = [];
  #unbuffered: number;
  #undecided: number;
  #resolveBuffered!: () => void;
  #resolve!: (outcome: SendOutcome) => void;
  #rejectBuffered!: (error: StreamError) => void;
  #reject!: (error: StreamError) => void;

  constructor(events: number) {
    this.#events = events;
    this.#unbuffered = events;
    this.#undecided = events;
    this.buffered = new Promise((resolve, reject) => {
      this.#resolveBuffered = resolve;
      this.#rejectBuffered = reject;
    });
    this.outcome = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Callers may leave them alone; whoever awaits one still gets its error.
    this.buffered.catch(() => {});
    this.outcome.catch(() => {});
  }

  partBuffered({ count }: SendPart): void {
    this.#unbuffered -= count;
    if (this.#unbuffered === 0) this.#resolveBuffered();
  }

  /** @param rejected of the whole batch. */
  partDecided(
    { count, firstInBatch, firstInSend }: SendPart,
    rejected: readonly BatchRejection[],
  ): void {
    for (const rejection of rejected) {
      const index = rejection.index - firstInBatch;
      if (index < 0 || index >= count) continue;
      this.#rejected.push({ ...rejection, index: index + firstInSend });
    }
    this.#undecided -= count;
    if (this.#undecided > 0) return;
    this.#rejected.sort((left, right) => left.index - right.index);
    this.#resolve({ events: this.#events, rejected: this.#rejected });
  }

  /** One refused part is the outcome of the whole; what other parts bring is ignored. */
  fail(error: StreamError): void {
    this.#rejectBuffered(error);
    this.#reject(error);
  }
}
