/**
 * What the world outside knows of a soak: every batch that was made, what it must be answered with, and
 * what it was.
 *
 * - Good events carry the message ids `s0`, `s1`, …, each number once. A soak ends when all of them are
 *   acknowledged, so the table must then hold exactly the numbers below `goodEvents`: SQL checks it by
 *   count, smallest, largest, sum and sum of squares.
 * - A batch is answered exactly as planned. When an attempt got no answer (the socket was cut), part or
 *   all of it may be stored already: then accepted and duplicates are right in sum, and `recovered` counts
 *   what the lost attempt had stored. Rejected events have the message ids `r1`, `r2`, …; one that is
 *   rejected by both attempts is a dead letter twice.
 */
import { seededRandom } from '../../base/random.ts';

/** What becomes of the events of a batch. They add up to its events. */
export interface Outcome {
  readonly accepted: number;
  readonly duplicates: number;
  readonly rejected: number;
  /** Events of a body that is refused as a whole. */
  readonly refused: number;
}

export interface SoakBatch {
  readonly payload: Buffer;
  readonly events: number;
  readonly expected: Outcome;
  /** Attempts that ended without an answer. */
  lostAttempts: number;
}

/** What an answer says, in the spelling of the API. */
export interface Answer {
  readonly accepted?: number;
  readonly duplicates?: number;
  readonly rejected?: readonly unknown[];
}

const BATCH_EVENTS = 100;
const USERS = 20_000;
const GARBAGE_SHARE = 0.01;
const REJECTED_OF_A_BATCH = 7;
/** Pads an event to about 400 bytes. */
const PROPERTIES = JSON.stringify({
  path: '/products/8d3f1c2a',
  referrer: 'https://example.com/search?q=running+shoes',
  price: 129.9,
  currency: 'EUR',
  list: ['summer', 'sale', 'shoes'],
  text: 'x'.repeat(120),
});

export class Ledger {
  readonly #random: () => number;
  readonly #violations: string[] = [];
  #goodEvents = 0;
  #rejectedMade = 0;
  sent = 0;
  accepted = 0;
  duplicates = 0;
  rejected = 0;
  refused = 0;
  recovered = 0;
  batches = 0;
  lostAttempts = 0;
  /** Attempts that were told to come again later. */
  turnedAway = 0;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  /** Good events made so far; all of them are stored in the end. */
  get goodEvents(): number {
    return this.#goodEvents;
  }

  /** What was not as it must be, the first hundred. */
  get violations(): readonly string[] {
    return this.#violations;
  }

  /** The next batch. @param repeatable a payload already acknowledged, to be sent again as garbage. */
  nextBatch(repeatable: SoakBatch | undefined): SoakBatch {
    if (this.#random() >= GARBAGE_SHARE) return this.goodBatch();
    const kind = this.#random();
    if (kind < 1 / 3) return malformedBatch();
    if (kind < 2 / 3 || repeatable === undefined) return this.#partlyRejectedBatch();
    const expected = { accepted: 0, duplicates: repeatable.events, rejected: 0, refused: 0 };
    return { ...repeatable, expected, lostAttempts: 0 };
  }

  /** A batch of which every event is new and right. */
  goodBatch(): SoakBatch {
    const events = Array.from({ length: BATCH_EVENTS }, () => this.#goodEvent());
    return batchOf(events, { accepted: BATCH_EVENTS, duplicates: 0, rejected: 0, refused: 0 });
  }

  /** As many good batches as the lines of one import. */
  importOf(batches: number): SoakBatch {
    const events = Array.from({ length: batches * BATCH_EVENTS }, () => this.#goodEvent());
    const accepted = events.length;
    const expected = { accepted, duplicates: 0, rejected: 0, refused: 0 };
    return { ...batchOf(events, expected), payload: Buffer.from(events.join('\n')) };
  }

  #partlyRejectedBatch(): SoakBatch {
    const events = Array.from({ length: BATCH_EVENTS - REJECTED_OF_A_BATCH }, () =>
      this.#goodEvent(),
    );
    for (let bad = 0; bad < REJECTED_OF_A_BATCH; bad += 1) {
      this.#rejectedMade += 1;
      events.splice(
        bad * 11,
        0,
        `{"type":"track","messageId":"r${this.#rejectedMade}","userId":"u"}`,
      );
    }
    const accepted = BATCH_EVENTS - REJECTED_OF_A_BATCH;
    const rejected = REJECTED_OF_A_BATCH;
    return batchOf(events, { accepted, duplicates: 0, rejected, refused: 0 });
  }

  #goodEvent(): string {
    const ordinal = this.#goodEvents;
    this.#goodEvents += 1;
    const user = Math.floor(this.#random() ** 2 * USERS);
    return `{"type":"track","event":"Product Viewed","messageId":"s${ordinal}","userId":"u${user}","anonymousId":"a${user}","properties":${PROPERTIES}}`;
  }

  /** An attempt that got no answer: the batch will be sent again. */
  lose(batch: SoakBatch): void {
    batch.lostAttempts += 1;
    this.lostAttempts += 1;
  }

  /** Books the answer that decides a batch. */
  settle(batch: SoakBatch, answer: Answer): void {
    const accepted = answer.accepted ?? 0;
    const duplicates = answer.duplicates ?? 0;
    const rejected = answer.rejected?.length ?? 0;
    const isRefused = answer.accepted === undefined;
    this.#book(batch, { accepted, duplicates, rejected, refused: isRefused ? batch.events : 0 });
  }

  #book(batch: SoakBatch, outcome: Outcome): void {
    const { expected } = batch;
    const recovered = outcome.duplicates - expected.duplicates;
    const isPlanned = batch.lostAttempts > 0 ? recovered >= 0 : recovered === 0;
    const isRight =
      isPlanned &&
      outcome.accepted + recovered === expected.accepted &&
      outcome.rejected === expected.rejected &&
      outcome.refused === expected.refused;
    if (!isRight) {
      this.note(`answered ${JSON.stringify(outcome)}, expected ${JSON.stringify(expected)}`);
    }
    this.batches += 1;
    this.sent += batch.events;
    this.accepted += outcome.accepted;
    this.duplicates += outcome.duplicates;
    this.rejected += outcome.rejected;
    this.refused += outcome.refused;
    this.recovered += recovered;
  }

  note(violation: string): void {
    if (this.#violations.length < 100) this.#violations.push(violation);
  }
}

function batchOf(events: readonly string[], expected: Outcome): SoakBatch {
  const payload = Buffer.from(`{"batch":[${events.join(',')}]}`);
  return { payload, events: events.length, expected, lostAttempts: 0 };
}

/** A hundred events whose last bytes are missing. */
function malformedBatch(): SoakBatch {
  const events = Array.from({ length: BATCH_EVENTS }, (_, index) => `{"messageId":"x${index}"}`);
  const whole = batchOf(events, {
    accepted: 0,
    duplicates: 0,
    rejected: 0,
    refused: BATCH_EVENTS,
  });
  return { ...whole, payload: whole.payload.subarray(0, -2) };
}
