/** The time in which events lie, as the bounds of a statement: with them it skips what lies outside. */

export interface EventTimes {
  /** What DuckDB reads as TIMESTAMPTZ; both are inclusive. */
  readonly since: string;
  readonly until: string;
}

/** In microseconds since 1970. */
export interface SeenTimes {
  readonly firstMicros: number;
  readonly lastMicros: number;
}

/** The year 1, before which ISO 8601 and DuckDB write years differently. */
const FIRST_YEAR_MS = -62_135_596_800_000;

/** @param seen null without events. @param asOf ISO 8601: leaves out what happened after it. */
export function eventTimes(seen: SeenTimes | null, asOf?: string): EventTimes {
  const { firstMicros, lastMicros } = seen ?? { firstMicros: 0, lastMicros: 0 };
  const last = Math.ceil(lastMicros / 1000);
  return {
    since: timeText(Math.floor(firstMicros / 1000)),
    until: asOf === undefined || Date.parse(asOf) >= last ? timeText(last) : timeText(asOf),
  };
}

/** @param time in milliseconds, or as ISO 8601, whose microseconds stay. */
function timeText(time: number | string): string {
  const date = new Date(time);
  if (date.getTime() < FIRST_YEAR_MS) return '-infinity';
  return typeof time === 'string' ? time : date.toISOString();
}
