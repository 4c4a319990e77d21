/**
 * Realistic tracking events from a seed: the same seed gives the same bytes on every machine.
 *
 * The model, and where its shape comes from:
 * - People follow Zipf's law with exponent 1 (a few are very active), drawn by inverting the continuous
 *   distribution: rank = people ^ u, whose density falls as 1 / rank.
 * - A person has one or two devices of their own; some events come from a device that a household or a
 *   shop shares. A device has one anonymous id.
 * - People are anonymous at first. Some sign in after a few events, with an identify call, and carry
 *   their user id from then on; a rare alias names the anonymous id that went before.
 * - Time moves on by a few milliseconds an event; some events were kept on the device and come late.
 *
 * An event is about 400 bytes of JSON. Message ids are unique over a run, so no event is a duplicate.
 */
import { seededRandom } from '../base/random.ts';
import { HOUR_MICROS } from '../base/units.ts';
import {
  CITIES,
  EVENT_NAMES,
  LIBRARIES,
  LOCALES,
  PAGES,
  PLANS,
  SCREENS,
  USER_AGENTS,
} from './event-vocabulary.ts';

export interface EventRunOptions {
  readonly seed: number;
  readonly events: number;
  readonly batchEvents: number;
}

/** The same events twice: as a producer sends them, and as rows for a database that loads them. */
export interface EventBatch {
  readonly events: number;
  /** `{"batch":[…],"sentAt":…}` */
  readonly payload: Buffer;
  /** One event a line, each line ended by a line feed; made when it is asked for. */
  readonly ndjson: () => Buffer;
}

const RUN_START_MS = Date.UTC(2026, 0, 5, 8);
const MINUTE_MS = 60_000;
const EVENTS_PER_PERSON = 20;
const PEOPLE_PER_SHARED_DEVICE = 50;
const PEOPLE_MIN = 100;
const EVENT_INTERVAL_MS_MAX = 8;
/** Between an event and its arrival: usually, and when the device was offline. */
const DELAY_MS_MAX = 400;
const LATE_MS_MAX = (48 * HOUR_MICROS) / 1000;
/** The second field of a device's UUID. */
const OWN_DEVICE = '5b1d';
const SHARED_DEVICE = '5ad7';

/** Shares of people, of events, or of a draw in [0, 1); what is left is track. */
const SIGN_IN_SHARE = 0.6;
const SECOND_DEVICE_OWNERS = 0.4;
const SECOND_DEVICE_SHARE = 0.3;
const SHARED_DEVICE_SHARE = 0.04;
const LATE_SHARE = 0.02;
const IDENTIFY_SHARE = 0.03;
const ALIAS_BELOW = 0.031;
const GROUP_BELOW = 0.05;
const PAGE_FROM = 0.7;
const SCREEN_FROM = 0.92;

/** Yields `options.events` events in batches; the last batch may be smaller. */
export function* generateBatches(options: EventRunOptions): Generator<EventBatch> {
  const crowd = new Crowd(options.seed, options.events);
  for (let start = 0; start < options.events; start += options.batchEvents) {
    const count = Math.min(options.batchEvents, options.events - start);
    const lines = Array.from({ length: count }, () => crowd.nextEvent());
    const sentAt = isoTime(crowd.nowMs);
    yield {
      events: count,
      payload: Buffer.from(`{"batch":[${lines.join(',')}],"sentAt":"${sentAt}"}`),
      ndjson: () => Buffer.from(`${lines.join('\n')}\n`),
    };
  }
}

/** Who acts next, and what they do. */
class Crowd {
  readonly #random: () => number;
  readonly #people: number;
  /** Events a person has sent, up to 255. */
  readonly #visits: Uint8Array;
  #eventCount = 0;
  #nowMs = RUN_START_MS;

  constructor(seed: number, events: number) {
    this.#random = seededRandom(seed);
    this.#people = Math.max(PEOPLE_MIN, Math.ceil(events / EVENTS_PER_PERSON));
    this.#visits = new Uint8Array(this.#people);
  }

  get nowMs(): number {
    return this.#nowMs;
  }

  /** The next event as the text of a JSON object. No value needs escaping. */
  nextEvent(): string {
    this.#nowMs += this.#below(EVENT_INTERVAL_MS_MAX);
    const person = this.#rank(this.#people);
    const visit = this.#visits[person]!;
    this.#visits[person] = Math.min(255, visit + 1);
    const signsInAt = scatter(person, 1) < SIGN_IN_SHARE ? 1 + (person % 4) : Infinity;
    const device = this.#deviceOf(person);
    const isKnown = visit >= signsInAt;
    const call = this.#call(person, device, isKnown, visit === signsInAt);
    const userId = isKnown ? `"userId":"user-${digits(person, 8)}",` : '';
    return `{"messageId":"${this.#messageId()}","anonymousId":"${device}",${userId}"timestamp":"${this.#timestamp()}",${call},${this.#context(person)}}`;
  }

  /** The members that make a call what it is: its type, its name, its properties or traits. */
  #call(person: number, device: string, isKnown: boolean, isSigningIn: boolean): string {
    const kind = this.#random();
    if (isSigningIn || (isKnown && kind < IDENTIFY_SHARE)) return this.#identify(person);
    if (isKnown && kind < ALIAS_BELOW) return `"type":"alias","previousId":"${device}"`;
    if (isKnown && kind < GROUP_BELOW) return this.#group(person);
    if (kind >= SCREEN_FROM) return this.#screen();
    if (kind >= PAGE_FROM) return this.#page();
    return this.#track();
  }

  #track(): string {
    const name = EVENT_NAMES[this.#rank(EVENT_NAMES.length)]!;
    const product = this.#below(5000);
    const price = (500 + product) / 100;
    const order = name === 'Order Completed' ? `,"order_id":"o-${this.#eventCount}"` : '';
    return `"type":"track","event":"${name}","properties":{"sku":"sku-${digits(product, 5)}","price":${price},"quantity":${1 + this.#below(3)}${order}}`;
  }

  #page(): string {
    const path = this.#oneOf(PAGES);
    return `"type":"page","name":"Shop","properties":{"path":"${path}","referrer":"https://search.example/"}`;
  }

  #screen(): string {
    const isFirst = this.#random() < 0.1;
    return `"type":"screen","name":"${this.#oneOf(SCREENS)}","properties":{"variant":${this.#below(4)},"is_first":${isFirst}}`;
  }

  #identify(person: number): string {
    const city = CITIES[person % CITIES.length];
    return `"type":"identify","traits":{"email":"person.${person}@mail.example","plan":"${this.#oneOf(PLANS)}","city":"${city}","logins":${this.#visits[person]},"newsletter":${person % 3 === 0}}`;
  }

  #group(person: number): string {
    const account = person % 997;
    return `"type":"group","groupId":"account-${account}","traits":{"name":"Company ${account}","plan":"${this.#oneOf(PLANS)}","seats":${account % 200}}`;
  }

  #context(person: number): string {
    const host = Math.floor(scatter(person, 2) * 65_536);
    const { name, version } = LIBRARIES[person % LIBRARIES.length]!;
    const userAgent = USER_AGENTS[person % USER_AGENTS.length];
    return `"context":{"library":{"name":"${name}","version":"${version}"},"ip":"198.51.${host >> 8}.${host & 255}","userAgent":"${userAgent}","locale":"${LOCALES[person % LOCALES.length]}"}`;
  }

  #timestamp(): string {
    const isLate = this.#random() < LATE_SHARE;
    const age = this.#below(isLate ? LATE_MS_MAX : DELAY_MS_MAX);
    return isoTime(this.#nowMs - age);
  }

  /** A UUID whose first field is the number of the event, so that no two are alike. */
  #messageId(): string {
    const number = this.#eventCount;
    this.#eventCount += 1;
    return `${hex(number, 8)}-41cc-4e05-8b52-1a07e6${hex(this.#below(2 ** 24), 6)}`;
  }

  /** The anonymous id of the device that the person uses now. */
  #deviceOf(person: number): string {
    const draw = this.#random();
    if (draw < SHARED_DEVICE_SHARE) {
      return deviceId(SHARED_DEVICE, Math.floor(person / PEOPLE_PER_SHARED_DEVICE));
    }
    const usesSecond = draw > 1 - SECOND_DEVICE_SHARE && scatter(person, 3) < SECOND_DEVICE_OWNERS;
    return deviceId(OWN_DEVICE, 2 * person + (usesSecond ? 1 : 0));
  }

  /** A position below `count`, the first the likeliest, by Zipf's law with exponent 1. */
  #rank(count: number): number {
    return Math.min(count, Math.floor((count + 1) ** this.#random())) - 1;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #oneOf<Item>(items: readonly Item[]): Item {
    return items[this.#below(items.length)]!;
  }
}

let knownMinute = -1;
let knownMinuteText = '';

/** As Date's toISOString, at a third of its price: almost all times fall into the minute of the last one. */
function isoTime(ms: number): string {
  const minute = Math.floor(ms / MINUTE_MS);
  if (minute !== knownMinute) {
    knownMinute = minute;
    knownMinuteText = new Date(minute * MINUTE_MS)
      .toISOString()
      .slice(0, 'YYYY-MM-DDTHH:MM:'.length);
  }
  const rest = ms - minute * MINUTE_MS;
  return `${knownMinuteText}${digits(Math.floor(rest / 1000), 2)}.${digits(rest % 1000, 3)}Z`;
}

function deviceId(kind: string, device: number): string {
  const tail = Math.floor(scatter(device, 4) * 2 ** 24);
  return `${hex(device, 8)}-${kind}-4c07-9a3e-5d20f1${hex(tail, 6)}`;
}

/** A fixed number in [0, 1) for each (ordinal, purpose): what never changes about a person. */
function scatter(ordinal: number, purpose: number): number {
  return seededRandom(Math.imul(ordinal, 0x9e3779b1) ^ Math.imul(purpose, 0x85ebca6b))();
}

/** Below 2^30: V8 writes larger numbers in base 16 ten times as slowly. */
function hex(value: number, length: number): string {
  return value.toString(16).padStart(length, '0');
}

function digits(value: number, length: number): string {
  return String(value).padStart(length, '0');
}
