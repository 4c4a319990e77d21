/**
 * Moments and dates as ISO 8601 text, fast: rows next to each other mostly share their day, so the text
 * of the last day is kept.
 *
 * - Whole seconds have no fraction, whole milliseconds three digits, the rest six.
 * - Years outside 0000 to 9999 have a sign and six digits, as ISO 8601 asks and JavaScript prints.
 * - Moments beyond JavaScript's dates (years after 275760) give null: the caller uses DuckDB's text.
 */

const DAY_MICROS = 86_400_000_000;
const DAY_MILLIS = 86_400_000;
const DAYS_MAX = 100_000_000; // ECMAScript: 10^8 days each side of 1970
const TWO_DIGITS = Array.from({ length: 60 }, (_, value) => String(value).padStart(2, '0'));

let lastDay = Number.NaN;
let lastDayText = '';

/** `2026-01-31` for days since 1970-01-01, or null. */
export function dateText(days: number): string | null {
  if (days === lastDay) return lastDayText;
  if (Math.abs(days) > DAYS_MAX) return null;
  const iso = new Date(days * DAY_MILLIS).toISOString();
  lastDay = days;
  lastDayText = iso.slice(0, iso.indexOf('T'));
  return lastDayText;
}

/** `2026-01-31T12:00:00.5`-like text, without a zone, for microseconds since 1970; or null. */
export function timestampText(micros: bigint): string | null {
  const days = Number(floorDivide(micros, BigInt(DAY_MICROS)));
  const date = dateText(days);
  if (date === null) return null;
  const ofDay = Number(micros - BigInt(days) * BigInt(DAY_MICROS));
  const seconds = Math.floor(ofDay / 1_000_000);
  const fraction = ofDay - seconds * 1_000_000;
  const hour = TWO_DIGITS[Math.floor(seconds / 3600)];
  const minute = TWO_DIGITS[Math.floor(seconds / 60) % 60];
  return `${date}T${hour}:${minute}:${TWO_DIGITS[seconds % 60]}${fractionText(fraction)}`;
}

function fractionText(micros: number): string {
  if (micros === 0) return '';
  if (micros % 1000 === 0) return `.${String(micros / 1000).padStart(3, '0')}`;
  return `.${String(micros).padStart(6, '0')}`;
}

function floorDivide(value: bigint, divisor: bigint): bigint {
  const quotient = value / divisor;
  return value < 0n && quotient * divisor !== value ? quotient - 1n : quotient;
}
