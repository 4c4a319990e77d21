/**
 * What the server remembers of streams that have a name, so that a client whose connection broke learns
 * what became of the batches it had no answer for.
 *
 * Why so little is enough: a client sends on credit, and an answer gives credit back. Whatever it has no
 * answer for is therefore among the last `LIMITS.streamCreditBatches` answers, or under way. Only stored
 * batches are remembered: of one that was refused nothing is stored, so it may simply be decided again.
 *
 * - A stream is named within its tenant and source: nobody else's key reaches it.
 * - A stream has one connection at most; a new one takes it over.
 * - Memory is bounded by count, by time and by weight; what it has forgotten, or what a restart took,
 *   is taken again and found to be duplicates by its messageIds.
 */
import type { Clock } from '../base/clock.ts';
import { LIMITS } from '../base/limits.ts';
import type { WritePrincipal } from '../engine/control.ts';
import type { BatchOutcome } from '../engine/types.ts';

/** The connection that a stream has now. */
export interface StreamHolder {
  /** Sends a frame; ignored when the connection is closing. */
  deliver(frame: string): void;
  /** Another connection has the stream from now on. */
  replaced(): void;
}

/** One stream: the batches under way and the outcomes a client may not have seen. */
export class StreamRecord {
  readonly #ledger: StreamLedger;
  readonly #answered = new Map<number, BatchOutcome>();
  readonly #underWay = new Set<number>();
  #weight = 0;
  #isForgotten = false;
  /** Maintained by the ledger. */
  holder: StreamHolder | undefined;

  constructor(ledger: StreamLedger) {
    this.#ledger = ledger;
  }

  /** Outcomes and the rejections they list. */
  get weight(): number {
    return this.#weight;
  }

  get answered(): ReadonlyMap<number, BatchOutcome> {
    return this.#answered;
  }

  get underWay(): ReadonlySet<number> {
    return this.#underWay;
  }

  begin(id: number): void {
    this.#underWay.add(id);
  }

  /** Ends what `begin` began: stored with an outcome, or refused. */
  settle(id: number, outcome: BatchOutcome | undefined): void {
    this.#underWay.delete(id);
    if (outcome === undefined || this.#isForgotten) return;
    const rejected = outcome.rejected.slice(0, LIMITS.rejectionsListedMax);
    this.#answered.set(id, { ...outcome, rejected });
    this.#weight += weightOf(rejected.length);
    this.#ledger.weighed(weightOf(rejected.length), this);
    while (
      this.#answered.size > LIMITS.streamCreditBatches ||
      this.#weight > LIMITS.streamOutcomesMax
    ) {
      this.forgetOldest();
    }
  }

  /** Drops what the client says it has: every id up to `acknowledged`. */
  forgetThrough(acknowledged: number): void {
    for (const id of this.#answered.keys()) if (id <= acknowledged) this.#forget(id);
  }

  /** @returns false when there was nothing. */
  forgetOldest(): boolean {
    const [oldest] = this.#answered.keys();
    if (oldest === undefined) return false;
    this.#forget(oldest);
    return true;
  }

  /** The ledger drops this stream; batches still under way leave nothing in it. */
  forgetAll(): void {
    this.#isForgotten = true;
    while (this.forgetOldest());
  }

  #forget(id: number): void {
    const weight = weightOf(this.#answered.get(id)?.rejected.length ?? 0);
    this.#answered.delete(id);
    this.#weight -= weight;
    this.#ledger.weighed(-weight, this);
  }
}

interface IdleStream {
  readonly record: StreamRecord;
  readonly sinceMs: number;
}

export class StreamLedger {
  readonly #clock: Clock;
  readonly #connected = new Map<string, StreamRecord>();
  /** Without a connection; in the order in which they lost it. */
  readonly #idle = new Map<string, IdleStream>();
  #weight = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Streams remembered, with and without a connection. */
  get size(): number {
    return this.#connected.size + this.#idle.size;
  }

  /** Outcomes and the rejections they list, of all streams. */
  get weight(): number {
    return this.#weight;
  }

  /** Gives the stream to `holder`, and takes it from the connection it had. */
  attach(principal: WritePrincipal, stream: string, holder: StreamHolder): StreamRecord {
    this.prune();
    const name = nameOf(principal, stream);
    const connected = this.#connected.get(name);
    const record = connected ?? this.#idle.get(name)?.record ?? new StreamRecord(this);
    const previous = record.holder;
    record.holder = holder;
    this.#idle.delete(name);
    this.#connected.set(name, record);
    previous?.replaced();
    return record;
  }

  /** The connection is gone; the stream waits for another. Ignored when it has one already. */
  detach(principal: WritePrincipal, stream: string, holder: StreamHolder): void {
    const name = nameOf(principal, stream);
    const record = this.#connected.get(name);
    if (record === undefined || record.holder !== holder) return;
    record.holder = undefined;
    this.#connected.delete(name);
    this.#idle.set(name, { record, sinceMs: this.#clock.monotonicMs() });
    this.prune();
  }

  /** Forgets streams that have waited too long, and the longest waiting of too many. */
  prune(): void {
    const horizonMs = this.#clock.monotonicMs() - LIMITS.streamMemoryMs;
    for (const { sinceMs } of this.#idle.values()) {
      if (sinceMs > horizonMs && this.#idle.size <= LIMITS.streamsRememberedMax) return;
      this.#dropLongestIdle();
    }
  }

  /** A record's weight has changed. Beyond the limit idle streams go first, then its own oldest. */
  weighed(change: number, record: StreamRecord): void {
    this.#weight += change;
    while (this.#weight > LIMITS.streamOutcomesTotalMax) {
      if (!this.#dropLongestIdle() && !record.forgetOldest()) return;
    }
  }

  #dropLongestIdle(): boolean {
    for (const [name, { record }] of this.#idle) {
      this.#idle.delete(name);
      record.forgetAll();
      return true;
    }
    return false;
  }
}

function weightOf(rejections: number): number {
  return 1 + rejections;
}

function nameOf({ source, tenantId }: WritePrincipal, stream: string): string {
  return `${tenantId}/${source.ordinal}/${stream}`;
}
