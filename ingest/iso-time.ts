/**
 * Times in requests: ISO 8601, as a date or as a date and a time, with an offset or in UTC. `Date.parse` alone takes
 * more (`March 3`, the 30th of February) and reads a time without offset in the appliance's own zone.
 */

const TIME =
  /^(\d{4}-\d{2}-(\d{2}))(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:?\d{2})?)?$/;

/** @returns the time in UTC, to the millisecond; undefined for what is none. */
export function isoTime(text: string): string | undefined {
  const [, date = '', day, clock = '00:00', offset = 'Z'] = TIME.exec(text) ?? [];
  // A day that its month does not have would become one of the next.
  if (new Date(`${date}T00:00Z`).getUTCDate() !== Number(day)) return undefined;
  const milliseconds = Date.parse(`${date}T${clock}${offset}`);
  return Number.isNaN(milliseconds) ? undefined : new Date(milliseconds).toISOString();
}
