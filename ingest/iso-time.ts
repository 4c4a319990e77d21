/**
 * Times in requests and answers: ISO 8601 with the digits that events have, microseconds.
 *
 * A request says a date, or a date and a time, with an offset or in UTC. `Date.parse` alone takes more (`March 3`,
 * the 30th of February), reads a time without offset in the appliance's own zone, and drops microseconds: what a
 * profile tells as `last_seen` would as `as_of` leave out its last event. Times are written as SQL writes them.
 */

const TIME =
  /^(\d{4}-\d{2}-(\d{2}))(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.(\d{1,9}))?)?)(Z|[+-]\d{2}:?\d{2})?)?$/;

/** @returns the time in UTC, to the microsecond; undefined for what is none. */
export function isoTime(text: string): string | undefined {
  const [, date = '', day, clock = '00:00', fraction = '', offset = 'Z'] = TIME.exec(text) ?? [];
  // A day that its month does not have would become one of the next.
  if (new Date(`${date}T00:00Z`).getUTCDate() !== Number(day)) return undefined;
  const milliseconds = Date.parse(`${date}T${clock}${offset}`);
  if (Number.isNaN(milliseconds)) return undefined;
  return withMicros(milliseconds, Number(fraction.padEnd(6, '0').slice(3, 6)));
}

/** A time in microseconds since 1970: whole seconds have no fraction, whole milliseconds three digits. */
export function timeOfMicros(micros: number): string {
  const milliseconds = Math.floor(micros / 1000);
  const text = withMicros(milliseconds, micros - milliseconds * 1000);
  return text.endsWith('.000Z') ? text.replace('.000Z', 'Z') : text;
}

/** @param micros 0 to 999, beyond the milliseconds. */
function withMicros(milliseconds: number, micros: number): string {
  const text = new Date(milliseconds).toISOString();
  return micros === 0 ? text : text.replace('Z', `${String(micros).padStart(3, '0')}Z`);
}
