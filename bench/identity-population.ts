/**
 * People as identity sees them, as many as memory holds: nothing is kept, every identifier and event is
 * made from its number.
 *
 * A person has a user id, an e-mail address and two devices; for each person there is one visitor, whose
 * device never signs in. So 5 identifiers are 2 people, 3 edges, and 3 profiles, of which the second
 * device's own becomes part of the person's. The events of a person, in this order:
 *
 * 1. a page seen with the first device, and one by the visitor
 * 2. an identify call: user id, e-mail address, first device
 * 3. a page seen with the second device, nobody signed in
 * 4. a track call with the user id on the second device
 */
export const IDENTIFIERS_PER_PERSON = 5;
export const EVENTS_PER_PERSON = 5;

export interface PopulationIdentifier {
  readonly type: 'user_id' | 'email' | 'anonymous_id';
  readonly value: string;
}

/** The identifier of a number; those of person p are 5p to 5p + 4. */
export function identifierAt(number: number): PopulationIdentifier {
  const person = Math.floor(number / IDENTIFIERS_PER_PERSON);
  const place = number % IDENTIFIERS_PER_PERSON;
  if (place === 0) return { type: 'user_id', value: userId(person) };
  if (place === 1) return { type: 'email', value: email(person) };
  return { type: 'anonymous_id', value: deviceId(3 * person + place - 2) };
}

/** Bytes of the values of a person's identifiers. */
export function valueBytesOf(person: number): number {
  let bytes = 0;
  for (let place = 0; place < IDENTIFIERS_PER_PERSON; place += 1) {
    bytes += identifierAt(person * IDENTIFIERS_PER_PERSON + place).value.length;
  }
  return bytes;
}

/** The events of `count` people from `first`, as one batch: all that do one thing, then the next. */
export function* populationBatches(first: number, count: number): Generator<Buffer> {
  const end = first + count;
  const seen: string[] = [];
  const known: string[] = [];
  const again: string[] = [];
  for (let person = first; person < end; person += 1) {
    const [phone, laptop, visitor] = [0, 1, 2].map((place) => deviceId(3 * person + place));
    const user = `"userId":"${userId(person)}"`;
    seen.push(`{"type":"page","anonymousId":"${phone}"}`);
    seen.push(`{"type":"page","anonymousId":"${visitor}"}`);
    const traits = `"traits":{"email":"${email(person)}"}`;
    known.push(`{"type":"identify",${user},"anonymousId":"${phone}",${traits}}`);
    known.push(`{"type":"page","anonymousId":"${laptop}"}`);
    again.push(`{"type":"track","event":"Viewed",${user},"anonymousId":"${laptop}"}`);
  }
  for (const events of [seen, known, again]) yield Buffer.from(`{"batch":[${events.join(',')}]}`);
}

function userId(person: number): string {
  return `user-${person}`;
}

function email(person: number): string {
  return `person.${person}@mail.example`;
}

/** A UUID in form; the number keeps any two apart. */
function deviceId(number: number): string {
  const head = Math.imul(number + 1, 0x9e3779b1) >>> 0;
  const middle = Math.imul(head ^ (head >>> 15), 0x85ebca6b) >>> 8;
  const digits = middle.toString(16).padStart(6, '0');
  const start = head.toString(16).padStart(8, '0');
  const end = number.toString(16).padStart(12, '0');
  return `${start}-5b1d-4${digits.slice(0, 3)}-8${digits.slice(3)}-${end}`;
}
