/**
 * Events for runs that are too long to make each of them: a hundred thousand realistic ones
 * (event-generator.ts) are sent again and again, and each time the bytes that must differ are written over.
 *
 * - A message id begins with the number of its event, so that none is used twice.
 * - People live in worlds of as many as the prepared events have, which differ in every identifier: in digits
 *   of device and user ids, and in the domain of the e-mail address. Each pass opens a world. Half of
 *   its batches are of the new one, the others of older ones, so the population grows by as many people an
 *   event as the generator's, and who came before comes back.
 * - Time moves on by whole minutes a pass, as far as the prepared events reach, so only the minute is written.
 *
 * All of these have a fixed width, so a batch keeps its length. Writing them takes 0.1 µs an event, a hundredth
 * of what making an event takes, and no memory: a batch is handed out in the same buffer each time.
 */
import { assert } from '../base/assert.ts';
import { seededRandom } from '../base/random.ts';
import { type EventRunOptions, generateBatches } from './event-generator.ts';

const PREPARED_EVENTS = 100_000;
/** Users of the prepared events have four digits of eight, worlds the others. */
const WORLDS_MAX = 10_000;
const NEW_WORLD_SHARE = 0.5;
const MINUTE_MS = 60_000;
const MINUTE_CHARACTERS = 'YYYY-MM-DDTHH:MM'.length;
const DIGITS = Buffer.from('0123456789abcdef', 'latin1');

/** Where the generator writes what is written over; a match ends where that begins. */
const PLACES =
  /(?<message>"messageId":")|(?<device>-4c07-9a3e-)(?=5d20f1)|(?<user>"userId":"user-)|(?<email>@)(?=mail\.example)|(?<time>"(?:timestamp|sentAt)":")/g;
type Place = 'message' | 'device' | 'user' | 'email' | 'time';
/** Characters of a world's number there, and its base. */
const WORLD_DIGITS: readonly (readonly [Place, number, number])[] = [
  ['device', 6, 16],
  ['user', 4, 10],
  ['email', 4, 10],
];

/** Yields batches of `options.events` events; the payload of each is valid until the next is asked for. */
export function* streamBatches(
  options: EventRunOptions,
): Generator<{ readonly events: number; readonly payload: Buffer }> {
  const { seed, events, batchEvents } = options;
  const prepared = prepare({ ...options, events: Math.min(events, PREPARED_EVENTS) });
  const minutes = spanMinutes(prepared);
  const random = seededRandom(seed);
  for (let first = 0, pass = 0; first < events; pass += 1) {
    assert(pass < WORLDS_MAX, 'the identifiers of a world have four digits');
    for (const batch of prepared) {
      const left = events - first;
      if (left === 0) return;
      const draw = random() / NEW_WORLD_SHARE;
      const world = draw < 1 ? pass : Math.floor((draw - 1) * pass);
      const whole = left < batch.events ? prepare({ seed, events: left, batchEvents })[0]! : batch;
      whole.write(first, world, pass * minutes);
      yield whole;
      first += whole.events;
    }
  }
}

function prepare(options: EventRunOptions): PreparedBatch[] {
  return [...generateBatches(options)].map(
    ({ events, payload }) => new PreparedBatch(events, payload),
  );
}

/** So many whole minutes that the times of a pass are later than those of the one before. */
function spanMinutes(prepared: readonly PreparedBatch[]): number {
  return prepared.at(-1)!.sentMinute - prepared[0]!.sentMinute + 1;
}

class PreparedBatch {
  readonly events: number;
  readonly payload: Buffer;
  readonly #messages: Uint32Array;
  readonly #worlds: readonly (readonly [places: Uint32Array, width: number, base: number])[];
  readonly #times: Uint32Array;
  /** As they were generated, since 1970. */
  readonly #minutes: Uint32Array;

  constructor(events: number, payload: Buffer) {
    this.events = events;
    this.payload = payload;
    // One character a byte, so that positions in the text are offsets.
    const text = payload.toString('latin1');
    const places = new Map<string, number[]>();
    for (const match of text.matchAll(PLACES)) {
      const [name] = Object.entries(match.groups!).find(([, found]) => found !== undefined)!;
      places.set(name, [...(places.get(name) ?? []), match.index + match[0].length]);
    }
    const at = (name: Place): Uint32Array => Uint32Array.from(places.get(name) ?? []);
    this.#messages = at('message');
    assert(this.#messages.length === events, 'each event has a message id');
    this.#worlds = WORLD_DIGITS.map(([name, width, base]) => [at(name), width, base]);
    this.#times = at('time');
    this.#minutes = this.#times.map((place) => {
      const minute = `${text.slice(place, place + MINUTE_CHARACTERS)}Z`;
      return Date.parse(minute) / MINUTE_MS;
    });
  }

  /** When it is sent, before it is moved. */
  get sentMinute(): number {
    return this.#minutes.at(-1)!;
  }

  /** Makes it the events from number `first` on, of people of `world`, `minutes` later than generated. */
  write(first: number, world: number, minutes: number): void {
    const { payload } = this;
    const messages = this.#messages;
    for (let index = 0; index < messages.length; index += 1) {
      writeHex(payload, messages[index]!, first + index);
    }
    for (const [places, width, base] of this.#worlds) {
      const digits = Buffer.from(world.toString(base).padStart(width, '0'), 'latin1');
      for (let index = 0; index < places.length; index += 1) {
        writeBytes(payload, places[index]!, digits, 0, width);
      }
    }
    const times = this.#times;
    for (let index = 0; index < times.length; index += 1) {
      writeMinute(payload, times[index]!, this.#minutes[index]! + minutes);
    }
  }
}

/** `value`, below 2^32, as eight digits. */
function writeHex(target: Buffer, at: number, value: number): void {
  for (let index = 0; index < 8; index += 1) {
    target[at + index] = DIGITS[(value >>> (28 - 4 * index)) & 15]!;
  }
}

/** For a few bytes a loop is faster than a call of `set`. */
function writeBytes(target: Buffer, at: number, from: Buffer, first: number, count: number): void {
  for (let index = 0; index < count; index += 1) target[at + index] = from[first + index]!;
}

/** Texts of minutes, each in the place of its number's last bits: two days of late events fit. */
const KNOWN_MINUTES = 4096;
const knownMinutes = new Uint32Array(KNOWN_MINUTES);
const knownMinuteTexts = Buffer.alloc(KNOWN_MINUTES * MINUTE_CHARACTERS);

function writeMinute(target: Buffer, at: number, minute: number): void {
  const place = minute % KNOWN_MINUTES;
  if (knownMinutes[place] !== minute) {
    knownMinutes[place] = minute;
    const text = new Date(minute * MINUTE_MS).toISOString();
    knownMinuteTexts.write(text, place * MINUTE_CHARACTERS, MINUTE_CHARACTERS, 'latin1');
  }
  writeBytes(target, at, knownMinuteTexts, place * MINUTE_CHARACTERS, MINUTE_CHARACTERS);
}
