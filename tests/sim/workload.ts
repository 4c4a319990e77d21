/**
 * What producers send: few people on few devices, so that identities meet; messages sent again, some of
 * them changed; events that break a rule; claims about the future; JSON and msgpack.
 *
 * Each batch carries what the decoder must make of it, since it was made to: the model needs no decoder
 * of its own for codes and paths.
 */
import { Packr } from 'msgpackr';
import type { Codec } from '../../engine/types.ts';
import type { TestEvent } from '../support/engine-fixture.ts';
import type { Dice } from './dice.ts';

export const PEOPLE = 6;
export const DEVICES = 5;
const DAY_MS = 86_400_000;

const packr = new Packr({ useRecords: false });

/** One event, and why it must be rejected, if it must. */
export interface PlannedEvent {
  readonly event: TestEvent;
  readonly rejection?: { readonly code: string; readonly path: string };
}

export interface PlannedBatch {
  readonly codec: Codec;
  readonly bytes: Uint8Array;
  readonly events: readonly PlannedEvent[];
}

export class Workload {
  readonly #dice: Dice;
  readonly #sent: PlannedEvent[] = [];
  #nextId = 0;

  constructor(dice: Dice) {
    this.#dice = dice;
  }

  /** The next batch: new events, and some that were sent before. */
  next(nowMicros: number): PlannedBatch {
    const count = this.#dice.chance(0.1) ? this.#dice.between(8, 24) : this.#dice.between(1, 4);
    return this.#pack(Array.from({ length: count }, () => this.#planned(nowMicros)));
  }

  #pack(events: readonly PlannedEvent[]): PlannedBatch {
    const batch = { batch: events.map(({ event }) => event) };
    const isPlain = events.every(({ rejection }) => rejection === undefined);
    if (isPlain && this.#dice.chance(0.2)) {
      return { codec: 'msgpack', bytes: packr.pack(batch), events };
    }
    return { codec: 'json', bytes: Buffer.from(JSON.stringify(batch)), events };
  }

  #planned(nowMicros: number): PlannedEvent {
    if (this.#sent.length > 0 && this.#dice.chance(0.2)) return this.#again();
    const planned = this.#fresh(nowMicros);
    this.#sent.push(planned);
    return planned;
  }

  #again(): PlannedEvent {
    const earlier = this.#dice.pick(this.#sent);
    if (!this.#dice.chance(0.3) || earlier.rejection !== undefined) return earlier;
    return { ...earlier, event: { ...earlier.event, properties: { changed: this.#nextId++ } } };
  }

  #fresh(nowMicros: number): PlannedEvent {
    const messageId = `m${this.#nextId++}`;
    const user = `u${this.#dice.below(PEOPLE)}`;
    const device = `d${this.#dice.below(DEVICES)}`;
    const properties = { text: 'x'.repeat(this.#dice.below(200)), of: messageId };
    switch (this.#dice.below(9)) {
      case 0:
        return { event: { type: 'page', messageId, anonymousId: device, properties } };
      case 1:
        return { event: { type: 'identify', messageId, userId: user, anonymousId: device } };
      case 2: {
        const previousId = this.#dice.chance(0.5) ? device : `u${this.#dice.below(PEOPLE)}`;
        return { event: { type: 'alias', messageId, userId: user, previousId } };
      }
      case 3:
        // Without a message id every one is a new event.
        return { event: { type: 'track', event: 'Seen', anonymousId: device, properties } };
      case 4:
        return {
          event: { type: 'track', messageId, userId: user },
          rejection: { code: 'TRIBUTARY_INGEST_FIELD_MISSING', path: 'event' },
        };
      case 5: {
        const timestamp = new Date(Math.round(nowMicros / 1000) + 2 * DAY_MS).toISOString();
        return { event: { type: 'track', event: 'Early', messageId, userId: user, timestamp } };
      }
      default:
        return { event: { type: 'track', event: 'Bought', messageId, userId: user, properties } };
    }
  }
}
